package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
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
	return eventBundleOf(t, at, by...)
}

func eventBundleAt(t *testing.T, at time.Time) []byte {
	t.Helper()
	data, _ := eventBundleOf(t, at)
	return data
}

func eventBundleOf(t *testing.T, at time.Time, by ...string) (data []byte, pins map[string]string) {
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

// turn is a log whose station changes its key at size 4: the leaf at index 3 names
// heir. The event is leaf 1 under size 3 or, later, leaf 5 under size 6.
type turn struct {
	later         bool
	heir          ed25519.PrivateKey // whom the leaf names
	change, event ed25519.PrivateKey // who signs the checkpoint of the leaf, of the event
	claimed       ed25519.PrivateKey // whom the bundle names from size 4 on
	late          bool               // the leaf is shown under size 6 too
	hidden        bool               // the leaf is not shown
}

// turned is the bundle of one event of such a log, registered under its first key.
func turned(t *testing.T, s turn) []byte {
	t.Helper()
	a := wiretest.NewAgent(t, "st07", "", nil)
	l := a.Log("security", "")
	agg, ledger := ledgerOf(t, "ledger", l.Origin, a.Public())
	l.CommitN(3)
	p := proofAt(t, l, s.event, 1)
	l.Commit(changeLeaf(l, s.heir.Public().(ed25519.PublicKey)))
	change := proofAt(t, l, s.change, 3)
	l.CommitN(2)
	if s.later {
		p = proofAt(t, l, s.event, 5)
	}
	if s.late {
		change = proofAt(t, l, s.change, 3)
	}
	var err error
	p.Checkpoint, err = evidence.Cosign(p.Checkpoint, "agg-1", key("agg-1"), at)
	require.NoError(t, err)
	return build(t, func(w *bundle.Writer) {
		require.NoError(t, w.Cosigner(cosigner("agg-1")))
		require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: a.Public(), Last: 4}))
		require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: s.claimed.Public().(ed25519.PublicKey), After: 4}))
		require.NoError(t, w.Key(ledger.Origin, evidence.KeyRange{Key: agg.Public()}))
		require.NoError(t, w.Basis(proofAt(t, ledger, agg.Key, 0)))
		if !s.hidden {
			require.NoError(t, w.Basis(change))
		}
		require.NoError(t, w.Proof(p))
	})
}

// turns are the vectors of a change of the key.
func turns(t *testing.T, pins map[string]string, add func(name string, data []byte, trust string, verdict bundle.Verdict)) {
	t.Helper()
	old, heir, forger := wiretest.NewAgent(t, "st07", "", nil).Key, key("heir"), key("forger")
	after := turned(t, turn{later: true, heir: heir, change: old, event: heir, claimed: heir})
	before := turned(t, turn{heir: heir, change: old, event: old, claimed: heir})
	for _, by := range []string{"ledger", "station"} {
		add("after a change of the key, the "+by+" is pinned", after, pins[by], bundle.Anchored)
		add("before a change of the key, the "+by+" is pinned", before, pins[by], bundle.Anchored)
	}
	add("after a change of the key nothing is pinned that bears it out", after, pins["other"], bundle.NotAnchored)
	for name, s := range map[string]turn{
		"the old key signs after the change":                  {later: true, heir: heir, change: old, event: old, claimed: heir},
		"the new key signs before the change":                 {heir: heir, change: old, event: heir, claimed: heir},
		"the new key signs the change itself":                 {later: true, heir: heir, change: heir, event: heir, claimed: heir},
		"the old key signs the change under a later size":     {later: true, heir: heir, change: old, event: heir, claimed: heir, late: true},
		"the leaf names another key than the bundle":          {later: true, heir: heir, change: old, event: forger, claimed: forger},
		"a forger's key without a leaf that names it":         {later: true, heir: heir, change: old, event: forger, claimed: forger, hidden: true},
		"the new key, and the leaf that names it is left out": {later: true, heir: heir, change: old, event: heir, claimed: heir, hidden: true},
	} {
		add(name, turned(t, s), pins["ledger"], bundle.Bad)
	}
	forged := turned(t, turn{later: true, heir: forger, change: forger, event: forger, claimed: forger, late: true})
	add("a forger names itself in a log of its own, the ledger is pinned", forged, pins["ledger"], bundle.NotAnchored)
	add("a forger names itself in a log of its own, the station is pinned", forged, pins["station"], bundle.NotAnchored)
}

