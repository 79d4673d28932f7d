package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/agenttest"
	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

// hand is a source that a test moves by hand.
type hand struct {
	name  string
	fails error
	begin []source.Reading // taken at the start
	end   []source.Reading // taken when it is told to stop
}

func (h *hand) Name() string          { return h.name }
func (h *hand) Health() source.Health { return source.Health{Name: h.name, Kind: "hand"} }
func (h *hand) Run(ctx context.Context, sink source.Sink) error {
	if h.fails != nil {
		return h.fails
	}
	if err := sink.Take(ctx, h.begin, source.Position{Source: h.name}); err != nil {
		return err
	}
	<-ctx.Done()
	return sink.Take(context.WithoutCancel(ctx), h.end, source.Position{Source: h.name})
}

func occurrence(text string) source.Reading {
	return source.Reading{
		Point: &source.Point{Source: "good", Kind: "hand", Item: "i"}, ReceivedAt: time.Now(),
		Occurrence: &source.Occurrence{Type: event.TypeSystemError, Data: map[string]any{"component": "c", "code": "1", "text": text, "stack": ""}},
	}
}

// machine is a station with a folder, an identity and an office.
type machine struct {
	t      *testing.T
	dir    string
	cfg    config.Config
	office *agenttest.Office
	log    *slog.Logger
}

func newMachine(t *testing.T, pending bool) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "lw") // short enough for the control socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	m := &machine{t: t, dir: dir, office: agenttest.NewOffice(t), log: slog.New(slog.DiscardHandler)}
	file := agenttest.Machine(t, dir, "one")
	m.cfg, err = config.Parse("agent.yaml", []byte("station: hamburg/body/line3/st07\ndata_dir: "+dir+"/data\nmachine_file: "+file+"\n"), dir)
	require.NoError(t, err)
	facts, err := identity.Machine(t.Context(), file)
	require.NoError(t, err)
	id, err := enrol.Create(m.cfg.DataDir, m.cfg.Station, m.office.Token(), facts)
	require.NoError(t, err)
	if !pending {
		admitted, err := id.Ask(t.Context(), "test")
		require.NoError(t, err)
		require.True(t, admitted)
	}
	return m
}

// start runs an agent with these sources; stop ends it and returns its error.
func (m *machine) start(sources ...source.Source) (stop func() error) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	a := New(m.cfg, m.log)
	a.askEvery, a.restartEvery, a.sources = 10*time.Millisecond, 10*time.Millisecond, sources
	a.keyEvery = 20 * time.Millisecond
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	m.t.Cleanup(func() { require.NoError(m.t, stop()) })
	return stop
}

func (m *machine) until(what string, is func(Status) bool) {
	m.t.Helper()
	require.Eventually(m.t, func() bool {
		var st Status
		return control.Get(m.t.Context(), m.cfg.DataDir, "/status", nil, &st) == nil && is(st)
	}, 10*time.Second, 5*time.Millisecond, what)
}

// arrived are the events that the aggregator has, by origin in their order.
func (m *machine) arrived() map[string][]*event.Event {
	m.t.Helper()
	out := map[string][]*event.Event{}
	for _, origin := range m.office.Aggregator.Origins() {
		for _, leaf := range m.office.Aggregator.Leaves(origin) {
			e, _, err := event.Parse(leaf)
			require.NoError(m.t, err)
			out[origin] = append(out[origin], e)
		}
	}
	return out
}

// types lists the event types of a class.
func (m *machine) types(class event.Class) (types []string) {
	for origin, events := range m.arrived() {
		if strings.Contains(origin, "/"+string(class)+"/") {
			for _, e := range events {
				types = append(types, e.Type)
			}
		}
	}
	return types
}

func forwarded(st Status) bool { return st.Forward.Connected && st.Backlog == 0 }

func TestASourceThatGivesUpIsRecordedAndTheOthersGoOn(t *testing.T) {
	m := newMachine(t, false)
	m.start(&hand{name: "bad", fails: errors.New("agent.yaml: no such node")}, &hand{name: "good", begin: []source.Reading{occurrence("first")}})
	m.until("everything is receipted", func(st Status) bool { return forwarded(st) && len(st.Sources) == 2 })
	require.Eventually(t, func() bool {
		text, err := json.Marshal(m.arrived())
		return err == nil && strings.Contains(string(text), "no such node") && strings.Contains(string(text), "first")
	}, 10*time.Second, 5*time.Millisecond)
}

// mended is a source that gives up until somebody puts right what it needs.
type mended struct {
	hand
	reasons []error
}

func (m *mended) Run(ctx context.Context, sink source.Sink) error {
	if len(m.reasons) == 0 {
		return m.hand.Run(ctx, sink)
	}
	err := m.reasons[0]
	m.reasons = m.reasons[1:]
	return err
}

func TestASourceThatGaveUpIsStartedAgainAndEachReasonToldOnce(t *testing.T) {
	m := newMachine(t, false)
	missing, full := errors.New("no password file"), errors.New("disk full")
	stop := m.start(&mended{hand{name: "press", begin: []source.Reading{occurrence("at last")}}, []error{missing, missing, full, full}})
	require.Eventually(t, func() bool { return slices.Contains(m.texts(), "at last") }, time.Minute, 5*time.Millisecond)
	require.NoError(t, stop())
	require.Equal(t, []string{"no password file", "disk full", "at last"}, m.texts())
}

