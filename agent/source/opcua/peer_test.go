package opcua

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/peertest"
)

// line is a running node-opcua server of packaging/peers/opcua-line.mjs.
type line struct {
	*peertest.NodePeer
	Port        int    `json:"port"`
	Endpoint    string `json:"endpoint"`
	Certificate string `json:"certificate"`
	// PKI is one certificate store for the sources of this server: making a key of
	// 3072 bits takes a second.
	PKI string `json:"-"`
}

func startLine(t testing.TB, options map[string]any) *line {
	t.Helper()
	text, err := json.Marshal(options)
	require.NoError(t, err)
	l := &line{NodePeer: peertest.Node(t, "opcua-line.mjs", string(text)), PKI: t.TempDir()}
	require.NoError(t, json.Unmarshal(l.Ready, l))
	return l
}

// ask sends one command and waits for its answer.
func (l *line) ask(t *testing.T, command string) map[string]any {
	t.Helper()
	l.Send(t, command)
	select {
	case text := <-l.Lines():
		answer := map[string]any{}
		require.NoError(t, json.Unmarshal(text, &answer))
		require.NotContains(t, answer, "error")
		return answer
	case <-time.After(20 * time.Second):
		t.Fatalf("no answer to %q", command)
		return nil
	}
}

// record is a sink that keeps everything, as a journal would: readings and
// positions of one Take are kept together.
type record struct {
	mu        sync.Mutex
	readings  []source.Reading
	positions map[string][]byte
	changed   chan struct{}
	refuse    bool // Take fails
	refused   int
}

func newRecord() *record {
	return &record{positions: map[string][]byte{}, changed: make(chan struct{}, 1)}
}

var errSinkFull = errors.New("the journal is full")

func (r *record) Take(_ context.Context, batch []source.Reading, at source.Position) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse {
		r.refused++
		return errSinkFull
	}
	r.readings = append(r.readings, batch...)
	maps.Copy(r.positions, at.Set)
	for _, key := range at.Delete {
		delete(r.positions, key)
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return nil
}

func (r *record) Positions(string) map[string][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.positions)
}

func (r *record) all() []source.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]source.Reading(nil), r.readings...)
}

// refusals counts the Takes that failed.
func (r *record) refusals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// occurrences are the events of the source's own of one type.
func (r *record) occurrences(name string) []source.Reading {
	var out []source.Reading
	for _, reading := range r.all() {
		if reading.Occurrence != nil && reading.Occurrence.Type == name {
			out = append(out, reading)
		}
	}
	return out
}

// newest is the newest value of a signal, nil for none.
func (r *record) newest(signal string) any {
	all := r.all()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Occurrence == nil && all[i].Point.Signal == signal {
			return all[i].Value
		}
	}
	return nil
}

// until waits for what the sink got.
func (r *record) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(90 * time.Second)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-r.changed:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// running is a source at work.
type running struct {
	*Source
	stop func()
}

// run starts a source; stop leaves its session in the server, as a kill does.
func run(t testing.TB, cfg config.OPCUA, opts Options, sink source.Sink) *running {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if opts.PKI == "" {
		opts.PKI = t.TempDir()
	}
	opts.Station = "hamburg/body/line3/st07"
	s := New(cfg, opts)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, sink) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return &running{Source: s, stop: stop}
}

// insecure is the configuration of an open server with one group of nodes.
func insecure(endpoint string, nodes ...config.OPCUANode) config.OPCUA {
	return config.OPCUA{
		Name: "press-12", Endpoint: endpoint, AllowInsecure: true,
		Security:  config.OPCUASecurity{Policy: "None", Mode: "None"},
		KeepAlive: 2 * time.Second, CoverOutage: time.Minute,
		Namespaces: map[string]string{"v": "urn:linewatch:test"},
		Groups: []config.OPCUAGroup{{
			Name: "states", Sampling: time.Microsecond, Publishing: 100 * time.Millisecond, Nodes: nodes,
		}},
	}
}

func jsonInto(text []byte, into any) error { return json.Unmarshal(text, into) }

// der is the server's certificate.
func (l *line) der(t *testing.T) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(l.Certificate))
	require.NotNil(t, block)
	return block.Bytes
}
