package verify_test

import (
	"context"
	"crypto/ed25519"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/verify"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/peertest"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// tampered is a store behind an administrator who changes what it holds.
type tampered struct {
	store.Store
	segment func(store.StoredSegment) []store.StoredSegment
	head    func(*store.Log)
	hashes  func([]evidence.Hash)
	list    func(*store.RootList) bool
	row     func(*store.Row)
	feed    func([]store.Row) []store.Row
	keys    func(map[string][]byte)
}

func (s tampered) WrappedKeys(ctx context.Context, ids []string) (map[string][]byte, error) {
	blobs, err := s.Store.WrappedKeys(ctx, ids)
	if s.keys != nil {
		s.keys(blobs)
	}
	return blobs, err
}

func (s tampered) Feed(ctx context.Context, after string, limit int) (store.FeedPage, error) {
	page, err := s.Store.Feed(ctx, after, limit)
	if s.feed != nil && after == "" {
		page.Rows = s.feed(page.Rows)
	}
	return page, err
}

func (s tampered) Segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error] {
	return func(yield func(store.StoredSegment, error) bool) {
		for seg, err := range s.Store.Segments(ctx, log, from) {
			out := []store.StoredSegment{seg}
			if s.segment != nil && err == nil {
				out = s.segment(seg)
			}
			for _, o := range out {
				if !yield(o, err) {
					return
				}
			}
		}
	}
}

func (s tampered) Logs(ctx context.Context) ([]store.Log, error) {
	logs, err := s.Store.Logs(ctx)
	for i := range logs {
		if s.head != nil {
			s.head(&logs[i])
		}
	}
	return logs, err
}

func (s tampered) LeafHashes(ctx context.Context, log string, from, to uint64) ([]evidence.Hash, error) {
	h, err := s.Store.LeafHashes(ctx, log, from, to)
	if s.hashes != nil {
		s.hashes(h)
	}
	return h, err
}

func (s tampered) RootLists(ctx context.Context, log string, from uint64) iter.Seq2[store.RootList, error] {
	return func(yield func(store.RootList, error) bool) {
		for l, err := range s.Store.RootLists(ctx, log, from) {
			if (s.list == nil || s.list(&l)) && !yield(l, err) {
				return
			}
		}
	}
}

func (s tampered) Rows(ctx context.Context, log string, from, to uint64) ([]store.Row, error) {
	rows, err := s.Store.Rows(ctx, log, from, to)
	for i := range rows {
		if s.row != nil {
			s.row(&rows[i])
		}
	}
	return rows, err
}

func (s tampered) EventAt(ctx context.Context, log string, index uint64) (store.Row, error) {
	r, err := s.Store.EventAt(ctx, log, index)
	if s.row != nil {
		s.row(&r)
	}
	return r, err
}

// filled is an aggregator with two agents, a hole and a few roots.
func filled(t *testing.T) (*ingesttest.Rig, *wiretest.Log) {
	t.Helper()
	r := ingesttest.New(t)
	a, b := r.Agent("st07"), r.Agent("st08")
	la, lb := r.Log(a, "manufacturing", ""), r.Log(b, "security", "")
	send := func(a *wiretest.Agent, segs ...wiretest.Segment) {
		for _, res := range r.Send(a, segs...) {
			require.Equal(t, wire.ResultStored, res.Result, res.Reason)
		}
	}
	send(a, la.CommitN(5), la.CommitN(6))
	send(b, lb.CommitN(3))
	require.NoError(t, r.Ledger.Roots(t.Context()))
	lost := lb.CommitN(4)
	hashes := make([]evidence.Hash, 4)
	for i, leaf := range lost.Leaves {
		hashes[i] = evidence.LeafHash(leaf)
	}
	send(b, wiretest.Segment{Header: wire.HoleHeader(lb.Origin, evidence.RangeOf(3, hashes), []byte(lost.Checkpoint))}, lb.CommitN(2))
	send(a, la.CommitN(7))
	require.NoError(t, r.Ledger.Roots(t.Context()))
	return r, la
}

