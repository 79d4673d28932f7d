// Package storetest is the suite that every store passes, and the maker of logs
// and events that it needs.
package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Everything is the scope that sees all stations.
func Everything() []string { return []string{"**"} }

// Log makes the segments of one log, as ingest would hand them to the store.
type Log struct {
	store.Log
	Leaves [][]byte // all leaves so far; nil in a hole
	Clock  time.Time
}

// NewLog names a log; it is registered by Register.
func NewLog(name string, class event.Class) *Log {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:8])
	agent := "a" + hex.EncodeToString(sum[8:])[:15]
	return &Log{
		Log: store.Log{
			ID: id, AgentID: agent, Class: class, Origin: "linewatch/" + agent + "/" + string(class) + "/" + id,
			State: store.LogActive, Registered: Start(), Reason: "new",
		},
		Clock: Start(),
	}
}

// Start is when the tests' time begins; it lies in the past of every machine
// that runs them and in no month of its own.
func Start() time.Time { return time.Date(2026, 3, 10, 6, 0, 0, 0, time.UTC) }

// Register stores the log.
func (l *Log) Register(t testing.TB, s store.Store) *Log {
	t.Helper()
	_, err := s.Commit(t.Context(), store.Change{Logs: []store.Log{l.Log}})
	require.NoError(t, err)
	return l
}

// Event is an ordinary event of a station at the log's clock.
func (l *Log) Event(station, typ string, change ...func(*event.Event)) event.Event {
	l.Clock = l.Clock.Add(time.Second)
	data, err := event.Object(map[string]any{"panel": fmt.Sprint(4000 + len(l.Leaves)), "result": "pass", "value": 1.5})
	if err != nil {
		panic(err)
	}
	_, severity := event.Defaults(typ)
	e := event.Event{
		ID: event.NewID(l.Clock), Type: typ, Class: l.Class, Severity: severity, Timestamp: l.Clock, CollectedAt: l.Clock,
		Station: station, Data: data, Salt: event.NewSalt(),
	}
	for _, f := range change {
		f(&e)
	}
	return e
}

// Append makes a segment of events and remembers it as stored.
func (l *Log) Append(t testing.TB, events ...event.Event) store.Append {
	t.Helper()
	leaves := make([][]byte, len(events))
	for i := range events {
		leaf, err := events[i].Leaf()
		require.NoError(t, err)
		leaves[i] = leaf
	}
	return l.AppendLeaves(t, leaves...)
}

// AppendLeaves makes a segment of leaves.
func (l *Log) AppendLeaves(t testing.TB, leaves ...[]byte) store.Append {
	t.Helper()
	frame, err := wire.PackLeaves(leaves)
	require.NoError(t, err)
	a := l.segment(uint64(len(leaves)), wire.KindLeaves, frame)
	for i, leaf := range leaves {
		h := evidence.LeafHash(leaf)
		a.Hashes = append(a.Hashes, h)
		require.NoError(t, l.Frontier.Append(h))
		row, ok := project.Project(leaf, store.LeafAt{
			Log: l.ID, Index: a.First + uint64(i), AgentID: l.AgentID,
			Class: l.Class, Received: a.Received, Offset: a.Offset,
		})
		if ok {
			a.Rows = append(a.Rows, row)
		}
	}
	l.Leaves = append(l.Leaves, leaves...)
	l.finish(&a)
	return a
}

// AppendHole makes a segment that stands for lost leaves.
func (l *Log) AppendHole(t testing.TB, lost ...[]byte) store.Append {
	t.Helper()
	hashes := make([]evidence.Hash, len(lost))
	for i, leaf := range lost {
		hashes[i] = evidence.LeafHash(leaf)
	}
	hole := evidence.RangeOf(l.Size, hashes)
	frame, err := hole.MarshalBinary()
	require.NoError(t, err)
	a := l.segment(uint64(len(lost)), wire.KindHole, frame)
	require.NoError(t, l.Frontier.Join(hole))
	l.Leaves = append(l.Leaves, make([][]byte, len(lost))...)
	l.finish(&a)
	return a
}

func (l *Log) segment(count uint64, kind string, frame []byte) store.Append {
	return store.Append{
		Log: l.ID, OldSize: l.Size, First: l.Size, Count: count, Kind: kind, Frame: frame,
		Received: l.Clock.Add(50 * time.Millisecond), Offset: 3 * time.Millisecond,
	}
}

