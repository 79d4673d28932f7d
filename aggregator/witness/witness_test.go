package witness_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/aggregator/witness"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	protocol "github.com/linewatch/linewatch/shared/witness"
)

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func named(name string) evidence.CosignerKey {
	return evidence.CosignerKey{Name: name, Key: key(name).Public().(ed25519.PublicKey)}
}

// scene is a ledger in a real store, and witnesses behind HTTP.
type scene struct {
	t       *testing.T
	db      store.Store
	log     *storetest.Log
	clients []*protocol.Client
	dir     string
	now     time.Time
	said    bytes.Buffer
	down    atomic.Bool // the first witness does not answer
}

func newScene(t *testing.T, witnesses ...string) *scene {
	t.Helper()
	s := &scene{t: t, dir: t.TempDir(), now: storetest.Start()}
	s.db, s.log = s.ledger("db")
	for i, name := range witnesses {
		w, err := protocol.New(protocol.Options{
			Name: name, Key: key(name), File: filepath.Join(s.dir, name),
			Keys: protocol.Ledgers(map[string][]evidence.KeyRange{"test": {{Key: key("ledger").Public().(ed25519.PublicKey)}}}),
		})
		require.NoError(t, err)
		srv := httptest.NewServer(w)
		t.Cleanup(srv.Close)
		client := srv.Client()
		if i == 0 {
			next := client.Transport
			client.Transport = tripper(func(r *http.Request) (*http.Response, error) {
				if s.down.Load() {
					return nil, fmt.Errorf("no route")
				}
				return next.RoundTrip(r)
			})
		}
		s.clients = append(s.clients, &protocol.Client{HTTP: client, Prefix: srv.URL, By: named(name)})
	}
	return s
}

// ledger is an empty ledger log in a database of its own, always of the same name.
func (s *scene) ledger(file string) (store.Store, *storetest.Log) {
	s.t.Helper()
	db, err := sqlite.Open(s.t.Context(), filepath.Join(s.dir, file), sqlite.Options{})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { db.Close() })
	l := storetest.NewLog("ledger", event.Security)
	l.AgentID, l.Origin = "_aggregator/test", "linewatch/_aggregator/test/security/"+l.ID
	l.Keys = []evidence.KeyRange{{Key: key("ledger").Public().(ed25519.PublicKey)}}
	l.Register(s.t, db)
	return db, l
}

// grow appends n events, signed and receipted.
func (s *scene) grow(db store.Store, l *storetest.Log, n int) {
	s.t.Helper()
	for range n {
		a := l.Append(s.t, l.Event("hamburg", "audit.accessed"))
		root, err := l.Frontier.Root()
		require.NoError(s.t, err)
		signer, err := evidence.NewSigner(l.Origin, key("ledger"))
		require.NoError(s.t, err)
		a.Note, err = signer.SignCheckpoint(evidence.Checkpoint{Origin: l.Origin, Size: l.Size, Root: root})
		require.NoError(s.t, err)
		a.Receipt, err = evidence.Cosign(a.Note, "agg", key("agg"), s.now)
		require.NoError(s.t, err)
		a.Frontier = l.Frontier.Clone()
		_, err = db.Commit(s.t.Context(), store.Change{Segments: []store.Append{a}})
		require.NoError(s.t, err)
	}
}

func (s *scene) keeper(db store.Store) *witness.Keeper {
	return witness.New(witness.Options{
		Store: db, Agent: "_aggregator/test", Cosigner: named("agg"), Witnesses: s.clients,
		Logger: slog.New(slog.NewTextHandler(&s.said, nil)), Now: func() time.Time { return s.now },
	})
}

// sizeOf is the size of the first note kept for a size, and how many witnesses it has.
func (s *scene) sizeOf(k *witness.Keeper, size uint64) (at uint64, lines int) {
	s.t.Helper()
	note, err := k.Witnessed(s.t.Context(), s.log.ID, size)
	require.NoError(s.t, err)
	if note == nil {
		return 0, 0
	}
	var known []evidence.CosignerKey
	for _, c := range s.clients {
		known = append(known, c.By)
	}
	c, judged, err := evidence.Lines(note, nil, known)
	require.NoError(s.t, err)
	for _, l := range judged {
		if l.State == evidence.LineGood {
			lines++
		}
	}
	return c.Size, lines
}

