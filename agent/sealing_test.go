package agent

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// office is an aggregator that only knows of destroyed keys.
type office struct {
	note []byte // what it answers
	came []byte // what it was sent
}

func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		o.came, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_, _ = w.Write(o.note)
}

func newSealingTrust(t *testing.T) (*trust, *office, ed25519.PrivateKey, *[]string) {
	t.Helper()
	tr := newTestTrust(t)
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	require.NoError(t, tr.setCosigners([]wire.Cosigner{{Name: "linewatch/agg", Key: base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))}}))
	tr.sealing, err = newSealing(config.Config{}, tr)
	require.NoError(t, err)
	wiped := &[]string{}
	tr.sealing.destroy = func(_ context.Context, ids []string) error { *wiped = append(*wiped, ids...); return nil }
	o := &office{}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	tr.connect(server.Client(), []string{server.URL})
	return tr, o, key, wiped
}

func signed(t *testing.T, key ed25519.PrivateKey, list seal.Destroyed) []byte {
	t.Helper()
	note, err := list.Sign("linewatch/agg", key)
	require.NoError(t, err)
	return note
}

func TestAnAgentDropsWhatASignedListNamesAndNothingElse(t *testing.T) {
	tr, o, key, wiped := newSealingTrust(t)
	vault, err := seal.NewPrivateKey(seal.P256)
	require.NoError(t, err)
	require.NoError(t, tr.takeSealing(t.Context(), vault.Public().String(), wire.Destroyed{}, false))
	person := "p-" + strings.Repeat("0a", 16)
	used, err := tr.sealing.ring.Key(person, time.Now())
	require.NoError(t, err)
	list, err := seal.Destroyed{}.With([]string{used.ID})
	require.NoError(t, err)

	_, stranger, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	o.note = signed(t, stranger, list)
	named := wire.Destroyed{Number: 1, Hash: list.Hash()}
	require.ErrorIs(t, tr.takeSealing(t.Context(), "", named, false), seal.ErrDestroyed)
	require.Empty(t, *wiped)
	o.note = signed(t, key, list)
	require.NoError(t, tr.takeSealing(t.Context(), "", named, false))
	require.Equal(t, []string{used.ID}, *wiped)
	fresh, err := tr.sealing.ring.Key(person, time.Now())
	require.NoError(t, err)
	require.NotEqual(t, used.ID, fresh.ID)
	require.Equal(t, named, tr.destroyed())

	next, err := list.With([]string{strings.Repeat("ab", 32)})
	require.NoError(t, err)
	o.note = signed(t, key, next)
	require.NoError(t, tr.takeSealing(t.Context(), "", wire.Destroyed{Number: 2}, false))
	require.Equal(t, []string{used.ID, strings.Repeat("ab", 32)}, *wiped, "only what is new")
	o.note = signed(t, key, list)
	require.NoError(t, tr.takeSealing(t.Context(), "", wire.Destroyed{Number: 9}, false))
	require.Equal(t, uint64(2), tr.destroyed().Number, "an older list is not taken")

	again, err := newSealing(config.Config{}, tr)
	require.NoError(t, err)
	require.Equal(t, tr.destroyed(), again.list, "it is known after a restart")
	require.True(t, again.ring.Ready())
	require.NoError(t, tr.takeSealing(t.Context(), "", wire.Destroyed{}, true))
	back, err := seal.OpenDestroyed(o.came, tr.Cosigners())
	require.NoError(t, err)
	require.Equal(t, next, back, "an aggregator that forgot is told")
}

func TestAnAgentNeverGivesUpWhatItsListNames(t *testing.T) {
	tr, o, key, wiped := newSealingTrust(t)
	ids := []string{strings.Repeat("ab", 32), strings.Repeat("cd", 32), strings.Repeat("ef", 32)}
	held, err := seal.Destroyed{Number: 4}.With(ids[:1])
	require.NoError(t, err)
	o.note = signed(t, key, held)
	require.NoError(t, tr.takeSealing(t.Context(), "", wire.Destroyed{Number: 5}, false))
	// A backup from before was put back, and two others were erased since.
	forgot, err := seal.Destroyed{Number: 6}.With(ids[1:])
	require.NoError(t, err)
	o.note = signed(t, key, forgot)
	require.NoError(t, tr.takeSealing(t.Context(), "", wire.Destroyed{Number: 7, Hash: forgot.Hash()}, false))
	require.Equal(t, uint64(5), tr.destroyed().Number)
	told, err := seal.OpenDestroyed(o.came, tr.Cosigners())
	require.NoError(t, err)
	require.Equal(t, held, told)
	require.Equal(t, ids, *wiped, "what it names is dropped all the same")
	o.came, *wiped = nil, nil
	require.NoError(t, tr.takeSealing(t.Context(), "", wire.Destroyed{Number: 7, Hash: forgot.Hash()}, false))
	require.Nil(t, o.came, "and not again with each sign of life")
	require.Empty(t, *wiped)
	both, err := forgot.With(ids)
	require.NoError(t, err)
	o.note = signed(t, key, both)
	require.NoError(t, tr.takeSealing(t.Context(), "", wire.Destroyed{Number: 8}, false))
	require.Equal(t, uint64(8), tr.destroyed().Number)
}