func run(t *testing.T, r *ingesttest.Rig, s verify.Store) verify.Report {
	t.Helper()
	rep, err := verify.Run(t.Context(), verify.Options{
		Store: s, Project: project.Project,
		Cosigners: []evidence.CosignerKey{{Name: ingesttest.CosignerName, Key: r.Cosigner.Public().(ed25519.PublicKey)}},
		Ledger:    []ed25519.PublicKey{r.LedgerKey.Public().(ed25519.PublicKey)},
	})
	require.NoError(t, err)
	return rep
}

func TestAnHonestStoreVerifiesWhole(t *testing.T) {
	r, _ := filled(t)
	rep := run(t, r, r.Store)
	require.True(t, rep.OK(), "%v", rep.Findings)
	require.True(t, rep.Anchored)
	require.Equal(t, 3, rep.Logs)
	require.Equal(t, uint64(4), rep.Lost)
	require.Equal(t, uint64(2), rep.Roots)
	require.Greater(t, rep.Leaves, uint64(23))
}

func TestCopiesInASuccessorVerifyOnBothDatabases(t *testing.T) {
	for name, r := range map[string]*ingesttest.Rig{
		"sqlite": ingesttest.New(t), "postgres": ingesttest.OnPostgres(t, peertest.Postgres(t)),
	} {
		t.Run(name, func(t *testing.T) {
			a := r.Agent("st07")
			l, next := r.Log(a, "security", ""), r.Log(a, "security", "next")
			data, err := event.Object(map[string]any{"origin": next.Origin, "copies": 3})
			require.NoError(t, err)
			opened := event.Event{
				ID: event.NewID(r.Clock.Now()), Type: event.TypeLogOpened, Class: event.Security, Timestamp: r.Clock.Now(),
				CollectedAt: r.Clock.Now(), Station: "hamburg/body/line3/st07", Data: data, Salt: event.NewSalt(),
			}
			leaf, err := opened.Leaf()
			require.NoError(t, err)
			stored := l.CommitN(3)
			lost := wiretest.Leaf("st07", 99) // copied, but never forwarded under the old log
			for _, seg := range []wiretest.Segment{stored, next.Commit(leaf, l.Leaves[1], l.Leaves[2], lost, []byte("no event"))} {
				require.Equal(t, wire.ResultStored, r.Send(a, seg)[0].Result)
			}
			rep := run(t, r, r.Store)
			require.True(t, rep.OK(), "%v", rep.Findings)
		})
	}
}

