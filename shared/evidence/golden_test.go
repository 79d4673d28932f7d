package evidence_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
)

// update writes the files in testdata anew: go test ./shared/evidence -update.
// A golden file of a format version that was ever shipped must not change.
func update(t *testing.T) bool {
	t.Helper()
	return flag.Lookup("update").Value.String() == "true"
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write testdata anew")
	flag.Parse()
	os.Exit(m.Run())
}

func golden(t *testing.T, name string, got []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if update(t) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), name)
	return want
}

func TestVersion1OfEachFormatStaysAsItIs(t *testing.T) {
	l := leaves(11)
	note := golden(t, "v1/checkpoint.txt", checkpoint(t, l, "station"))
	c, err := evidence.OpenCheckpoint(note, origin, stationKeys())
	require.NoError(t, err)
	require.Equal(t, uint64(11), c.Size)

	p := proofOf(t, l, 7)
	receipt := golden(t, "v1/receipt.txt", p.Checkpoint)
	_, _, when, err := evidence.VerifyCosigned(receipt, origin, cosigners())
	require.NoError(t, err)
	require.Equal(t, at, when)

	read, err := evidence.ParseProof(golden(t, "v1/event.tlog-proof", p.Text()))
	require.NoError(t, err)
	require.Equal(t, p, read)
	require.NoError(t, read.Verify(stationKeys(), origin))

	data, err := evidence.RangeOf(3, hashes(l)[3:]).MarshalBinary()
	require.NoError(t, err)
	var r evidence.Range
	require.NoError(t, r.UnmarshalBinary(golden(t, "v1/range.bin", data)))

	tiles, err := evidence.CompleteTiles(0, hashes(leaves(256)), nil)
	require.NoError(t, err)
	require.Len(t, tiles, 1)
	golden(t, "v1/tile-0-0.bin", tiles[0].Hashes)
}

// vector is one case of testdata/proof_vectors.json, which the browser's verifier
// is tested against too.
type vector struct {
	Name      string           `json:"name"`
	Proof     string           `json:"proof"`  // text of the proof
	Origin    string           `json:"origin"` // of the log that is asked for
	Keys      []vectorKey      `json:"keys"`
	Cosigners []vectorCosigner `json:"cosigners"`
	Station   bool             `json:"station"`  // proved by the station's signature
	Cosigned  bool             `json:"cosigned"` // proved by a cosigner
}

type vectorKey struct {
	Key   string `json:"key"` // base64
	After uint64 `json:"after"`
	Last  uint64 `json:"last"`
}

type vectorCosigner struct {
	Name string `json:"name"`
	Key  string `json:"key"` // base64
}

func base(name string, p evidence.Proof) vector {
	return vector{
		Name: name, Proof: string(p.Text()), Origin: origin, Station: true, Cosigned: true,
		Keys:      []vectorKey{{Key: base64.StdEncoding.EncodeToString(public("station"))}},
		Cosigners: []vectorCosigner{{"aggregator.plant", base64.StdEncoding.EncodeToString(public("aggregator"))}},
	}
}

// goodVectors hold: every shape of a small tree and the edges of the formats.
func goodVectors(t *testing.T) []vector {
	var out []vector
	for _, size := range []int{1, 2, 3, 4, 5, 7, 8, 9, 33, 256, 257} {
		l := leaves(size)
		for _, i := range slices.Compact([]int{0, size / 3, size - 1}) {
			v := base("leaf "+itoa(i)+" of "+itoa(size), proofOf(t, l, i))
			out = append(out, v)
		}
	}
	text := []byte(`{"id":"1","note":"Größe 🙂 \u2028","salt":"x"}`)
	out = append(out, base("leaf with text beyond ASCII", proofOf(t, [][]byte{leaf(0), text, leaf(2)}, 1)))
	p := proofOf(t, leaves(6), 4)
	p.Checkpoint = append(p.Checkpoint, "— future.example AAAAAAAAAAAAAAAA\n"...)
	out = append(out, base("unknown signature line", p))
	only := proofOf(t, leaves(6), 4)
	only.Checkpoint = checkpoint(t, leaves(6), "station")
	v := base("no cosignature", only)
	v.Cosigned = false
	out = append(out, v)
	return out
}

