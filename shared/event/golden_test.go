package event_test

import (
	"os"
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/stretchr/testify/require"
)

// TestALeafOfVersion1StaysReadableForEver keeps the format: the file is never
// changed; a new version gets a new file beside it.
func TestALeafOfVersion1StaysReadableForEver(t *testing.T) {
	leaf, err := os.ReadFile("testdata/leaf-v1.json")
	require.NoError(t, err)
	e, problems, err := event.Parse(leaf)
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Equal(t, event.TypeUserLogin, e.Type)
	require.Equal(t, time.Date(2026, 11, 22, 4, 5, 6, 789_000_000, time.UTC), e.Timestamp)
	require.Equal(t, "hamburg/body/line3/st07", e.Station)
	require.Equal(t, []float32{1, 2.5}, e.Curve.Min)
	require.Equal(t, [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, e.Salt)
	again, err := e.Leaf()
	require.NoError(t, err)
	require.Equal(t, string(leaf), string(again), "and is still written in the same way")
}
