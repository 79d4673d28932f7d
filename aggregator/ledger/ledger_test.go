package ledger_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ledger"
	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func options(s ledger.Store) ledger.Options {
	return ledger.Options{
		Store: s, Key: key("ledger"), CosignerName: "linewatch.test/aggregator", Cosigner: key("cosigner"),
		Instance: "test", Project: project.Project, Version: "1",
	}
}

func openStore(t *testing.T) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func open(t *testing.T, s ledger.Store, change ...func(*ledger.Options)) *ledger.Ledger {
	t.Helper()
	o := options(s)
	for _, f := range change {
		f(&o)
	}
	l, err := ledger.Open(t.Context(), o)
	require.NoError(t, err)
	return l
}

// audit re-hashes every ledger log and checks note and receipt; it returns the
// leaves by log id.
func audit(t *testing.T, s store.Store) map[string][]*event.Event {
	t.Helper()
	logs, err := s.Logs(t.Context())
	require.NoError(t, err)
	out := map[string][]*event.Event{}
	for _, lg := range logs {
		if !strings.HasPrefix(lg.AgentID, ledger.AgentPrefix) {
			continue
		}
		var tree evidence.Range
		for i := range lg.Size {
			leaf, err := s.Leaf(t.Context(), lg.ID, i)
			require.NoError(t, err)
			require.NoError(t, tree.Append(evidence.LeafHash(leaf)))
			e, problems, err := event.Parse(leaf)
			require.NoError(t, err)
			require.Empty(t, problems, "%s", leaf)
			out[lg.ID] = append(out[lg.ID], e)
		}
		root, err := tree.Root()
		require.NoError(t, err)
		want := evidence.Checkpoint{Origin: lg.Origin, Size: lg.Size, Root: root}
		got, err := evidence.OpenCheckpoint(lg.Note, lg.Origin, lg.Keys)
		require.NoError(t, err)
		require.Equal(t, want, got)
		got, _, _, err = evidence.VerifyCosigned(lg.Receipt, lg.Origin, []evidence.CosignerKey{
			{Name: "linewatch.test/aggregator", Key: key("cosigner").Public().(ed25519.PublicKey)},
		})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	return out
}

func types(events []*event.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.Type)
	}
	return out
}

func TestWhatIsRecordedIsSignedCosignedAndVisible(t *testing.T) {
	s := openStore(t)
	l := open(t, s)
	require.NoError(t, l.Record(t.Context(), "agent.revoked", map[string]any{"agentId": "a1", "keyId": "k", "by": "anna", "reason": "stolen"}))
	require.NoError(t, l.Record(t.Context(), "user.login", map[string]any{"userId": "p-1", "action": "login", "success": true, "method": "password"},
		func(e *event.Event) { e.UserID, e.SourceIP = "p-1", "10.0.0.1" }))
	require.NoError(t, l.Record(t.Context(), "agent.online", map[string]any{"agentId": "a1", "version": "1", "backlog": 0}))
	logs := audit(t, s)
	require.Len(t, logs, 2, "one log per class")
	page, err := s.Feed(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, page.Rows, 3, "log.opened is no row")
	require.Equal(t, "aggregator", page.Rows[0].Station)
	require.Equal(t, event.SeverityMedium, page.Rows[0].Severity)
	require.Equal(t, "10.0.0.1", page.Rows[1].SourceIP)
}

func TestTheLedgerGoesOnAfterARestartAndFollowsAChangedKey(t *testing.T) {
	s := openStore(t)
	data := map[string]any{"agentId": "a1", "keyId": "k", "by": "anna", "reason": ""}
	require.NoError(t, open(t, s).Record(t.Context(), "agent.revoked", data))
	require.NoError(t, open(t, s).Record(t.Context(), "agent.revoked", data))
	for _, events := range audit(t, s) {
		require.Equal(t, []string{"log.opened", "agent.revoked", "agent.revoked"}, types(events))
	}
	other := open(t, s, func(o *ledger.Options) { o.Key = key("another") })
	require.NoError(t, other.Record(t.Context(), "agent.revoked", data))
	require.Len(t, audit(t, s), 2)
	logs, err := s.Logs(t.Context())
	require.NoError(t, err)
	states := map[store.LogState]store.Log{}
	for _, lg := range logs {
		states[lg.State] = lg
	}
	require.Equal(t, states[store.LogClosed].Origin, states[store.LogActive].Predecessor)
}

