package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire"
)

// example is the log of the worked examples in docs/formats.
type example struct {
	station, aggregator ed25519.PrivateKey
	origin              string
	leaves              [][]byte
	hashes              []evidence.Hash
	note, receipt       []byte
}

func newExample(t *testing.T) example {
	t.Helper()
	e := example{station: key("linewatch example station"), aggregator: key("linewatch example aggregator")}
	pub := e.station.Public().(ed25519.PublicKey)
	e.origin = evidence.Origin{
		Agent: evidence.AgentID(pub), Class: "security", Log: evidence.NewLogID(pub, []byte("0123456789abcdef")),
	}.String()
	e.leaves = [][]byte{
		[]byte(`{"event_type":"log.opened","salt":"AAAAAAAAAAAAAAAAAAAAAA=="}`),
		[]byte(`{"event_type":"user.login","station":"hamburg/body/line3/st07","salt":"AQEBAQEBAQEBAQEBAQEBAQ=="}`),
		[]byte(`{"event_type":"user.logout","note":"Größe ✓","salt":"AgICAgICAgICAgICAgICAg=="}`),
	}
	e.hashes = hashes(e.leaves)
	signer, err := evidence.NewSigner(e.origin, e.station)
	require.NoError(t, err)
	e.note, err = signer.SignCheckpoint(evidence.Checkpoint{Origin: e.origin, Size: 3, Root: root(t, e.hashes)})
	require.NoError(t, err)
	e.receipt, err = evidence.Cosign(e.note, "aggregator.example", e.aggregator, time.Unix(1767323045, 0))
	require.NoError(t, err)
	return e
}

// blocks returns the text of each example block of the documents by its name.
func (e example) blocks(t *testing.T) map[string]string {
	t.Helper()
	station, aggregator := e.station.Public().(ed25519.PublicKey), e.aggregator.Public().(ed25519.PublicKey)
	b64 := base64.StdEncoding.EncodeToString
	keyID := func(note []byte, line int) string {
		sig := strings.Fields(strings.Split(string(note), "\n")[4+line])[2]
		raw, err := base64.StdEncoding.DecodeString(sig)
		require.NoError(t, err)
		return hex.EncodeToString(raw[:4])
	}
	left, top := evidence.NodeHash(e.hashes[0], e.hashes[1]), root(t, e.hashes)
	values := fmt.Sprintf("station key      %s\naggregator key   %s\nfingerprint      %s\norigin           %s\n"+
		"L(leaf 0)        %x\nL(leaf 1)        %x\nL(leaf 2)        %x\nN(L0, L1)        %x\nroot             %x\n"+
		"key id, station  %s\nkey id, cosigner %s\n",
		b64(station), b64(aggregator), evidence.Fingerprint(station), e.origin, e.hashes[0][:], e.hashes[1][:], e.hashes[2][:],
		left[:], top[:], keyID(e.receipt, 0), keyID(e.receipt, 1))
	part, err := evidence.RangeOf(1, e.hashes[1:]).MarshalBinary()
	require.NoError(t, err)
	frontier, err := evidence.RangeOf(0, e.hashes).MarshalBinary()
	require.NoError(t, err)
	header, err := json.Marshal(wire.Header{Origin: e.origin, Count: 3, Kind: wire.KindLeaves, Checkpoint: string(e.note)})
	require.NoError(t, err)
	var raw bytes.Buffer
	for _, l := range e.leaves {
		raw.Write([]byte{byte(len(l) >> 8), byte(len(l))})
		raw.Write(l)
	}
	return map[string]string{
		"leaves":     string(bytes.Join(e.leaves, []byte("\n"))) + "\n",
		"values":     values,
		"checkpoint": string(e.note),
		"receipt":    string(e.receipt),
		"ranges":     wrapped(part) + "\n" + wrapped(frontier),
		"proof":      string(e.proof(t).Text()),
		"trust": fmt.Sprintf("# the aggregator, the station, and one key of this log with its sizes\ncosigner aggregator.example %s\nstation %s %s\nlog %s %s 0 0\n",
			b64(aggregator), evidence.AgentID(station), b64(station), e.origin, b64(station)),
		"header":   string(header) + "\n",
		"unpacked": wrapped(raw.Bytes()),
	}
}

func (e example) proof(t *testing.T) evidence.Proof {
	t.Helper()
	path, err := evidence.InclusionProof(1, 3, nodes(e.hashes))
	require.NoError(t, err)
	return evidence.Proof{Index: 1, Leaf: e.leaves[1], Hashes: path, Checkpoint: e.receipt}
}

// wrapped returns hex in lines of 32 bytes.
func wrapped(data []byte) string {
	var b strings.Builder
	for len(data) > 0 {
		n := min(32, len(data))
		fmt.Fprintf(&b, "%x\n", data[:n])
		data = data[n:]
	}
	return b.String()
}

var exampleBlock = regexp.MustCompile("(?s)```example ([a-z]+)\n(.*?)```\n")

func TestTheWorkedExamplesInTheDocumentsAreTrue(t *testing.T) {
	e := newExample(t)
	want := e.blocks(t)
	seen := map[string]bool{}
	for _, name := range []string{"checkpoint.md", "proof.md", "segment.md"} {
		path := filepath.Join("..", "..", "docs", "formats", name)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if update(t) {
			text = exampleBlock.ReplaceAllFunc(text, func(block []byte) []byte {
				name := string(exampleBlock.FindSubmatch(block)[1])
				return []byte("```example " + name + "\n" + want[name] + "```\n")
			})
			require.NoError(t, os.WriteFile(path, text, 0o644))
		}
		for _, m := range exampleBlock.FindAllSubmatch(text, -1) {
			require.Equal(t, want[string(m[1])], string(m[2]), "%s, example %s", name, m[1])
			seen[string(m[1])] = true
		}
	}
	require.Len(t, seen, len(want), "every example is in a document")
	for line := range strings.Lines(want["trust"]) {
		trust, err := bundle.ParseTrust(strings.NewReader(line))
		require.NoError(t, err)
		v := bundle.NewVerifier(trust, func(f bundle.Finding) { require.NoError(t, f.Err) })
		v.Proof("example", []byte(want["proof"]))
		require.Equal(t, !trust.Empty(), v.Summary().Verdict() == bundle.Anchored, line)
	}
}

// The second verifier was written from the documents alone, in another language
// with another library; that it agrees shows that the documents say enough.
func TestASecondVerifierWrittenFromTheDocumentsAgrees(t *testing.T) {
	node, err := exec.LookPath("node")
	require.NoError(t, err, "this test needs Node.js 20 or newer")
	out, err := exec.CommandContext(t.Context(), node, "testdata/second_verifier.mjs", "testdata/proof_vectors.json").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `^(\d+) of (\d+) as expected`, string(out))
}
