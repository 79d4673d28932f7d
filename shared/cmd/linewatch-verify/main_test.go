package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

const origin = "linewatch/a0123456789abcde/security/0011223344556677"

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(name string) string {
	return base64.StdEncoding.EncodeToString(key(name).Public().(ed25519.PublicKey))
}

// proof returns the proof of the only leaf of a log, cosigned.
func proof(t *testing.T, leaf string) evidence.Proof { return proofIn(t, origin, leaf) }

func proofIn(t *testing.T, origin, leaf string) evidence.Proof {
	t.Helper()
	signer, err := evidence.NewSigner(origin, key("station"))
	require.NoError(t, err)
	note, err := signer.SignCheckpoint(evidence.Checkpoint{Origin: origin, Size: 1, Root: evidence.LeafHash([]byte(leaf))})
	require.NoError(t, err)
	note, err = evidence.Cosign(note, "aggregator.plant", key("aggregator"), time.Unix(1767323045, 0))
	require.NoError(t, err)
	return evidence.Proof{Leaf: []byte(leaf), Checkpoint: note}
}

// bundled returns a bundle of one proof with the keys that it needs.
func bundled(t *testing.T, p evidence.Proof) []byte {
	t.Helper()
	data, err := bundle.Build(func(w *bundle.Writer) error {
		require.NoError(t, w.Key(origin, evidence.KeyRange{Key: key("station").Public().(ed25519.PublicKey)}))
		require.NoError(t, w.Cosigner(evidence.CosignerKey{Name: "aggregator.plant", Key: key("aggregator").Public().(ed25519.PublicKey)}))
		return w.Proof(p)
	})
	require.NoError(t, err)
	return data
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// verify runs the program in this process.
func verifyArgs(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestOneProofIsAnchoredByTheTrustFile(t *testing.T) {
	file := write(t, "e.tlog-proof", proof(t, `{"id":"1"}`).Text())
	for _, trust := range []string{
		"cosigner aggregator.plant " + public("aggregator"),
		"station a0123456789abcde " + public("station"),
		"log " + origin + " " + public("station") + " 0 0",
	} {
		code, out, errOut := verifyArgs("--trust", write(t, "trust", []byte(trust)), file)
		require.Equal(t, 0, code, out+errOut)
		require.Contains(t, out, "HOLDS, anchored")
		require.Contains(t, out, `{"id":"1"}`)
	}
}

func TestWithoutTrustTheExitCodeIsTwo(t *testing.T) {
	file := write(t, "e.tlog-proof", proof(t, `{"id":"1"}`).Text())
	code, out, _ := verifyArgs(file)
	require.Equal(t, 2, code)
	require.Contains(t, out, "AGREES WITH ITSELF, NOT ANCHORED")
	for _, word := range []string{"--trust FILE", "linewatch-aggregator evidence trust", "key sheet"} {
		require.Contains(t, out, word, "where such a file comes from")
	}
	code, out, _ = verifyArgs("--trust", write(t, "trust", []byte("cosigner other "+public("aggregator"))), file)
	require.Equal(t, 2, code, out)
	require.Contains(t, out, "linewatch-aggregator evidence trust")
	code, out, _ = verifyArgs("--trust", write(t, "trust", []byte("station a0123456789abcde "+evidence.Fingerprint(key("station").Public().(ed25519.PublicKey)))), file)
	require.Equal(t, 2, code, "a proof brings no key that a fingerprint could pin: %s", out)
	require.Contains(t, out, "verify the bundle of the event")
}

func TestWhatIsMissingInTheTrustFileIsNamedWithTheLineThatHelps(t *testing.T) {
	p := proof(t, `{"id":"1"}`)
	file := write(t, "e.bundle", bundled(t, p))
	late := write(t, "trust", []byte("cosigner aggregator.plant "+public("aggregator")+" until 2026-01-02T03:04:04Z"))
	code, out, _ := verifyArgs("--trust", late, file)
	require.Equal(t, 2, code, out)
	require.Contains(t, out, "  hint   aggregator.plant cosigned at 2026-01-02T03:04:05Z, but the trust file takes its word until 2026-01-02T03:04:04Z only")
	other := write(t, "trust", []byte("station a0123456789abcde "+public("other")))
	code, out, _ = verifyArgs("--json", "--trust", other, file)
	require.Equal(t, 2, code, out)
	var said struct{ Findings []shownFinding }
	require.NoError(t, json.Unmarshal([]byte(out), &said))
	line := "station a0123456789abcde " + evidence.Fingerprint(key("station").Public().(ed25519.PublicKey))
	require.Contains(t, said.Findings[0].Hint, "add the line: "+line)
	code, out, _ = verifyArgs("--trust", write(t, "trust", []byte("station a0123456789abcde "+public("other")+"\n"+line)), file)
	require.Equal(t, 0, code, out)
	require.NotContains(t, out, "hint")
}

func TestAChangedEventExitsWithOne(t *testing.T) {
	p := proof(t, `{"id":"1"}`)
	p.Leaf[3] ^= 1
	file := write(t, "e.tlog-proof", p.Text())
	trust := write(t, "trust", []byte("cosigner aggregator.plant "+public("aggregator")))
	for _, args := range [][]string{{file}, {"--trust", trust, file}, {write(t, "x.tlog-proof", []byte("c2sp.org/tlog-proof@v1\nnothing"))}, {write(t, "x", []byte("text"))}} {
		code, _, _ := verifyArgs(args...)
		require.Equal(t, 1, code)
	}
	forged := proof(t, `{"id":"1"}`)
	forged.Checkpoint = bytes.Replace(forged.Checkpoint, []byte("\n1\n"), []byte("\n2\n"), 1)
	code, out, _ := verifyArgs("--trust", write(t, "trust", []byte("station a0123456789abcde "+public("station"))), write(t, "f.tlog-proof", forged.Text()))
	require.Equal(t, 1, code)
	require.Contains(t, out, "signature does not verify")
}

func TestWrongUseExitsWithThree(t *testing.T) {
	file := write(t, "e.tlog-proof", proof(t, "{}").Text())
	for _, args := range [][]string{
		nil,
		{"--what", file},
		{"--trust", "/does/not/exist", file},
		{"--trust", write(t, "t", []byte("nonsense")), file},
		{"--trust", write(t, "t", []byte("# nothing\n")), file},
		{"/does/not/exist"},
		{os.DevNull},
		{t.TempDir()},
	} {
		code, _, errOut := verifyArgs(args...)
		require.Equal(t, 3, code, "%v", args)
		require.NotEmpty(t, errOut)
	}
}

func TestAFolderAndABundleAreVerifiedAsAWhole(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	for i, name := range []string{"a.tlog-proof", "sub/b.tlog-proof", "README"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), proofIn(t, fmt.Sprint(origin, i), strings.Repeat("x", i+1)).Text(), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c.bundle"), bundled(t, proof(t, "yyyy")), 0o600))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "d.tlog-proof")))
	trust := write(t, "trust", []byte("cosigner aggregator.plant "+public("aggregator")))
	code, out, errOut := verifyArgs("--json", "--trust", trust, dir)
	require.Equal(t, 0, code, out+errOut)
	var got struct {
		Verdict  string
		Exit     int
		Summary  bundle.Summary
		Findings []shownFinding
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, "anchored", got.Verdict)
	require.Equal(t, uint64(3), got.Summary.Anchored)
	require.Equal(t, "2026-01-02T03:04:05Z", got.Findings[0].CosignedAt)
	require.Equal(t, "x", got.Findings[0].Leaf)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "e.bundle"), []byte("linewatch-bundle@v1\nproof 9\n"), 0o600))
	code, _, _ = verifyArgs("--json", "--trust", trust, dir)
	require.Equal(t, 1, code)
}