func TestTwoProcessesShareOneLedger(t *testing.T) {
	s := openStore(t)
	ledgers := []*ledger.Ledger{open(t, s), open(t, s)}
	require.NoError(t, ledgers[0].Record(t.Context(), "agent.revoked", map[string]any{"n": -1}))
	var wg sync.WaitGroup
	for _, l := range ledgers {
		wg.Go(func() {
			for n := range 20 {
				if err := l.Record(t.Context(), "agent.revoked", map[string]any{"n": n}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	logs := audit(t, s)
	require.Len(t, logs, 1)
	for _, events := range logs {
		require.Len(t, events, 42)
	}
}

// failing lets commits fail.
type failing struct {
	store.Store
	err error
}

func (f *failing) Commit(ctx context.Context, c store.Change) (store.Committed, error) {
	if f.err != nil {
		return store.Committed{}, f.err
	}
	return f.Store.Commit(ctx, c)
}

func TestAChangeAndItsLeafAreStoredTogetherOrNotAtAll(t *testing.T) {
	s := &failing{Store: openStore(t)}
	l := open(t, s)
	e, err := ledger.New("agent.revoked", map[string]any{"agentId": "a1"})
	require.NoError(t, err)
	change := store.Change{Agents: []store.Agent{{ID: "a1", State: store.AgentRevoked}}}
	s.err = errors.New("down")
	_, err = l.Commit(t.Context(), change, e)
	require.ErrorContains(t, err, "down")
	require.Empty(t, audit(t, s))
	s.err = nil
	_, err = l.Commit(t.Context(), change, e)
	require.NoError(t, err)
	require.Len(t, audit(t, s), 1)

	_, err = l.Commit(t.Context(), store.Change{
		Settings: map[string][]byte{"x": []byte("1")},
		Segments: []store.Append{{Log: "none", OldSize: 7}},
	}, e)
	require.Error(t, err, "the change itself does not fit")
	_, err = s.Setting(t.Context(), "x")
	require.ErrorIs(t, err, store.ErrNotFound)
	for _, events := range audit(t, s) {
		require.Len(t, events, 2)
	}
}

func TestRootsCoverEveryCheckpointThatChangedSinceTheLast(t *testing.T) {
	s := openStore(t)
	l := open(t, s)
	ctx := t.Context()
	require.NoError(t, l.Roots(ctx), "nothing to say")
	require.NoError(t, l.Record(ctx, "agent.revoked", map[string]any{"n": 1}))
	require.NoError(t, l.Record(ctx, "agent.online", map[string]any{"n": 1}))
	require.NoError(t, l.Roots(ctx))
	require.NoError(t, l.Roots(ctx), "its own leaf is no news")
	require.NoError(t, l.Record(ctx, "agent.online", map[string]any{"n": 2}))
	require.NoError(t, l.Roots(ctx))

	var counts []float64
	for id, events := range audit(t, s) {
		var lists []store.RootList
		for list, err := range s.RootLists(ctx, id, 0) {
			require.NoError(t, err)
			lists = append(lists, list)
		}
		for i, e := range events {
			if e.Type != "log.roots" {
				continue
			}
			var data struct {
				Root  string
				Count float64
			}
			require.NoError(t, json.Unmarshal(e.Data, &data))
			counts = append(counts, data.Count)
			require.Equal(t, uint64(i), lists[0].Index)
			var hashes []evidence.Hash
			for body := range bytes.SplitSeq(bytes.TrimSuffix(lists[0].Lines, []byte("\n")), []byte("\n\n")) {
				hashes = append(hashes, evidence.LeafHash(append(bytes.TrimSuffix(body, []byte("\n")), '\n')))
			}
			r := evidence.RangeOf(0, hashes)
			root, err := r.Root()
			require.NoError(t, err)
			require.Equal(t, data.Root, root.String())
			lists = lists[1:]
		}
	}
	require.Equal(t, []float64{2, 1}, counts)
}

func TestRootsAreWrittenOnceAMinuteAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counting{}
		l := open(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = l.Run(ctx) })
		<-time.After(3*time.Minute + time.Second) // fake time
		require.Equal(t, 4, s.asked(), "one at the start, one a minute")
		cancel()
		wg.Wait()
		require.Equal(t, 5, s.asked())
	})
}

// counting is a store that only counts how often the logs are read.
type counting struct {
	store.Store
	mu sync.Mutex
	n  int
}

func (c *counting) Logs(context.Context) ([]store.Log, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return nil, nil
}

func (c *counting) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func TestAStoreOlderThanTheLedgerIsFollowedByNewLogs(t *testing.T) {
	dir := t.TempDir()
	memory, backup := filepath.Join(dir, "ledger.sizes"), filepath.Join(dir, "backup.db")
	at := func(path string) (store.Store, *ledger.Ledger) {
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		require.NoError(t, err)
		return s, open(t, s, func(o *ledger.Options) { o.Memory = memory })
	}
	data := map[string]any{"agentId": "a1"}
	s, l := at(filepath.Join(dir, "store.db"))
	require.NoError(t, l.Record(t.Context(), "agent.revoked", data))
	require.NoError(t, l.Roots(t.Context()))
	require.NoError(t, s.Close())
	text, err := os.ReadFile(filepath.Join(dir, "store.db"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(backup, text, 0o600))

	s, l = at(filepath.Join(dir, "store.db"))
	require.NoError(t, l.Record(t.Context(), "agent.revoked", data))
	require.NoError(t, l.Roots(t.Context()))
	require.NoError(t, s.Close())

	s, l = at(backup)
	require.NoError(t, l.Record(t.Context(), "agent.revoked", data))
	require.NoError(t, l.Record(t.Context(), "agent.revoked", data))
	logs := audit(t, s)
	require.Len(t, logs, 2)
	var firsts []string
	for _, events := range logs {
		firsts = append(firsts, string(events[0].Data))
	}
	require.Contains(t, strings.Join(firsts, ""), "a backup was put back")
	require.NoError(t, s.Close())
	s, l = at(backup)
	require.NoError(t, l.Record(t.Context(), "agent.revoked", data))
	require.Len(t, audit(t, s), 2, "followed once")
	require.NoError(t, s.Close())
}

func TestAStoreThatIsPutBackWithinAMinuteIsNoticedToo(t *testing.T) {
	dir := t.TempDir()
	memory, backup := filepath.Join(dir, "ledger.sizes"), filepath.Join(dir, "backup.db")
	at := func(path string) (store.Store, *ledger.Ledger) {
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		require.NoError(t, err)
		return s, open(t, s, func(o *ledger.Options) { o.Memory = memory })
	}
	data := map[string]any{"agentId": "a1"}
	s, l := at(filepath.Join(dir, "store.db"))
	require.NoError(t, l.Record(t.Context(), "agent.revoked", data))
	require.NoError(t, s.Close())
	text, err := os.ReadFile(filepath.Join(dir, "store.db"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(backup, text, 0o600))
	s, l = at(filepath.Join(dir, "store.db"))
	require.NoError(t, l.Record(t.Context(), "agent.revoked", data))
	require.NoError(t, s.Close(), "no root was written since")
	s, l = at(backup)
	require.NoError(t, l.Record(t.Context(), "agent.revoked", data))
	require.Len(t, audit(t, s), 2, "a new log: the old one's sizes are never signed twice")
	require.NoError(t, s.Close())
}