// registered is the bundle of an event of a log whose ledger has these leaves, each
// of them shown under the size that it makes; sign says who signs each size.
func registered(t *testing.T, sign func(size uint64) ed25519.PrivateKey, keys []evidence.KeyRange, leaves ...[]byte) []byte {
	t.Helper()
	a, l, _ := station(t)
	_, ledger := ledgerOf(t, "ledger", l.Origin, a.Public())
	ledger.Leaves, ledger.Tree = nil, evidence.Range{}
	p := proofAt(t, l, a.Key, 7)
	var err error
	p.Checkpoint, err = evidence.Cosign(p.Checkpoint, "agg-1", key("agg-1"), at)
	require.NoError(t, err)
	var basis []evidence.Proof
	for i, leaf := range leaves {
		ledger.Commit(leaf)
		basis = append(basis, proofAt(t, ledger, sign(ledger.Tree.End), uint64(i)))
	}
	return build(t, func(w *bundle.Writer) {
		require.NoError(t, w.Cosigner(cosigner("agg-1")))
		require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: a.Public()}))
		for _, k := range keys {
			require.NoError(t, w.Key(ledger.Origin, k))
		}
		for _, b := range basis {
			require.NoError(t, w.Basis(b))
		}
		require.NoError(t, w.Proof(p))
	})
}

// ledgers are the vectors of what a ledger may say of keys.
func ledgers(t *testing.T, pin string, add func(name string, data []byte, trust string, verdict bundle.Verdict)) {
	t.Helper()
	a, l, _ := station(t)
	agg, ledger := ledgerOf(t, "ledger", l.Origin, a.Public())
	heir := key("ledger's heir")
	always := func(uint64) ed25519.PrivateKey { return agg.Key }
	one := []evidence.KeyRange{{Key: agg.Public()}}
	two := []evidence.KeyRange{{Key: agg.Public(), Last: 1}, {Key: heir.Public().(ed25519.PublicKey), After: 1}}
	change, said := changeLeaf(ledger, heir.Public().(ed25519.PublicKey)), registration("aggregator", l.Origin, a.Public())
	turned := func(size uint64) ed25519.PrivateKey {
		if size > 1 {
			return heir
		}
		return agg.Key
	}
	add("the ledger changed its key before it registered the log", registered(t, turned, two, change, said), pin, bundle.Anchored)
	add("the ledger's old key registers the log after the change", registered(t, always, two, change, said), pin, bundle.Bad)
	add("the ledger's old key goes on, and the bundle brings no key of it", registered(t, always, nil, change, said), pin, bundle.Bad)
	add("what a program handed in registers nothing", registered(t, always, one, registration("api", l.Origin, a.Public())), pin, bundle.NotAnchored)
	add("the first registration of a log counts", registered(t, always, one, said, registration("aggregator", l.Origin, public("forger"))), pin, bundle.Anchored)
	add("a second registration with the key that signed", registered(t, always, one, registration("aggregator", l.Origin, public("forger")), said), pin, bundle.Bad)
	twice := bytes.Replace(registration("aggregator", l.Origin, a.Public()), []byte(`"reason":"new"`), []byte(`"PublicKey":"`+b64(public("forger"))+`"`), 1)
	add("a registration that programs may read differently says nothing", registered(t, always, one, twice), pin, bundle.NotAnchored)
}

