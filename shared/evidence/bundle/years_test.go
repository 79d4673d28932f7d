package bundle_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// The README says "years later": nothing in a bundle runs out. The clock of the
// bubble begins in the year 2000, before the bundle was made, a clock that is wrong.
func TestABundleHoldsFiftyYearsLaterAndWhateverTheClockSays(t *testing.T) {
	a, _, segments := station(t)
	data := whole(t, evidence.KeyRange{Key: a.Public()}, segments)
	pins := []bundle.Trust{
		trust(t, "station "+a.ID+" "+evidence.Fingerprint(a.Public())),
		trust(t, cosignerLine()),
		trust(t, cosignerLine()+" until 2026-12-31T00:00:00Z"), // of the receipt's own time, not of the reader's
	}
	synctest.Test(t, func(t *testing.T) {
		for range 2 {
			for _, tr := range pins {
				s, _, err := verify(t, tr, data)
				require.NoError(t, err, time.Now())
				require.Equal(t, bundle.Anchored, s.Verdict(), time.Now())
			}
			<-time.After(76 * 365 * 24 * time.Hour) // of the bubble: 2075
		}
	})
}