// Whoever had a bundle can put a hole in the place of leaves: the program must not
// say that the station lost them.
func TestAHoleIsNotCalledTheStationsWord(t *testing.T) {
	hashes := []evidence.Hash{evidence.LeafHash([]byte("a")), evidence.LeafHash([]byte("b")), evidence.LeafHash([]byte("c"))}
	root, err := evidence.RangeOf(0, hashes).Root()
	require.NoError(t, err)
	signer, err := evidence.NewSigner(origin, key("station"))
	require.NoError(t, err)
	note, err := signer.SignCheckpoint(evidence.Checkpoint{Origin: origin, Size: 3, Root: root})
	require.NoError(t, err)
	data, err := bundle.Build(func(w *bundle.Writer) error {
		return errors.Join(
			w.Key(origin, evidence.KeyRange{Key: key("station").Public().(ed25519.PublicKey)}), w.Run(origin, 0, []bundle.Item{{Leaf: []byte("a")}}),
			w.Hole(origin, evidence.RangeOf(1, hashes[1:2])), w.Run(origin, 2, []bundle.Item{{Leaf: []byte("c")}}), w.Checkpoint(note))
	})
	require.NoError(t, err)
	code, out, _ := verifyArgs("--trust", write(t, "trust", []byte("station a0123456789abcde "+public("station"))), write(t, "x.bundle", data))
	require.Zero(t, code, out)
	require.Contains(t, out, "1 in holes")
	require.Contains(t, out, "only an audit.gap of the station says")
	require.NotContains(t, out, "declared")
}

