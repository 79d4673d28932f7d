package ingest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTransactionsShrinkOnASlowDatabaseAndGrowOnAQuickOne(t *testing.T) {
	p := newPace(16 << 20)
	for range 10 {
		p.measured(p.bytes(), 5*time.Second)
	}
	require.Equal(t, int64(leastBit), p.bytes())
	p.measured(1000, time.Millisecond)
	require.Equal(t, int64(leastBit), p.bytes(), "small ones say nothing")
	for range 10 {
		p.measured(p.bytes(), 10*time.Millisecond)
	}
	require.Equal(t, int64(16<<20), p.bytes())
	p.measured(p.bytes(), 700*time.Millisecond)
	require.Equal(t, int64(16<<20), p.bytes())
}