// spellings are the vectors of bundles that are written otherwise, or claim more
// than they show.
func spellings(t *testing.T, good []byte, pins map[string]string, add func(name string, data []byte, trust string, verdict bundle.Verdict)) {
	t.Helper()
	k := strings.Fields(pins["station"])[2]
	w2 := "cosigner w2 " + b64(public("w2")) + "\n"
	origin := regexpOrigin(string(good))
	proof := regexp.MustCompile("\nproof ([0-9]+)\nc2sp").FindSubmatch(good)
	require.NotNil(t, proof)
	length, err := strconv.Atoi(string(proof[1]))
	require.NoError(t, err)
	marked := strings.Replace(string(proof[0]), "\nc2sp", "\n\uFEFFc2sp", 1)
	for name, change := range map[string][2]string{
		"a key has a carriage return in it":                  {" " + k, " " + k[:9] + "\r" + k[9:]},
		"a line begins with a byte order mark":               {"\nkey " + origin, "\n\uFEFFkey " + origin},
		"the proof begins with a byte order mark":            {string(proof[0]), strings.Replace(marked, string(proof[1]), strconv.Itoa(length+3), 1)},
		"a second summary":                                   {"\nkey " + origin, "\nsummary 2\nhi\nkey " + origin},
		"a cosigner is named that confirmed nothing":         {w2, w2 + "cosigner w3 " + b64(public("w3")) + "\n"},
		"a cosigner is named twice":                          {w2, w2 + w2},
		"a signature line is by nobody that is named":        {w2, ""},
		"a key of a log whose name is none":                  {w2, w2 + "key linewatch/a/b " + k + " 0 0\n"},
		"a key's sizes are no range":                         {" " + k + " 0 0\n", " " + k + " 5 4\n"},
		"a key is too short":                                 {w2, w2 + "key " + origin + " QUI= 0 0\n"},
		"an entry of an unknown kind":                        {w2, w2 + "note 2\nhi\n"},
		"a length with a sign":                               {"\nproof ", "\nproof +"},
		"an entry beyond the largest":                        {"\nproof ", "\nproof 6291465\n" + strings.Repeat(" ", 9) + "\nproof "},
		"two blanks between words":                           {"\nkey " + origin, "\nkey  " + origin},
		"the first line has a carriage return":               {bundle.Header + "\n", bundle.Header + "\r\n"},
		"a cosigner's name is longer than a line may be":     {w2, w2 + "cosigner " + strings.Repeat("x", 1000) + " " + k + "\n"},
		"a line that no proof may have stands behind a note": {"\nend sha256:", "\nx\nend sha256:"},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		require.NotEqual(t, string(good), string(bad), name)
		add(name, rehashed(bad), pins["station"], bundle.Bad)
	}
	at := bytes.Index(good, []byte("\ncosigner "))
	add("the summary is missing", rehashed(append([]byte(bundle.Header), good[at:]...)), pins["station"], bundle.Bad)
	print := "station " + strings.Fields(pins["station"])[1] + " " + evidence.Fingerprint(wiretest.NewAgent(t, "st07", "", nil).Public()) + "\n"
	add("the station's fingerprint is pinned", good, print, bundle.Anchored)
	add("the trust file has a byte order mark and carriage returns", good, "\uFEFF"+strings.ReplaceAll(print, "\n", "\r\n"), bundle.Anchored)
}

