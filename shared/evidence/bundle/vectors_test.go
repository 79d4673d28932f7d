package bundle_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

var update = flag.Bool("update", false, "write testdata/vectors.json")

// vector is one bundle of one event with the verdict on it; a browser and other
// verifiers are held against the same file.
type vector struct {
	Name    string         `json:"name"`
	Bundle  string         `json:"bundle"`
	Trust   string         `json:"trust"`
	Verdict bundle.Verdict `json:"verdict"`
}

// eventBundle is the bundle of one event whose ledger these witnesses cosigned.
func eventBundle(t *testing.T, by ...string) (data []byte, pins map[string]string) {
	t.Helper()
	a, l, _ := station(t)
	agg, ledger := ledgerOf(t, "ledger", l.Origin, a.Public())
	basis, p := proofAt(t, ledger, agg.Key, 0), proofAt(t, l, a.Key, 7)
	for _, name := range by {
		var err error
		basis.Checkpoint, err = evidence.Cosign(basis.Checkpoint, name, key(name), at)
		require.NoError(t, err)
	}
	receipt, err := evidence.Cosign(p.Checkpoint, "agg-1", key("agg-1"), at)
	require.NoError(t, err)
	p.Checkpoint = receipt
	data = build(t, func(w *bundle.Writer) {
		require.NoError(t, w.Cosigner(cosigner("agg-1")))
		require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: a.Public()}))
		require.NoError(t, w.Key(ledger.Origin, evidence.KeyRange{Key: agg.Public()}))
		for _, name := range by {
			require.NoError(t, w.Cosigner(cosigner(name)))
		}
		require.NoError(t, w.Basis(basis))
		require.NoError(t, w.Proof(p))
	})
	return data, map[string]string{
		"station": "station " + a.ID + " " + b64(a.Public()) + "\n", "ledger": "ledger hamburg " + b64(agg.Public()) + "\n",
		"other": "station " + a.ID + " " + b64(public("other")) + "\n",
	}
}

func vectors(t *testing.T) (list []vector) {
	two, pins := eventBundle(t, "w1", "w2")
	none, _ := eventBundle(t)
	witnesses := "witness w1 " + b64(public("w1")) + "\nwitness w2 " + b64(public("w2")) + "\nwitness w3 " + b64(public("w3")) + "\n"
	add := func(name string, data []byte, trust string, verdict bundle.Verdict) {
		list = append(list, vector{name, string(data), trust, verdict})
	}
	add("nothing is pinned", two, "", bundle.NotAnchored)
	add("the station is pinned", two, pins["station"], bundle.Anchored)
	add("another key of the station is pinned", two, pins["other"], bundle.NotAnchored)
	add("the ledger is pinned", none, pins["ledger"], bundle.Anchored)
	add("the ledger of another aggregator is pinned", none, strings.Replace(pins["ledger"], "hamburg", "bremen", 1), bundle.NotAnchored)
	add("two of two witnesses saw the ledger", two, pins["ledger"]+witnesses+"quorum 2\n", bundle.Anchored)
	add("two of three witnesses saw the ledger", two, pins["ledger"]+witnesses+"quorum 3\n", bundle.NotAnchored)
	add("without a quorum all must have seen it", two, pins["ledger"]+witnesses, bundle.NotAnchored)
	add("no witness saw the ledger", none, pins["ledger"]+witnesses+"quorum 1\n", bundle.NotAnchored)
	add("witnesses alone", two, pins["other"]+witnesses+"quorum 2\n", bundle.NotAnchored)
	for name, change := range map[string][2]string{"the event": {"\nextra eyJpZCI6", "\nextra eyJpZCE6"}, "the hash of the file": {"end sha256:", "end sha256:0"}, "a length": {"proof ", "proof 0"}} {
		add(name+" was changed", bytes.Replace(two, []byte(change[0]), []byte(change[1]), -1), pins["station"], bundle.Bad)
	}
	add("it was cut off", two[:len(two)-77], pins["station"], bundle.Bad)
	return list
}

func TestTheVectorsOfBundlesAreThoseOfTheFile(t *testing.T) {
	const file = "testdata/vectors.json"
	list := vectors(t)
	for _, v := range list {
		s, found, err := verify(t, trust(t, v.Trust), []byte(v.Bundle))
		got := s.Verdict()
		if err != nil {
			got = bundle.Bad
		}
		require.Equal(t, v.Verdict, got, "%s %v %v", v.Name, found, err)
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	byName := map[string]vector{}
	for _, v := range list {
		byName[v.Name] = v
	}
	require.NoError(t, enc.Encode(byName))
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, text.Bytes(), 0o644))
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, bytes.Equal(have, text.Bytes()), "%s is old: go test ./shared/evidence/bundle -update", file)
}