func itoa(i int) string { return mustJSON(i) }

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// tamperedVectors do not hold: each is a good proof with one thing changed.
func tamperedVectors(t *testing.T) []vector {
	l := leaves(11)
	good := proofOf(t, l, 7)
	var out []vector
	add := func(name string, change func(p *evidence.Proof)) *vector {
		p := good
		p.Leaf, p.Hashes, p.Checkpoint = bytes.Clone(p.Leaf), slices.Clone(p.Hashes), bytes.Clone(p.Checkpoint)
		change(&p)
		v := base(name, p)
		v.Station, v.Cosigned = false, false
		out = append(out, v)
		return &out[len(out)-1]
	}
	add("first byte of the leaf", func(p *evidence.Proof) { p.Leaf[0] ^= 1 })
	add("last byte of the leaf", func(p *evidence.Proof) { p.Leaf[len(p.Leaf)-1] ^= 0x80 })
	add("leaf one byte longer", func(p *evidence.Proof) { p.Leaf = append(p.Leaf, ' ') })
	add("another leaf of the log", func(p *evidence.Proof) { p.Leaf = l[6] })
	add("index one less", func(p *evidence.Proof) { p.Index-- })
	add("index beyond the log", func(p *evidence.Proof) { p.Index = 11 })
	add("index of 2^53", func(p *evidence.Proof) { p.Index = 1 << 53 })
	add("one bit of a hash", func(p *evidence.Proof) { p.Hashes[2][31] ^= 1 })
	add("a hash left out", func(p *evidence.Proof) { p.Hashes = p.Hashes[:3] })
	add("a hash too many", func(p *evidence.Proof) { p.Hashes = append(p.Hashes, p.Hashes[0]) })
	add("hashes in another order", func(p *evidence.Proof) { p.Hashes[0], p.Hashes[1] = p.Hashes[1], p.Hashes[0] })
	add("no hashes", func(p *evidence.Proof) { p.Hashes = nil })
	add("checkpoint of another size", func(p *evidence.Proof) { p.Checkpoint = proofOf(t, leaves(12), 7).Checkpoint })
	add("size changed in the checkpoint", func(p *evidence.Proof) {
		p.Checkpoint = bytes.Replace(p.Checkpoint, []byte("\n11\n"), []byte("\n12\n"), 1)
	})
	add("origin changed in the checkpoint", func(p *evidence.Proof) {
		p.Checkpoint = bytes.Replace(p.Checkpoint, []byte("/security/"), []byte("/debugger/"), 1)
	})
	add("signed by a stranger", func(p *evidence.Proof) { p.Checkpoint = checkpoint(t, l, "stranger") })
	add("no signature", func(p *evidence.Proof) {
		p.Checkpoint = p.Checkpoint[:bytes.Index(p.Checkpoint, []byte("\n\n"))+2]
	})
	v := add("another log is asked for", func(*evidence.Proof) {})
	v.Origin = strings.Replace(origin, "security", "debug", 1)
	v = add("key signs a size that is not its own", func(*evidence.Proof) {})
	v.Keys[0].Last, v.Cosigned = 10, true
	v = add("key of later sizes", func(*evidence.Proof) {})
	v.Keys[0].After, v.Cosigned = 11, true
	v = add("no keys known", func(*evidence.Proof) {})
	v.Keys, v.Cosigners = []vectorKey{}, []vectorCosigner{}
	v = add("cosigner of another name", func(*evidence.Proof) {})
	v.Cosigners[0].Name, v.Station = "another.plant", true
	v = add("time of the cosignature changed", func(p *evidence.Proof) {
		at := bytes.Index(p.Checkpoint, []byte("AAAABp"))
		p.Checkpoint[at+3] = 'B'
	})
	v.Station = true
	return append(out, textVectors(string(good.Text()))...)
}