func (l *Log) finish(a *store.Append) {
	l.Size += a.Count
	a.Note = fmt.Appendf(nil, "%s\n%d\nnote\n", l.Origin, l.Size)
	a.Receipt = fmt.Appendf(nil, "%s\n%d\nreceipt\n", l.Origin, l.Size)
	a.Frontier = l.Frontier.Clone()
	l.Note, l.Receipt = a.Note, a.Receipt
}

// Commit stores segments.
func Commit(t testing.TB, s store.Store, segments ...store.Append) store.Committed {
	t.Helper()
	done, err := s.Commit(t.Context(), store.Change{Segments: segments})
	require.NoError(t, err)
	return done
}

// Plant makes many ordinary events of several stations, the same for the same seed.
type Plant struct {
	Logs     []*Log
	Stations []string
	rand     *rand.Rand
	now      time.Time
	made     int
}

// NewPlant registers one log for each of so many stations.
func NewPlant(t testing.TB, s store.Store, stations int) *Plant {
	t.Helper()
	p := &Plant{rand: rand.New(rand.NewPCG(1, 2)), now: Start()}
	for i := range stations {
		p.Logs = append(p.Logs, NewLog(fmt.Sprint("plant ", i), event.Manufacturing).Register(t, s))
		p.Stations = append(p.Stations, fmt.Sprintf("hamburg/body/line%d/st%02d", i%4, i))
	}
	return p
}

// Now is the time of the newest event.
func (p *Plant) Now() time.Time { return p.now }

// Fill commits events in segments of so many, step apart.
func (p *Plant) Fill(t testing.TB, s store.Store, events, perSegment int, step time.Duration) {
	t.Helper()
	for events > 0 {
		c := p.Change(t, min(events, 8*perSegment), perSegment, step)
		for _, a := range c.Segments {
			events -= int(a.Count)
		}
		_, err := s.Commit(context.WithoutCancel(t.Context()), c)
		require.NoError(t, err)
	}
}

// Change makes about so many events in segments of different logs.
func (p *Plant) Change(t testing.TB, events, perSegment int, step time.Duration) store.Change {
	var c store.Change
	for events > 0 {
		i := p.rand.IntN(len(p.Logs))
		l := p.Logs[i]
		if slices.ContainsFunc(c.Segments, func(a store.Append) bool { return a.Log == l.ID }) {
			if len(c.Segments) >= min(8, len(p.Logs)) {
				break
			}
			continue
		}
		n := min(perSegment, events)
		leaves := make([][]byte, n)
		for j := range leaves {
			p.now = p.now.Add(step)
			leaves[j] = p.leaf(t, p.Stations[i], l.Class)
		}
		l.Clock = p.now
		c.Segments = append(c.Segments, l.AppendLeaves(t, leaves...))
		events -= n
	}
	return c
}

// leaf is one event as a line makes them: mostly good parts, now and then
// something that matters.
func (p *Plant) leaf(t testing.TB, station string, class event.Class) []byte {
	e := event.Event{
		ID: event.NewID(p.now), Type: "quality.check", Class: class, Severity: event.SeverityInfo,
		Timestamp: p.now, CollectedAt: p.now.Add(2 * time.Millisecond), Station: station, Salt: event.NewSalt(),
	}
	p.made++
	fields := map[string]any{"panel": fmt.Sprint(p.made), "value": p.rand.Float64(), "result": "pass"}
	switch n := p.rand.IntN(1000); {
	case n < 2:
		e.Type, e.Severity = "equipment.fault", event.SeverityHigh
		fields["text"] = "hydraulic pressure low"
	case n < 12:
		e.Type, e.Severity = "access.denied", event.SeverityLow
		e.UserID = fmt.Sprintf("p-%032x", p.rand.IntN(40))
		e.SourceIP = fmt.Sprintf("10.4.1.%d", p.rand.IntN(250))
	case n < 112:
		e.Type = "equipment.status"
		fields["status"] = "running"
		e.CorrelationID = fmt.Sprintf("order-%d", p.rand.IntN(1000))
	}
	var err error
	e.Data, err = event.Object(fields)
	require.NoError(t, err)
	leaf, err := e.Leaf()
	require.NoError(t, err)
	return leaf
}

// FillLog makes a long log of leaves that are no rows.
func FillLog(t testing.TB, s store.Store, size uint64) *Log {
	t.Helper()
	l := NewLog("long", event.Performance).Register(t, s)
	for l.Size < size {
		leaves := make([][]byte, min(20_000, size-l.Size))
		for i := range leaves {
			leaves[i] = fmt.Appendf(nil, "%d", l.Size+uint64(i))
		}
		a := l.AppendLeaves(t, leaves...)
		a.Rows = nil
		Commit(t, s, a)
	}
	return l
}