// texts are those of the system errors that arrived, in order.
func (m *machine) texts() (texts []string) {
	m.t.Helper()
	for _, list := range m.arrived() {
		for _, e := range list {
			var data struct{ Text string }
			if e.Type == event.TypeSystemError && json.Unmarshal(e.Data, &data) == nil {
				texts = append(texts, data.Text)
			}
		}
	}
	return texts
}

func TestTheLastReadingsOfSourcesAreForwardedBeforeTheStopThatEndsTheLog(t *testing.T) {
	m := newMachine(t, false)
	stop := m.start(&hand{name: "good", end: []source.Reading{occurrence("last words")}})
	m.until("it forwards", forwarded)
	require.NoError(t, stop())
	text, err := json.Marshal(m.arrived())
	require.NoError(t, err)
	require.Contains(t, string(text), "last words")
	security := m.types(event.Security)
	require.Contains(t, security, event.TypeAuditStarted)
	at := slices.Index(security, event.TypeAuditStopped)
	require.Positive(t, at)
	for _, typ := range security[at+1:] {
		require.NotEqual(t, event.TypeSystemError, typ, "nothing of a source comes after the stop")
	}

	// Nothing is lost and nothing comes twice over a restart.
	before := len(security)
	again := m.start()
	m.until("it forwards again", forwarded)
	require.NoError(t, again())
	require.Equal(t, security, m.types(event.Security)[:before])
}

func TestAPendingAgentRecordsAndForwardsAfterApproval(t *testing.T) {
	m := newMachine(t, true)
	m.office.Pending(true)
	m.start(&hand{name: "good", begin: []source.Reading{occurrence("while pending")}})
	m.until("it waits and records", func(st Status) bool { return strings.Contains(st.Admission, "approve") && st.Backlog > 0 })
	require.Empty(t, m.office.Aggregator.Origins())
	m.office.Refuse("the token is used up")
	m.until("a refusal is shown", func(st Status) bool { return strings.Contains(st.Admission, "used up") })
	m.office.Refuse("")
	m.office.Pending(false)
	m.until("it forwards", func(st Status) bool { return forwarded(st) && st.Admission == "" && st.Pseudonyms })
	text, err := json.Marshal(m.arrived())
	require.NoError(t, err)
	require.Contains(t, string(text), "while pending")
}

func TestTheAggregatorCanAskForARenewalAndHandOutKeys(t *testing.T) {
	m := newMachine(t, false)
	crt := filepath.Join(m.cfg.DataDir, "identity", "tls.crt")
	before, err := os.ReadFile(crt)
	require.NoError(t, err)
	m.office.Aggregator.Answer(wire.StatusResponse{
		Renew: true, Cosigners: []wire.Cosigner{{Name: "next", Key: m.office.Cosigner().Key}},
		Pseudonyms: []wire.PseudonymKey{{Plant: "hamburg", Year: 2999, Key: agenttest.PseudonymKey}},
	})
	stop := m.start()
	require.Eventually(t, func() bool {
		after, err := os.ReadFile(crt)
		return err == nil && string(after) != string(before)
	}, 10*time.Second, 5*time.Millisecond)
	m.until("it goes on", forwarded)
	require.NoError(t, stop())
	require.Equal(t, 1, m.office.Renewed())
	id, err := enrol.Load(m.cfg.DataDir)
	require.NoError(t, err)
	require.Len(t, id.Cosigners, 2)
	keys, err := id.Pseudonyms()
	require.NoError(t, err)
	require.Equal(t, []wire.PseudonymKey{{Plant: "hamburg", Year: 2999, Key: agenttest.PseudonymKey}}, keys)
}

func TestACertificateThatIsGoneIsShownAndRecordingGoesOn(t *testing.T) {
	m := newMachine(t, false)
	require.NoError(t, os.Remove(filepath.Join(m.cfg.DataDir, "identity", "ca.pem")))
	stop := m.start(&hand{name: "good", begin: []source.Reading{occurrence("kept")}})
	m.until("the reason is shown", func(st Status) bool { return strings.Contains(st.Admission, "ca.pem") && st.Backlog > 0 })
	require.NoError(t, stop())
	j, err := OpenJournal(t.Context(), m.cfg, m.log)
	require.NoError(t, err)
	lines, err := Tail(t.Context(), j, 100)
	require.NoError(t, err)
	text, err := json.Marshal(lines)
	require.NoError(t, err)
	require.Contains(t, string(text), "kept")
	require.NoError(t, j.Close())
}

func TestAStopDuringTheStartIsAnOrderedStop(t *testing.T) {
	m := newMachine(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, Run(ctx, m.cfg, m.log))
	j, err := OpenJournal(t.Context(), m.cfg, m.log)
	require.NoError(t, err, "the lock is given back")
	require.NoError(t, j.Close())
}

func TestASecondAgentOnOneFolderIsRefusedAndTheFirstGoesOn(t *testing.T) {
	m := newMachine(t, false)
	m.start()
	m.until("it forwards", forwarded)
	require.ErrorContains(t, Run(t.Context(), m.cfg, m.log), "in use")
	m.until("the first goes on", forwarded)
}

func TestARefusedAgentAsksLessAndLessOften(t *testing.T) {
	a := New(config.Config{}, slog.New(slog.DiscardHandler))
	wait := a.askEvery
	for range 10 {
		next := a.nextAsk(wait, true)
		require.True(t, next > wait || next == 15*time.Minute, next)
		wait = next
	}
	require.Equal(t, 15*time.Minute, wait)
	require.Equal(t, a.askEvery, a.nextAsk(wait, false), "a person may approve it any time")
}
