package agent

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/agenttest"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

func newTestTrust(t *testing.T) *trust {
	t.Helper()
	dir := t.TempDir()
	token := agenttest.NewOffice(t).Token()
	id, err := enrol.Create(dir, "hamburg/x", token, identity.Facts{"a": "1", "b": "2"})
	require.NoError(t, err)
	tr, err := newTrust(id, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return tr
}

func TestAWithdrawnPseudonymKeyIsUsedNoMore(t *testing.T) {
	tr := newTestTrust(t)
	one := wire.PseudonymKey{Plant: "hamburg", Year: 2026, Key: agenttest.PseudonymKey}
	two := wire.PseudonymKey{Plant: "bremen", Year: 2026, Key: agenttest.PseudonymKey}
	require.NoError(t, tr.TakeStatus(t.Context(), wire.StatusResponse{Pseudonyms: []wire.PseudonymKey{one, two}}))
	_, ok := tr.Key("bremen", 2026)
	require.True(t, ok)
	require.NoError(t, tr.TakeStatus(t.Context(), wire.StatusResponse{Pseudonyms: []wire.PseudonymKey{one}}))
	_, ok = tr.Key("bremen", 2026)
	require.False(t, ok)
	_, ok = tr.Key("hamburg", 2026)
	require.True(t, ok)
	require.NoError(t, tr.TakeStatus(t.Context(), wire.StatusResponse{}))
	_, ok = tr.Key("hamburg", 2026)
	require.True(t, ok, "no list is no withdrawal")
	kept, err := tr.id.Pseudonyms()
	require.NoError(t, err)
	require.Equal(t, []wire.PseudonymKey{one}, kept)
}

func TestADamagedCosignerKeyLeavesTheOldOnes(t *testing.T) {
	tr := newTestTrust(t)
	good := wire.Cosigner{Name: "c", Key: agenttest.PseudonymKey} // any 32 bytes
	require.NoError(t, tr.TakeStatus(t.Context(), wire.StatusResponse{Cosigners: []wire.Cosigner{good}}))
	require.ErrorContains(t, tr.TakeStatus(t.Context(), wire.StatusResponse{Cosigners: []wire.Cosigner{{Name: "bad", Key: "AAAA"}}}), "cosigner bad")
	require.Len(t, tr.Cosigners(), 1)
	require.Equal(t, []wire.Cosigner{good}, tr.id.Cosigners)
}