func TestALeafCantWriteToTheTerminal(t *testing.T) {
	file := write(t, "e.tlog-proof", proof(t, "\x1b]0;owned\x07\u202etxt\n").Text())
	_, out, _ := verifyArgs(file)
	require.NotContains(t, out, "\x1b")
	require.NotContains(t, out, "\u202e")
	require.Contains(t, out, `\u001b]0;owned\u0007\u202etxt\u000a`)
}

// program builds the program as it is shipped: static, one file.
func program(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "linewatch-verify")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return bin
}

func TestTheProgramWorksInFIPSOnlyMode(t *testing.T) {
	file := write(t, "e.tlog-proof", proof(t, `{"id":"1"}`).Text())
	trust := write(t, "trust", []byte("cosigner aggregator.plant "+public("aggregator")))
	cmd := exec.CommandContext(t.Context(), program(t), "--trust", trust, file)
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "HOLDS, anchored")
}

// hostile writes files that try to take memory or time.
func hostile(t *testing.T) map[string]string {
	good := string(proof(t, `{"id":"1"}`).Text())
	head, tail, _ := strings.Cut(good, "index 0\n")
	hash := evidence.EmptyRoot().String() + "\n"
	files := map[string]string{
		"10000 hashes":           head + "index 0\n" + strings.Repeat(hash, 10_000) + tail,
		"10000 signatures":       good + strings.Repeat("— aggregator.plant Y4PzmAAAAABpVzWl\n", 10_000),
		"a hundred signatures":   good + strings.Repeat(good[strings.LastIndex(good, "— "):], 97),
		"a leaf of a megabyte":   strings.Replace(good, "extra ", "extra "+strings.Repeat("AAAA", 1<<18), 1),
		"bundle of empty proofs": bundle.Header + "\n" + strings.Repeat("proof 0\n\n", 200_000),
		"bundle of many keys":    bundle.Header + "\n" + strings.Repeat("key "+origin+" "+public("x")+" 0 0\n", 50_000),
		"length that lies":       bundle.Header + "\nproof 4294967295\n",
	}
	paths := map[string]string{}
	for name, text := range files {
		paths[name] = write(t, "f.tlog-proof", []byte(text))
	}
	for name, text := range map[string]string{"1 GB of zeros": "", "1 GB after a header": bundle.Header + "\n", "1 GB proof": "c2sp.org/tlog-proof@v1\nextra "} {
		paths[name] = write(t, "big", []byte(text))
		require.NoError(t, os.Truncate(paths[name], 1<<30)) // sparse
	}
	return paths
}

func TestHostileInputCostsLittleMemoryAndTime(t *testing.T) {
	bin := program(t)
	trust := write(t, "trust", []byte("cosigner aggregator.plant "+public("aggregator")))
	for name, file := range hostile(t) {
		cmd := exec.CommandContext(t.Context(), bin, "--trust", trust, "--json", file)
		var text bytes.Buffer
		cmd.Stdout = &text
		peak, err := measured(cmd)
		out, took := text.Bytes(), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
		if name == "a hundred signatures" {
			require.NoError(t, err, name)
		} else {
			require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s: %s", name, out)
		}
		require.Less(t, took, time.Minute, name)
		require.Less(t, len(out), 2<<20, name)
		require.Less(t, peak, int64(64<<20), name)
	}
}

func TestALargeFileShowsProgressOnATerminal(t *testing.T) {
	var screen bytes.Buffer
	at := time.Unix(0, 0)
	p := progress{out: &screen, now: func() time.Time { at = at.Add(time.Second); return at }}
	r, done := p.reader(bytes.NewReader(make([]byte, 32<<20)), 32<<20)
	_, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	done()
	require.Contains(t, screen.String(), "100 % of 32 MB read")
	require.True(t, strings.HasSuffix(screen.String(), "\r\x1b[K"))
	same, _ := newProgress(&screen).reader(os.Stdin, 32<<20)
	require.Equal(t, os.Stdin, same, "no terminal, no progress")
}

func TestWithNothingToReadThereIsNoVerdict(t *testing.T) {
	for name, want := range map[string]int{filepath.Join(t.TempDir(), "absent"): exitUsage, garbage(t): exitBad} {
		var out, errOut bytes.Buffer
		require.Equal(t, want, run([]string{name}, strings.NewReader(""), &out, &errOut), name)
		require.Contains(t, out.String(), "NOTHING WAS VERIFIED")
		require.NotContains(t, out.String(), "AGREES")
	}
}

func garbage(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "garbage")
	require.NoError(t, os.WriteFile(name, []byte("no evidence at all\n"), 0o600))
	return name
}