func TestEachRoundBringsTheWitnessesToTheNewestSizeAndProofsNeverChange(t *testing.T) {
	s := newScene(t, "w1", "w2")
	k := s.keeper(s.db)
	want := map[uint64]uint64{}
	for round := range 30 {
		s.grow(s.db, s.log, 1+round%4)
		s.now = s.now.Add(7 * time.Minute)
		require.NoError(t, k.Round(t.Context()))
		require.NoError(t, k.Round(t.Context()), "nothing new is nothing to do")
		at, lines := s.sizeOf(k, 0)
		require.Equal(t, []uint64{s.log.Size, 2}, []uint64{at, uint64(lines)})
		if round%9 == 0 { // a note is kept for good once an hour
			for size := uint64(1); size <= s.log.Size; size++ {
				at, _ := s.sizeOf(k, size)
				require.GreaterOrEqual(t, at, size)
				if was, seen := want[size]; seen {
					require.Equal(t, was, at, "what was kept for good is what is found")
				}
				want[size] = at
			}
		}
	}
	at, _ := s.sizeOf(s.keeper(s.db), s.log.Size+1)
	require.Zero(t, at, "nobody saw that yet")
	heads, err := k.Heads(t.Context())
	require.NoError(t, err)
	require.Len(t, heads, 1)
	require.Len(t, heads[0].Witnesses, 2)
	require.Equal(t, s.log.Size, heads[0].Size)
}

func TestAWitnessThatIsAwayHoldsNothingUpAndCatchesUp(t *testing.T) {
	s := newScene(t, "w1", "w2")
	k := s.keeper(s.db)
	s.down.Store(true)
	s.grow(s.db, s.log, 5)
	require.ErrorContains(t, k.Round(t.Context()), "no route")
	at, lines := s.sizeOf(k, 0)
	require.Equal(t, []int{5, 1}, []int{int(at), lines}, "the other one's word is kept")
	s.down.Store(false)
	require.NoError(t, k.Round(t.Context()))
	_, lines = s.sizeOf(k, 0)
	require.Equal(t, 2, lines)
	s.grow(s.db, s.log, 3)
	require.NoError(t, s.keeper(s.db).Round(t.Context()), "a new process asks what they know")
	at, lines = s.sizeOf(k, 0)
	require.Equal(t, []int{8, 2}, []int{int(at), lines})
}

func TestAnotherLedgerUnderTheSameNameIsNotCosigned(t *testing.T) {
	s := newScene(t, "w1")
	s.grow(s.db, s.log, 9)
	require.NoError(t, s.keeper(s.db).Round(t.Context()))
	other, l := s.ledger("other")
	for range 5 { // shorter, equal, longer
		s.grow(other, l, 4)
		require.Error(t, s.keeper(other).Round(t.Context()), l.Size)
		at, _ := s.sizeOf(s.keeper(other), 0)
		require.Zero(t, at)
	}
	s.grow(s.db, s.log, 1)
	require.NoError(t, s.keeper(s.db).Round(t.Context()), "the first one goes on")
}

// A witness that answers with more than its line must not keep the others' out.
func TestAWitnessCannotFillTheNoteForOthers(t *testing.T) {
	s := newScene(t, "w1", "w2")
	next := s.clients[0].HTTP.Transport
	s.clients[0].HTTP.Transport = tripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil {
			more := strings.NewReader(strings.Repeat("— w9 AAAAAAAAAAAAAAAA\n", 97))
			resp.Body, resp.ContentLength = io.NopCloser(io.MultiReader(resp.Body, more)), -1
		}
		return resp, err
	})
	s.grow(s.db, s.log, 5)
	k := s.keeper(s.db)
	require.NoError(t, k.Round(t.Context()))
	at, lines := s.sizeOf(k, 0)
	require.Equal(t, []int{5, 2}, []int{int(at), lines})
}

// While a witness stays away the notes under which proofs are made settle all the
// same, with more than half of the witnesses.
func TestProofsSettleThoughAWitnessStaysAway(t *testing.T) {
	s := newScene(t, "w1", "w2", "w3")
	k := s.keeper(s.db)
	s.down.Store(true)
	var sizes []uint64
	for range 9 {
		s.grow(s.db, s.log, 3)
		s.now = s.now.Add(30 * time.Minute)
		require.ErrorContains(t, k.Round(t.Context()), "no route")
		at, lines := s.sizeOf(k, 1)
		require.Equal(t, 2, lines)
		sizes = append(sizes, at)
	}
	require.Less(t, sizes[0], sizes[2], "under the newest at first: the one that is away may come back")
	settled := sizes[4]
	require.Equal(t, []uint64{settled, settled, settled, settled}, sizes[5:], "after two hours it stays as it is")
}

// tripper is a function as a transport.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
