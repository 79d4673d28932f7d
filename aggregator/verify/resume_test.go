package verify_test

import (
	"context"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/verify"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

func options(r *ingesttest.Rig, s verify.Store, state string) verify.Options {
	return verify.Options{
		Store: s, Project: project.Project, State: state,
		Cosigners: []evidence.CosignerKey{{Name: ingesttest.CosignerName, Key: r.Cosigner.Public().(ed25519.PublicKey)}},
		Ledger:    []ed25519.PublicKey{r.LedgerKey.Public().(ed25519.PublicKey)},
	}
}

func TestAWalkThatIsCutOffAnywhereGoesOnAndEndsWithTheSameReport(t *testing.T) {
	r, _ := filled(t)
	a := r.Agent("st09")
	for _, class := range []string{"security", "performance"} {
		l := r.Log(a, class, "")
		for range 4 {
			require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(3))[0].Result)
		}
	}
	require.NoError(t, r.Ledger.Roots(t.Context()))
	for name, s := range map[string]tampered{
		"honest":              {},
		"a root list changed": {hashes: func(h []evidence.Hash) { h[len(h)-1][0] ^= 1 }},
	} {
		s.Store = r.Store
		whole, err := verify.Run(t.Context(), options(r, s, ""))
		require.NoError(t, err)
		state := filepath.Join(t.TempDir(), "state")
		var rep verify.Report
		rounds := 0
		for stop := uint64(1); ; stop += 4 { // each round comes a little further
			require.Less(t, rounds, 100)
			rounds++
			ctx, cancel := context.WithCancel(t.Context())
			o := options(r, s, state)
			o.Progress = func(done, _ uint64) {
				if done >= stop {
					cancel()
				}
			}
			rep, err = verify.Run(ctx, o)
			cancel()
			if err == nil {
				break
			}
			require.ErrorIs(t, err, context.Canceled)
		}
		require.Greater(t, rounds, 5, name)
		require.True(t, rep.Resumed)
		rep.Resumed = false
		require.Equal(t, whole, rep, name)
		require.NoFileExists(t, state, "it is done")
	}
}

func TestAStateOfAnotherKindOfWalkIsRefused(t *testing.T) {
	r, _ := filled(t)
	for name, text := range map[string]string{
		"damaged": `{"version":`, "newer": `{"version":2,"rows":true,"logs":{}}`, "without rows": `{"version":1,"rows":false,"logs":{}}`,
	} {
		state := filepath.Join(t.TempDir(), "state")
		require.NoError(t, os.WriteFile(state, []byte(text), 0o600))
		_, err := verify.Run(t.Context(), options(r, r.Store, state))
		require.ErrorContains(t, err, state, name)
	}
}