// textVectors are texts that no second spelling may pass for.
func textVectors(good string) []vector {
	var out []vector
	for _, c := range []struct{ name, old, new string }{
		{"header of another version", "@v1", "@v2"},
		{"index with a leading zero", "\nindex 7\n", "\nindex 07\n"},
		{"index with a sign", "\nindex 7\n", "\nindex +7\n"},
		{"index that is not a number", "\nindex 7\n", "\nindex x\n"},
		{"no extra line", "extra ", "extra: "},
		{"carriage returns", "\n", "\r\n"},
		{"size with a leading zero", "\n11\n", "\n011\n"},
		{"hyphen instead of dash", "— ", "- "},
		{"no empty line before the signatures", "\n\n—", "\n—"},
	} {
		v := vector{Name: c.name, Proof: strings.Replace(good, c.old, c.new, 1), Origin: origin}
		if c.old == "\n" {
			v.Proof = strings.ReplaceAll(good, c.old, c.new)
		}
		out = append(out, v)
	}
	out = append(out,
		vector{Name: "newline at the end is missing", Proof: strings.TrimSuffix(good, "\n"), Origin: origin},
		vector{Name: "empty line at the end", Proof: good + "\n", Origin: origin},
		vector{Name: "unused bits of base64", Proof: unusedBits(good), Origin: origin},
		vector{Name: "empty text", Origin: origin})
	for i := range out {
		out[i].Keys = []vectorKey{{Key: base64.StdEncoding.EncodeToString(public("station"))}}
		out[i].Cosigners = []vectorCosigner{{"aggregator.plant", base64.StdEncoding.EncodeToString(public("aggregator"))}}
	}
	return out
}

// unusedBits sets a bit of the last character before the "=" of the first hash:
// a lax decoder reads the same 32 bytes.
func unusedBits(good string) string {
	lines := strings.Split(good, "\n")
	h := []byte(lines[3])
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	h[42] = alphabet[strings.IndexByte(alphabet, h[42])|1]
	lines[3] = string(h)
	return strings.Join(lines, "\n")
}

func TestProofVectorsHoldOrDoNotHoldAsTheySay(t *testing.T) {
	vectors := slices.Concat(goodVectors(t), tamperedVectors(t), lineVectors(t))
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	require.NoError(t, enc.Encode(map[string]any{
		"about":   "Proofs that hold and proofs with one thing changed. Written by go test ./shared/evidence -update; every verifier is tested against it.",
		"vectors": vectors,
	}))
	var file struct{ Vectors []vector }
	require.NoError(t, json.Unmarshal(golden(t, "proof_vectors.json", out.Bytes()), &file))
	names := map[string]bool{}
	for _, v := range file.Vectors {
		require.False(t, names[v.Name], v.Name)
		names[v.Name] = true
		station, cosigned := judge(t, v)
		require.Equal(t, v.Station, station, v.Name)
		require.Equal(t, v.Cosigned, cosigned, v.Name)
	}
}

func judge(t *testing.T, v vector) (station, cosigned bool) {
	p, err := evidence.ParseProof([]byte(v.Proof))
	if err != nil {
		return false, false
	}
	var keys []evidence.KeyRange
	for _, k := range v.Keys {
		raw, err := base64.StdEncoding.DecodeString(k.Key)
		require.NoError(t, err)
		keys = append(keys, evidence.KeyRange{Key: raw, After: k.After, Last: k.Last})
	}
	var trusted []evidence.CosignerKey
	for _, k := range v.Cosigners {
		raw, err := base64.StdEncoding.DecodeString(k.Key)
		require.NoError(t, err)
		trusted = append(trusted, evidence.CosignerKey{Name: k.Name, Key: raw})
	}
	_, _, err = p.VerifyCosigned(v.Origin, trusted)
	return p.Verify(keys, v.Origin) == nil, err == nil
}
