// Package carrytest makes exports of journals for tests, out of the logs of
// wiretest.
package carrytest

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// Log is one log of an export in the making; a test may change any part.
type Log struct {
	Head     carry.Head
	Segments []wiretest.Segment
	Log      *wiretest.Log
	Agent    *wiretest.Agent

	t testing.TB
}

// New returns a log of an agent with its first leaf, log.opened.
func New(t testing.TB, a *wiretest.Agent, class, label string) *Log {
	t.Helper()
	return Following(t, a, class, label, wire.LogRegistration{Reason: "test"})
}

// Following is [New] for a log that says of itself what reg does: its predecessor
// with size and root, and its reason.
func Following(t testing.TB, a *wiretest.Agent, class, label string, reg wire.LogRegistration) *Log {
	t.Helper()
	l := a.Log(class, label)
	made := l.Registration(reg.Predecessor, reg.Reason)
	made.Size, made.Root = reg.Size, reg.Root
	o, err := evidence.ParseOrigin(l.Origin)
	require.NoError(t, err)
	out := &Log{Log: l, Agent: a, t: t, Head: carry.Head{
		Log: o.Log, State: "active", Registration: made, Keys: []carry.Key{{Key: a.Public()}},
	}}
	data := map[string]any{"origin": l.Origin, "publicKey": made.PublicKey, "reason": made.Reason, "size": made.Size, "copies": uint64(0)}
	if made.Predecessor != "" {
		data["predecessor"], data["root"] = made.Predecessor, made.Root
	}
	out.Commit(Event(t, event.TypeLogOpened, event.Class(class), data))
	return out
}

// Event is the leaf of an event of a station.
func Event(t testing.TB, typ string, class event.Class, data map[string]any) []byte {
	t.Helper()
	object, err := event.Object(data)
	require.NoError(t, err)
	at := time.Now().UTC()
	e := event.Event{
		ID: event.NewID(at), Type: typ, Class: class, Severity: event.SeverityInfo, Timestamp: at, CollectedAt: at,
		Station: "hamburg/body/line3/st07", Salt: event.NewSalt(), Data: object,
	}
	leaf, err := e.Leaf()
	require.NoError(t, err)
	return leaf
}

// Commit appends leaves as one segment.
func (l *Log) Commit(leaves ...[]byte) *Log {
	l.Segments = append(l.Segments, l.Log.Commit(leaves...))
	l.Head.Size = l.Log.Tree.End
	return l
}

// CommitN appends n leaves as one segment.
func (l *Log) CommitN(n int) *Log {
	l.Segments = append(l.Segments, l.Log.CommitN(n))
	l.Head.Size = l.Log.Tree.End
	return l
}

// Receive gives the log a receipt for its present size.
func (l *Log) Receive(name string, cosigner ed25519.PrivateKey) *Log {
	l.t.Helper()
	note, err := evidence.Cosign([]byte(l.Log.Sign(l.Agent.Key)), name, cosigner, time.Now())
	require.NoError(l.t, err)
	l.Head.Receipt = string(note)
	return l
}

// Drop takes the oldest n segments away, as a journal does that removed files.
func (l *Log) Drop(n int) *Log {
	l.t.Helper()
	var before evidence.Range
	for _, s := range l.Segments[:n] {
		for _, leaf := range s.Leaves {
			require.NoError(l.t, before.Append(evidence.LeafHash(leaf)))
		}
	}
	frontier, err := before.MarshalBinary()
	require.NoError(l.t, err)
	l.Segments = l.Segments[n:]
	l.Head.First, l.Head.Frontier = before.End, frontier
	return l
}

// Write puts the logs into a new folder, with their index.
func Write(t testing.TB, logs ...*Log) (dir string) {
	t.Helper()
	dir = t.TempDir()
	x := carry.Index{Format: carry.Format, Station: "hamburg/body/line3/st07", Version: "test", Created: time.Now().UTC(), Logs: []carry.Entry{}}
	for _, l := range logs {
		x.Agent = l.Agent.ID
		x.Logs = append(x.Logs, carry.Entry{Log: l.Head.Log, Origin: l.Log.Origin, First: l.Head.First, Size: l.Head.Size})
		require.NoError(t, os.WriteFile(filepath.Join(dir, l.Head.Log+carry.Segments), wiretest.Body(t, l.Segments...), 0o600))
		require.NoError(t, carry.WriteJSON(filepath.Join(dir, l.Head.Log+carry.Heads), l.Head))
	}
	require.NoError(t, carry.WriteJSON(filepath.Join(dir, carry.IndexName), x))
	return dir
}

// Change rewrites a file of an export.
func Change(t testing.TB, file string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, change(data), 0o600))
}

// ChangeHead rewrites what is said of a log.
func ChangeHead(t testing.TB, file string, change func(*carry.Head)) {
	t.Helper()
	Change(t, file, func(data []byte) []byte {
		var h carry.Head
		require.NoError(t, json.Unmarshal(data, &h))
		change(&h)
		out, err := json.Marshal(h)
		require.NoError(t, err)
		return out
	})
}
