package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
)

func testRegistry(t *testing.T, s store.Store) {
	ctx := t.Context()
	agent := store.Agent{
		ID: "a1", Station: station, Scope: []string{"hamburg/**"}, State: store.AgentPending, TLSKey: []byte{1, 2},
		Keys: []store.AgentKey{{Public: []byte{3}, Since: Start()}}, Machine: map[string]string{"uuid": "x"}, Enrolled: Start(),
	}
	user := store.User{Name: "anna", Display: "Anna", Roles: []string{"maintenance"}, Scope: []string{"hamburg/**"}, Password: "$argon2id$", Created: Start()}
	token := store.Token{Hash: "aa", Kind: "api", Name: "mes", Roles: []string{"auditor"}, Uses: -1, Created: Start(), Expires: Start()}
	_, err := s.Commit(ctx, store.Change{
		Agents: []store.Agent{agent, {ID: "a0"}}, Users: []store.User{user, {Name: "bert"}},
		Tokens: []store.Token{token}, Settings: map[string][]byte{"k": {0, 1}},
	})
	require.NoError(t, err)
	got, err := s.Agent(ctx, "a1")
	require.NoError(t, err)
	agent.Revision = got.Revision
	require.Equal(t, agent, got)
	seen := store.AgentSeen{At: Start(), Address: "10.4.1.7", Version: "1", Offset: time.Second, Backlog: 7, Status: []byte("{}")}
	require.NoError(t, s.TouchAgent(ctx, "a1", seen))
	agent.State = store.AgentActive
	_, err = s.Commit(ctx, store.Change{Agents: []store.Agent{agent}})
	require.NoError(t, err)
	agent.Seen = seen
	agents, err := s.Agents(ctx)
	require.NoError(t, err)
	agent.Revision++
	require.Equal(t, []store.Agent{{ID: "a0", Revision: 1}, agent}, agents, "a change of the agent keeps its sign of life")
	gotUser, err := s.User(ctx, "anna")
	require.NoError(t, err)
	require.Equal(t, user, gotUser)
	_, err = s.Commit(ctx, store.Change{Users: []store.User{{Name: "bert", Deleted: true}}})
	require.NoError(t, err)
	users, err := s.Users(ctx)
	require.NoError(t, err)
	require.Equal(t, []store.User{user}, users)
	tokens, err := s.Tokens(ctx)
	require.NoError(t, err)
	require.Equal(t, []store.Token{token}, tokens)
	value, err := s.Setting(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, []byte{0, 1}, value)
	for _, find := range []func() error{
		func() error { _, err := s.Agent(ctx, "none"); return err },
		func() error { _, err := s.User(ctx, "bert"); return err },
		func() error { _, err := s.Token(ctx, "none"); return err },
		func() error { _, err := s.Setting(ctx, "none"); return err },
	} {
		require.ErrorIs(t, find(), store.ErrNotFound)
	}
}

// A renewal that was begun before an agent was revoked, perhaps in another process,
// must not bring it back.
func testAgentRevisions(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.Commit(ctx, store.Change{Agents: []store.Agent{{ID: "r1", State: store.AgentActive}}})
	require.NoError(t, err)
	renewed, err := s.Agent(ctx, "r1")
	require.NoError(t, err)
	revoked := renewed
	revoked.State, revoked.Reason = store.AgentRevoked, "stolen"
	_, err = s.Commit(ctx, store.Change{Agents: []store.Agent{revoked}})
	require.NoError(t, err)
	renewed.TLSKey = []byte{2}
	for _, late := range []store.Agent{renewed, {ID: "r1", State: store.AgentActive}} {
		_, err = s.Commit(ctx, store.Change{Agents: []store.Agent{{ID: "other"}, late}})
		require.ErrorIs(t, err, store.ErrAgentChanged)
		require.ErrorIs(t, err, store.ErrConflict)
	}
	got, err := s.Agent(ctx, "r1")
	require.NoError(t, err)
	revoked.Revision = got.Revision
	require.Equal(t, revoked, got)
	_, err = s.Agent(ctx, "other")
	require.ErrorIs(t, err, store.ErrNotFound, "nothing of the change was stored")
	got.Reason = "stolen, and found"
	_, err = s.Commit(ctx, store.Change{Agents: []store.Agent{got}})
	require.NoError(t, err, "what was read anew is stored")
}

func testTokenUses(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.Commit(ctx, store.Change{Tokens: []store.Token{{Hash: "five", Uses: 5}, {Hash: "ever", Uses: -1}, {Hash: "revoked", Uses: 5, Revoked: true}}})
	require.NoError(t, err)
	var used, refused atomic.Int64
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			_, err := s.Commit(ctx, store.Change{UseTokens: []string{"five"}})
			if err == nil {
				used.Add(1)
			} else {
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int64(5), used.Load())
	require.Equal(t, int64(7), refused.Load())
	_, err = s.Commit(ctx, store.Change{UseTokens: []string{"five"}, Agents: []store.Agent{{ID: "a1"}}})
	require.ErrorIs(t, err, store.ErrConflict)
	_, err = s.Agent(ctx, "a1")
	require.ErrorIs(t, err, store.ErrNotFound, "nothing of the change was stored")
	_, err = s.Commit(ctx, store.Change{UseTokens: []string{"revoked"}})
	require.ErrorIs(t, err, store.ErrConflict)
	for range 3 {
		_, err = s.Commit(ctx, store.Change{UseTokens: []string{"ever"}})
		require.NoError(t, err)
	}
	token, err := s.Token(ctx, "ever")
	require.NoError(t, err)
	require.Equal(t, 3, token.Used)
	require.Equal(t, -1, token.Uses)
}