func TestWhatAnAdministratorChangesIsFound(t *testing.T) {
	r, victim := filled(t)
	o, err := evidence.ParseOrigin(victim.Origin)
	require.NoError(t, err)
	mine := func(f func(*store.StoredSegment)) func(store.StoredSegment) []store.StoredSegment {
		return func(s store.StoredSegment) []store.StoredSegment {
			if s.Log == o.Log && s.First == 5 {
				s.Frame, s.Note, s.Receipt = slices.Clone(s.Frame), slices.Clone(s.Note), slices.Clone(s.Receipt)
				f(&s)
			}
			return []store.StoredSegment{s}
		}
	}
	rewritten := func(s *store.StoredSegment) {
		leaves, err := wire.UnpackLeaves(s.Frame, s.Count)
		require.NoError(t, err)
		leaves[2] = []byte(`{"nothing":"happened"}`)
		s.Frame, err = wire.PackLeaves(leaves)
		require.NoError(t, err)
	}
	last := func(lg *store.Log) bool { return lg.ID == o.Log }
	for name, s := range map[string]tampered{
		"a leaf rewritten": {segment: mine(rewritten)},
		"a frame damaged":  {segment: mine(func(s *store.StoredSegment) { s.Frame[9] ^= 1 })},
		"a note changed":   {segment: mine(func(s *store.StoredSegment) { s.Note[len(s.Note)-9] ^= 1 })},
		"a receipt of nobody": {segment: mine(func(s *store.StoredSegment) {
			s.Receipt = s.Note
		})},
		"a segment removed": {segment: func(s store.StoredSegment) []store.StoredSegment {
			if s.Log == o.Log && s.First == 5 {
				return nil
			}
			return []store.StoredSegment{s}
		}},
		"a segment twice": {segment: func(s store.StoredSegment) []store.StoredSegment {
			if s.Log == o.Log && s.First == 5 {
				return []store.StoredSegment{s, s}
			}
			return []store.StoredSegment{s}
		}},
		"a hole claimed for what was there": {segment: mine(func(s *store.StoredSegment) {
			s.Kind, s.Frame = wire.KindHole, []byte("x")
		})},
		"the end cut off, head and all": {segment: func(s store.StoredSegment) []store.StoredSegment {
			if s.Log == o.Log && s.First >= 11 {
				return nil
			}
			return []store.StoredSegment{s}
		}, head: func(lg *store.Log) {
			if last(lg) {
				lg.Size, lg.Frontier = 11, evidence.RangeOf(0, hashesOf(victim.Leaves[:11]))
			}
		}},
		"another key": {head: func(lg *store.Log) {
			if last(lg) {
				lg.Keys = []evidence.KeyRange{{Key: make([]byte, 32)}}
			}
		}},
		"an older head": {head: func(lg *store.Log) {
			if last(lg) {
				lg.Note = []byte("another")
			}
		}},
		"received at another time": {segment: mine(func(s *store.StoredSegment) {
			s.Received = s.Received.Add(-time.Minute)
		})},
		"leaf hashes changed": {hashes: func(h []evidence.Hash) { h[0][0] ^= 1 }},
		"a root list gone":    {list: func(l *store.RootList) bool { return l.Index > 8 }},
		"a root list changed": {list: func(l *store.RootList) bool { l.Lines[len(l.Lines)-4] ^= 1; return true }},
	} {
		t.Run(name, func(t *testing.T) {
			s.Store = r.Store
			require.False(t, run(t, r, s).OK())
		})
	}
}

func TestWhatAnAdministratorChangesInTheReadModelIsFound(t *testing.T) {
	r, victim := filled(t)
	o, err := evidence.ParseOrigin(victim.Origin)
	require.NoError(t, err)
	for name, s := range map[string]tampered{
		"a row of the read model changed": {row: func(row *store.Row) {
			if row.Log == o.Log && row.Index == 3 {
				row.Leaf = []byte("{}")
			}
		}},
		"a row without a station's equipment": {row: func(row *store.Row) {
			if row.Log == o.Log && row.Index == 3 {
				row.Equipment, row.Words = "", "another"
			}
		}},
		"a row changed under a log said to be made of copies": {head: func(lg *store.Log) { lg.Copies = 1 << 40 }, row: func(row *store.Row) {
			if row.Log == o.Log && row.Index == 3 {
				row.Leaf = []byte("{}")
			}
		}},
		"a row received at another time": {row: func(row *store.Row) {
			if row.Log == o.Log && row.Index == 3 {
				row.ReceivedAt = row.ReceivedAt.Add(-time.Second)
			}
		}},
		"a row with another clock offset": {row: func(row *store.Row) {
			if row.Log == o.Log && row.Index == 3 {
				row.Offset += time.Second
			}
		}},
		"an invented row": {feed: func(rows []store.Row) []store.Row {
			return append(rows, store.Row{Log: o.Log, Index: 1 << 40, Leaf: []byte("{}")})
		}},
		"an invented row between the others": {feed: func(rows []store.Row) []store.Row {
			return append(rows, rows[0])
		}},
		"an invented row of no log": {feed: func(rows []store.Row) []store.Row {
			return append(rows, store.Row{Log: "ffffffffffffffff", Leaf: []byte("{}")})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s.Store = r.Store
			require.False(t, run(t, r, s).OK())
		})
	}
}

