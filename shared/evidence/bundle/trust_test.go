package bundle_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// The page in the browser is held against the same table.
func TestTrustFilesAreTakenOrRefusedAsTheTableSays(t *testing.T) {
	text, err := os.ReadFile("testdata/trust.json")
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			Name      string
			Text      string
			Base64    []byte
			Takes     bool
			Witnesses int
			Quorum    int
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Greater(t, len(file.Cases), 80)
	for _, c := range file.Cases {
		data := c.Base64
		if data == nil {
			data = []byte(c.Text)
		}
		tr, err := bundle.ParseTrust(bytes.NewReader(data))
		require.Equal(t, c.Takes, err == nil && !tr.Empty(), "%s: %v", c.Name, err)
		if c.Quorum > 0 {
			require.Equal(t, c.Quorum, tr.Quorum, c.Name)
			require.Len(t, tr.Witnesses, c.Witnesses, c.Name)
		}
	}
}

func TestAWitnessThatChangedItsKeyIsOneWitnessWithBothKeys(t *testing.T) {
	a, l, segments := station(t)
	agg, ledger := ledgerOf(t, "ledger", l.Origin, a.Public())
	w := func(name string) bundle.Cosigner { // both keys bear one name
		return bundle.Cosigner{CosignerKey: evidence.CosignerKey{Name: "w", Key: public(name)}}
	}
	line := func(name string) string { return "witness w " + b64(public(name)) }
	ledgerLine := "ledger hamburg " + b64(agg.Public())
	for _, c := range []struct {
		lines []string
		by    []string
		want  bundle.Verdict
	}{
		{[]string{line("w old") + " until 2026-01-02T03:04:05Z", line("w new")}, []string{"w old"}, bundle.Anchored},
		{[]string{line("w old") + " until 2026-01-02T03:04:05Z", line("w new")}, []string{"w new"}, bundle.Anchored},
		{[]string{line("w old") + " until 2026-01-02T03:04:04Z", line("w new")}, []string{"w old"}, bundle.NotAnchored},
		{[]string{line("w old") + " until 2026-01-02T03:04:04Z", line("w new")}, []string{"w old", "w new"}, bundle.Anchored},
		{[]string{line("w old"), line("w new"), "witness v " + b64(public("v"))}, []string{"w old", "w new"}, bundle.NotAnchored},
		{[]string{line("w old"), line("w new"), "witness v " + b64(public("v")), "quorum 1"}, []string{"w old"}, bundle.Anchored},
	} {
		p := proofAt(t, ledger, agg.Key, 0)
		var err error
		for _, name := range c.by {
			p.Checkpoint, err = evidence.Cosign(p.Checkpoint, "w", key(name), at)
			require.NoError(t, err)
		}
		data := build(t, func(b *bundle.Writer) {
			require.NoError(t, b.Key(ledger.Origin, evidence.KeyRange{Key: agg.Public()}))
			require.NoError(t, b.Key(l.Origin, evidence.KeyRange{Key: a.Public()}))
			for _, name := range c.by {
				require.NoError(t, b.Cosigner(w(name).CosignerKey))
			}
			require.NoError(t, b.Basis(p))
			put(t, b, segments...)
		})
		s, found, err := verify(t, trust(t, append(c.lines, ledgerLine)...), data)
		require.NoError(t, err)
		require.Equal(t, c.want, s.Verdict(), "%v by %v: %v", c.lines, c.by, found)
	}
}
