package witness_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/witness"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// recorder is a ledger that remembers what was written, beside the change.
type recorder struct {
	db     store.Store
	events []event.Event
}

func (r *recorder) Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error) {
	done, err := r.db.Commit(ctx, c)
	if err == nil {
		r.events = append(r.events, events...)
	}
	return done, err
}

func (s *scene) recorded(db store.Store, r *recorder) *witness.Keeper {
	return witness.New(witness.Options{
		Store: db, Ledger: r, Agent: "_aggregator/test", Cosigner: named("agg"), Witnesses: s.clients,
	})
}

type forked struct {
	Log, AgentID, Witness, First, Second, Reason string
	SecondAtSize                                 string
	Size, StoredSize                             uint64
}

func (s *scene) read(e event.Event) (f forked) {
	s.t.Helper()
	require.Equal(s.t, event.TypeLogForked, e.Type)
	require.NoError(s.t, json.Unmarshal(e.Data, &f))
	return f
}

func TestAConflictWithAWitnessIsInTheLedgerOnceWithBothSignedHistories(t *testing.T) {
	for name, size := range map[string]int{"shorter than what the witness knows": 4, "as long": 9, "longer": 14} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, "w1")
			s.grow(s.db, s.log, 9)
			require.NoError(t, s.keeper(s.db).Round(t.Context()))
			db, other := s.ledger("other")
			s.grow(db, other, size)
			r := &recorder{db: db}
			k := s.recorded(db, r)
			for range 3 {
				require.Error(t, k.Round(t.Context()))
			}
			require.Error(t, s.recorded(db, r).Round(t.Context()), "a restart")
			s.grow(db, other, 1)
			require.Error(t, k.Round(t.Context()), "the log grows on")
			require.Len(t, r.events, 1, "once")

			f := s.read(r.events[0])
			require.Equal(t, []any{other.Origin, "_aggregator/test", "w1"}, []any{f.Log, f.AgentID, f.Witness})
			require.Equal(t, []uint64{9, uint64(size)}, []uint64{f.Size, f.StoredSize})
			require.NotEmpty(t, f.Reason)
			first, err := evidence.OpenCheckpoint([]byte(f.First), s.log.Origin, s.log.Keys)
			require.NoError(t, err, "signed by the ledger's key")
			second, err := evidence.OpenCheckpoint([]byte(f.Second), s.log.Origin, s.log.Keys)
			require.NoError(t, err, "signed by the ledger's key")
			require.Equal(t, []uint64{9, uint64(size)}, []uint64{first.Size, second.Size})
			require.NotEqual(t, first.Root, second.Root)
			if size < 9 {
				require.Empty(t, f.SecondAtSize)
				return
			}
			same, err := evidence.OpenCheckpoint([]byte(f.SecondAtSize), s.log.Origin, s.log.Keys)
			require.NoError(t, err)
			require.Equal(t, uint64(9), same.Size)
			require.NotEqual(t, first.Root, same.Root, "of one size: proof by itself")
		})
	}
}

func TestAWitnessThatDoesNotShowWhatItConfirmedStillMakesAnEvent(t *testing.T) {
	s := newScene(t, "w1")
	s.grow(s.db, s.log, 9)
	require.NoError(t, s.keeper(s.db).Round(t.Context()))
	db, other := s.ledger("other")
	s.grow(db, other, 12)
	next := s.clients[0].HTTP.Transport
	s.clients[0].HTTP.Transport = tripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodGet {
			req.Method = http.MethodPut // refused, as by a witness of another make
		}
		return next.RoundTrip(req)
	})
	r := &recorder{db: db}
	require.Error(t, s.recorded(db, r).Round(t.Context()))
	require.Len(t, r.events, 1)
	f := s.read(r.events[0])
	require.Empty(t, f.First)
	require.Equal(t, uint64(9), f.Size)
	require.NotEmpty(t, f.Second)
}

func TestAWitnessThatIsAwayOrBehindIsNoConflict(t *testing.T) {
	s := newScene(t, "w1")
	r := &recorder{db: s.db}
	k := s.recorded(s.db, r)
	s.grow(s.db, s.log, 3)
	s.down.Store(true)
	require.Error(t, k.Round(t.Context()))
	s.down.Store(false)
	require.NoError(t, k.Round(t.Context()))
	s.grow(s.db, s.log, 3)
	require.NoError(t, s.recorded(s.db, r).Round(t.Context()), "a new process asks what it knows")
	require.Empty(t, r.events)
}