func hashesOf(leaves [][]byte) []evidence.Hash {
	out := make([]evidence.Hash, len(leaves))
	for i, leaf := range leaves {
		out[i] = evidence.LeafHash(leaf)
	}
	return out
}

// hidden is a store without one log, as if it had never been.
type hidden struct {
	store.Store
	log string
}

func (s hidden) Logs(ctx context.Context) ([]store.Log, error) {
	logs, err := s.Store.Logs(ctx)
	return slices.DeleteFunc(logs, func(lg store.Log) bool { return lg.ID == s.log }), err
}

func TestALogThatIsRemovedWholeIsMissedByTheLedger(t *testing.T) {
	r, victim := filled(t)
	o, err := evidence.ParseOrigin(victim.Origin)
	require.NoError(t, err)
	rep := run(t, r, hidden{r.Store, o.Log})
	require.False(t, rep.OK())
	require.Contains(t, rep.Findings[0].What, "the store does not")
}

func TestALogThatIsRemovedBeforeAnyRootIsMissedByItsRegistration(t *testing.T) {
	r, _ := filled(t)
	a := r.Agent("st09")
	l := r.Log(a, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(3))[0].Result)
	o, err := evidence.ParseOrigin(l.Origin)
	require.NoError(t, err)
	require.True(t, run(t, r, r.Store).OK())
	require.False(t, run(t, r, hidden{r.Store, o.Log}).OK())
}

func TestAnInventedStationIsNotInTheLedger(t *testing.T) {
	r, _ := filled(t)
	fake := wiretest.NewAgent(t, "invented", "", nil)
	l := fake.Log("security", "")
	seg := l.CommitN(2)
	o, err := evidence.ParseOrigin(l.Origin)
	require.NoError(t, err)
	receipt, err := evidence.Cosign([]byte(seg.Checkpoint), ingesttest.CosignerName, r.Cosigner, r.Clock.Now())
	require.NoError(t, err)
	frame, err := wire.PackLeaves(seg.Leaves)
	require.NoError(t, err)
	_, err = r.Store.Commit(t.Context(), store.Change{
		Logs: []store.Log{{
			ID: o.Log, Origin: l.Origin, AgentID: fake.ID, Class: "security", Keys: []evidence.KeyRange{{Key: fake.Public()}},
			State: store.LogActive, Registered: r.Clock.Now(),
		}},
		Segments: []store.Append{{
			Log: o.Log, Count: 2, Kind: wire.KindLeaves, Frame: frame, Note: []byte(seg.Checkpoint), Receipt: receipt,
			Hashes: hashesOf(seg.Leaves), Frontier: l.Tree, Received: r.Clock.Now(),
		}},
	})
	require.NoError(t, err)
	rep := run(t, r, r.Store)
	require.False(t, rep.OK())
	require.Contains(t, rep.Findings[0].What, "no registration")
}

func TestWithoutATrustedKeyTheReportSaysSo(t *testing.T) {
	r, _ := filled(t)
	rep, err := verify.Run(t.Context(), verify.Options{
		Store:     r.Store,
		Cosigners: []evidence.CosignerKey{{Name: ingesttest.CosignerName, Key: r.Cosigner.Public().(ed25519.PublicKey)}},
	})
	require.NoError(t, err)
	require.True(t, rep.OK(), "%v", rep.Findings)
	require.False(t, rep.Anchored)
	rep, err = verify.Run(t.Context(), verify.Options{
		Store: r.Store, Ledger: []ed25519.PublicKey{make([]byte, 32)},
		Cosigners: []evidence.CosignerKey{{Name: ingesttest.CosignerName, Key: r.Cosigner.Public().(ed25519.PublicKey)}},
	})
	require.NoError(t, err)
	require.False(t, rep.OK(), "another aggregator's ledger")
}