// heirs are the vectors of keys that another one followed: of a ledger, of a
// witness, of a log.
func heirs(t *testing.T, pin string, add func(name string, data []byte, trust string, verdict bundle.Verdict)) {
	t.Helper()
	a, l, _ := station(t)
	agg, ledger := ledgerOf(t, "ledger", l.Origin, a.Public())
	always := func(uint64) ed25519.PrivateKey { return agg.Key }
	said := registration("aggregator", l.Origin, a.Public())
	posted := changeLeafBy("api", ledger, public("intruder"))
	add("what a program handed in changes no key of the ledger", registered(t, always, []evidence.KeyRange{{Key: agg.Public()}}, posted, said), pin, bundle.Anchored)

	one, other := proofAt(t, ledger, agg.Key, 0), registered(t, always, nil, registration("aggregator", l.Origin, public("forger")))
	body := regexp.MustCompile("(?s)\nbasis [0-9]+\n.*?\nproof ").FindString(string(other))
	add("a ledger of two histories", rehashed(bytes.Replace(build(t, func(b *bundle.Writer) {
		require.NoError(t, b.Cosigner(cosigner("agg-1")))
		require.NoError(t, b.Key(l.Origin, evidence.KeyRange{Key: a.Public()}))
		require.NoError(t, b.Key(ledger.Origin, evidence.KeyRange{Key: agg.Public()}))
		require.NoError(t, b.Basis(one))
		event := proofAt(t, l, a.Key, 7)
		var err error
		event.Checkpoint, err = evidence.Cosign(event.Checkpoint, "agg-1", key("agg-1"), at)
		require.NoError(t, err)
		require.NoError(t, b.Proof(event))
	}), []byte("\nproof "), []byte(body), 1)), pin, bundle.Bad)

	two, _ := eventBundle(t, "w1", "w2")
	w := func(name, key, until string) string { return "witness " + name + " " + b64(public(key)) + until + "\n" }
	const late, early = " until 2026-01-02T03:04:05Z", " until 2026-01-02T03:04:04Z"
	add("the witness confirmed with the key that it had before", two, pin+w("w1", "w1", late)+w("w1", "w1's heir", ""), bundle.Anchored)
	add("the witness confirmed with a key whose time was over", two, pin+w("w1", "w1", early)+w("w1", "w1's heir", ""), bundle.NotAnchored)
	add("the witness confirmed with its newer key", two, pin+w("w1", "w1's father", early)+w("w1", "w1", ""), bundle.Anchored)
	add("a witness with two keys is one of two", two, pin+w("w1", "w1", "")+w("w1", "w1's heir", "")+w("w3", "w3", ""), bundle.NotAnchored)
	c := "cosigner agg-1 "
	add("the cosigner confirmed with the key that it had before", two, c+b64(public("agg-1"))+late+"\n"+c+b64(public("agg-1's heir"))+"\n", bundle.Anchored)

	farAway := eventBundleAt(t, time.Unix(1<<63-1, 0))
	add("the cosigner states the last second that a line can state", farAway, c+b64(public("agg-1"))+late+"\n", bundle.NotAnchored)

	first, event, origin := changedBefore(t)
	_, ledger = ledgerOf(t, "ledger", origin, a.Public())
	ledger.Origin = strings.Replace(ledger.Origin, "00ff", "11ff", 1)
	late2 := build(t, func(b *bundle.Writer) {
		require.NoError(t, b.Cosigner(cosigner("agg-1")))
		require.NoError(t, b.Key(ledger.Origin, evidence.KeyRange{Key: agg.Public()}))
		for _, p := range []evidence.Proof{first, proofAt(t, ledger, agg.Key, 0)} {
			require.NoError(t, b.Basis(p))
		}
		require.NoError(t, b.Proof(event))
	})
	add("a registration shown behind the change of the key does not bring the old one back", late2, pin+c+b64(public("agg-1"))+"\n", bundle.Bad)
}

// changedBefore is a cosigned proof that a log changed its key, and the proof of a
// later event by the key that it had before.
func changedBefore(t *testing.T) (change, event evidence.Proof, origin string) {
	t.Helper()
	_, change, _, event, origin = manyTurns(t, "")
	return change, event, origin
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
	turns(t, pins, add)
	ledgers(t, pins["ledger"], add)
	agg, w1, w2 := "cosigner agg-1 "+b64(public("agg-1")), "witness w1 "+b64(public("w1")), "witness w2 "+b64(public("w2"))
	add("the cosigner's word counts until this second", two, agg+" until 2026-01-02T03:04:05Z\n", bundle.Anchored)
	add("the cosigner's word counted until the second before", two, agg+" until 2026-01-02T03:04:04Z\n", bundle.NotAnchored)
	add("both witnesses' word counts until this second", two, pins["ledger"]+w1+"\n"+w2+" until 2026-01-02T03:04:05Z\n", bundle.Anchored)
	add("one witness's word counted until the second before", two, pins["ledger"]+w1+"\n"+w2+" until 2026-01-02T03:04:04Z\n", bundle.NotAnchored)
	for name, change := range map[string][2]string{"the event": {"\nextra eyJpZCI6", "\nextra eyJpZCE6"}, "the hash of the file": {"end sha256:", "end sha256:0"}, "a length": {"proof ", "proof 0"}} {
		add(name+" was changed", bytes.Replace(two, []byte(change[0]), []byte(change[1]), -1), pins["station"], bundle.Bad)
	}
	spellings(t, two, pins, add)
	heirs(t, pins["ledger"], add)
	oddly := rehashed(regexp.MustCompile(`(?m)^(key \S+ \S+) (\d+)`).ReplaceAll(two, []byte("$1 0$2")))
	add("a number of a key is spelt otherwise", oddly, pins["station"], bundle.Bad)
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
