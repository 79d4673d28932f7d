package wiretest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Agent is a station's agent that makes, signs and sends logs from memory. Key
// and log ids follow from its name.
type Agent struct {
	Name   string
	ID     string
	Key    ed25519.PrivateKey
	URL    string       // of the agents' listener
	Client *http.Client // with the agent's certificate where one is asked for

	t testing.TB
}

// NewAgent returns an agent that sends to url with the client.
func NewAgent(t testing.TB, name, url string, client *http.Client) *Agent {
	seed := sha256.Sum256([]byte("agent " + name))
	key := ed25519.NewKeyFromSeed(seed[:])
	return &Agent{
		Name: name, Key: key, URL: url, Client: client, t: t,
		ID: evidence.AgentID(key.Public().(ed25519.PublicKey)),
	}
}

// Public returns the key that verifies the agent's checkpoints.
func (a *Agent) Public() ed25519.PublicKey { return a.Key.Public().(ed25519.PublicKey) }

// Log is one log of an [Agent]: everything that it ever committed.
type Log struct {
	Origin string
	Leaves [][]byte
	Tree   evidence.Range

	agent *Agent
}

// Log returns a new empty log of a class. The label sets logs of one class apart.
func (a *Agent) Log(class, label string) *Log {
	id := evidence.NewLogID(a.Public(), []byte(class+label))
	return &Log{Origin: evidence.Origin{Agent: a.ID, Class: class, Log: id}.String(), agent: a}
}

// Clone returns a log with the same past that can grow otherwise: a copied disk.
func (l *Log) Clone() *Log {
	c := *l
	c.Leaves, c.Tree = slices.Clone(l.Leaves), l.Tree.Clone()
	return &c
}

// Segment is a segment as the agent would send it; tests may change any part.
type Segment struct {
	wire.Header
	Leaves [][]byte
	Frame  []byte // instead of Leaves when not nil
}

// Commit appends leaves and returns the segment with the signed checkpoint.
func (l *Log) Commit(leaves ...[]byte) Segment {
	l.agent.t.Helper()
	first := l.Tree.End
	for _, leaf := range leaves {
		l.check(l.Tree.Append(evidence.LeafHash(leaf)))
	}
	l.Leaves = append(l.Leaves, leaves...)
	return Segment{
		Header: wire.Header{
			Origin: l.Origin, First: first, Count: uint64(len(leaves)), Kind: wire.KindLeaves, Checkpoint: l.Sign(l.agent.Key),
		},
		Leaves: leaves,
	}
}

// CommitN appends n leaves made by [Leaf].
func (l *Log) CommitN(n int) Segment {
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = Leaf(l.agent.Name, int(l.Tree.End)+i)
	}
	return l.Commit(leaves...)
}

// Sign returns the checkpoint of the log as it stands, signed with any key.
func (l *Log) Sign(key ed25519.PrivateKey) string {
	l.agent.t.Helper()
	root, err := l.Tree.Root()
	l.check(err)
	signer, err := evidence.NewSigner(l.Origin, key)
	l.check(err)
	note, err := signer.SignCheckpoint(evidence.Checkpoint{Origin: l.Origin, Size: l.Tree.End, Root: root})
	l.check(err)
	return string(note)
}

func (l *Log) check(err error) {
	l.agent.t.Helper()
	if err != nil {
		l.agent.t.Fatal(err)
	}
}

// Registration returns the body of POST /agent/v1/logs.
func (l *Log) Registration(predecessor, reason string) wire.LogRegistration {
	proof := ed25519.Sign(l.agent.Key, []byte(wire.LogProofPrefix+l.Origin))
	return wire.LogRegistration{
		Origin: l.Origin, PublicKey: base64.StdEncoding.EncodeToString(l.agent.Public()), Predecessor: predecessor,
		Reason: reason, At: "2026-01-02T03:04:05Z", Proof: base64.StdEncoding.EncodeToString(proof),
	}
}

// Body returns the body of a segments request. It packs what it is given without
// asking whether it is right.
func Body(t testing.TB, segments ...Segment) []byte {
	t.Helper()
	var body []byte
	for _, s := range segments {
		frame := s.Frame
		if frame == nil && len(s.Leaves) > 0 {
			packed, err := wire.PackLeaves(s.Leaves)
			if err != nil {
				t.Fatal(err)
			}
			frame = packed
		}
		head, err := json.Marshal(s.Header)
		if err != nil {
			t.Fatal(err)
		}
		body = appendPart(appendPart(body, head), frame)
	}
	return body
}

func appendPart(dst, part []byte) []byte {
	n := len(part)
	dst = append(dst, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(dst, part...)
}

// Send posts segments and returns the HTTP status and the results.
func (a *Agent) Send(ctx context.Context, segments ...Segment) (int, []wire.Result, error) {
	a.t.Helper()
	var results []wire.Result
	status, err := a.post(ctx, wire.PathSegments, bytes.NewReader(Body(a.t, segments...)), &results)
	return status, results, err
}

// Register posts the registration of a log.
func (a *Agent) Register(ctx context.Context, l *Log) (int, wire.LogState, error) {
	a.t.Helper()
	body, err := json.Marshal(l.Registration("", "new"))
	l.check(err)
	var state wire.LogState
	status, err := a.post(ctx, wire.PathLogs, bytes.NewReader(body), &state)
	return status, state, err
}

// Post sends any body to a path of the listener and decodes a 200 into out.
func (a *Agent) Post(ctx context.Context, path string, body io.Reader, out any) (int, error) {
	return a.post(ctx, path, body, out)
}

func (a *Agent) post(ctx context.Context, path string, body io.Reader, out any) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+path, body)
	if err != nil {
		return 0, err
	}
	w, err := a.Client.Do(r)
	if err != nil {
		return 0, err
	}
	defer w.Body.Close()
	data, err := io.ReadAll(io.LimitReader(w.Body, wire.MaxBody))
	if err != nil || w.StatusCode != http.StatusOK {
		return w.StatusCode, err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return w.StatusCode, fmt.Errorf("answer of %s: %w", path, err)
	}
	return w.StatusCode, nil
}

// Leaf returns the n-th leaf of a station inside the profile: a state change at a
// fixed time.
func Leaf(station string, n int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", station, n))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(n) * time.Second)
	ms, random := fmt.Sprintf("%012x", at.UnixMilli()), hex.EncodeToString(sum[:])
	id := ms[:8] + "-" + ms[8:] + "-7" + random[:3] + "-8" + random[3:6] + "-" + random[6:18]
	return fmt.Appendf(nil, `{"id":"%s","event_type":"equipment.status","class":"manufacturing","severity":"info",`+
		`"timestamp":"%s","collected_at":"%[2]s","station":"hamburg/body/line3/%s","event_data":{"equipmentId":"press","status":"running","n":%d},`+
		`"salt":"%s"}`, id, at.Format(time.RFC3339), station, n, base64.StdEncoding.EncodeToString(sum[16:]))
}
