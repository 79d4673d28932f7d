package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
)

// PagesByArrival is a benchmark: it reads one page in the middle of 250,000 events, in
// the order of their commits, of a common and of a rare type.
func PagesByArrival(b *testing.B, s store.Store) {
	p := NewPlant(b, s, 20)
	p.Fill(b, s, 250_000, 500, time.Second)
	for name, text := range map[string]string{"common": "type:quality.check", "rare": "type:equipment.fault", "everything else": "-type:quality.check"} {
		q := All(text)
		q.ByArrival = true
		for range 100 {
			page, err := s.Events(b.Context(), q)
			require.NoError(b, err)
			if page.Next == "" {
				break
			}
			q.After = page.Next
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := s.Events(b.Context(), q)
				require.NoError(b, err)
			}
		})
	}
}
