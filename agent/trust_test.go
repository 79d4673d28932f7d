package agent

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"testing"
	"time"

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

func TestAStationWithAWrongClockUsesTheKeyOfTheYearThatItIsByTheAggregatorsClock(t *testing.T) {
	tr := newTestTrust(t)
	now := time.Date(2026, 12, 10, 8, 0, 0, 0, time.UTC)
	key := func(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }
	keys := []wire.PseudonymKey{{Plant: "hamburg", Year: 2026, Key: key(6)}, {Plant: "hamburg", Year: 2027, Key: key(7)}}
	require.NoError(t, tr.TakeStatus(t.Context(), wire.StatusResponse{Time: now, Pseudonyms: keys}))
	for year, want := range map[int]byte{2026: 6, 2027: 7, 2009: 6, 2029: 6, 1970: 6} {
		got, ok := tr.Key("hamburg", year)
		require.True(t, ok, year)
		require.Equal(t, bytes.Repeat([]byte{want}, 32), got, year)
	}
	_, ok := tr.Key("bremen", 2009)
	require.False(t, ok, "never the key of another plant")
	// Away over the turn of the year, and no newer key: the nearest one.
	require.NoError(t, tr.TakeStatus(t.Context(), wire.StatusResponse{Time: now.AddDate(2, 0, 0), Pseudonyms: keys}))
	got, ok := tr.Key("hamburg", 2028)
	require.True(t, ok)
	require.Equal(t, bytes.Repeat([]byte{7}, 32), got)
}

func TestADamagedCosignerKeyLeavesTheOldOnes(t *testing.T) {
	tr := newTestTrust(t)
	good := wire.Cosigner{Name: "c", Key: agenttest.PseudonymKey} // any 32 bytes
	require.NoError(t, tr.TakeStatus(t.Context(), wire.StatusResponse{Cosigners: []wire.Cosigner{good}}))
	require.ErrorContains(t, tr.TakeStatus(t.Context(), wire.StatusResponse{Cosigners: []wire.Cosigner{{Name: "bad", Key: "AAAA"}}}), "cosigner bad")
	require.Len(t, tr.Cosigners(), 1)
	require.Equal(t, []wire.Cosigner{good}, tr.id.Cosigners)
}
