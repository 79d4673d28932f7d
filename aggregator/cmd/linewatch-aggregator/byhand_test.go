//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
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
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// exported is an aggregator with a station's log, and two bundles of it.
type exported struct {
	*shell
	agent       *wiretest.Agent
	event, week []byte
	id          string
	trust       string
}

func newExported(t *testing.T) *exported {
	t.Helper()
	s := newShell(t)
	url, stop := s.service()
	x := &exported{shell: s, agent: s.agentOf(url, 7)}
	stop()
	x.id = regexp.MustCompile(`"id":"([0-9a-f-]{36})"`).FindStringSubmatch(string(wiretest.Leaf("st07", 5)))[1]
	one, week := filepath.Join(s.tmp, "event.bundle"), filepath.Join(s.tmp, "week.bundle")
	s.ok("evidence", "export", "--out", one, "--event", x.id)
	s.ok("evidence", "export", "--out", week, "--station", "hamburg/body/line3/*", "--from", "2020-01-01", "--to", time.Now().AddDate(0, 0, 2).Format(time.DateOnly))
	var err error
	x.event, err = os.ReadFile(one)
	require.NoError(t, err)
	x.week, err = os.ReadFile(week)
	require.NoError(t, err)
	x.trust = s.ok("trust")
	return x
}

// judged is the verdict of linewatch-verify on the bytes of a bundle.
func judged(t *testing.T, trustFile string, data []byte) bundle.Verdict {
	t.Helper()
	trust, err := bundle.ParseTrust(strings.NewReader(trustFile))
	require.NoError(t, err)
	v := bundle.NewVerifier(trust, func(bundle.Finding) {})
	if err := v.Bundle("bundle", bytes.NewReader(data)); err != nil {
		return bundle.Bad
	}
	v.Close()
	return v.Summary().Verdict()
}

// rehashed writes the hash of the last line anew, as a forger would.
func rehashed(data []byte) []byte {
	at := bytes.LastIndex(data, []byte("end sha256:"))
	if at < 0 {
		return data
	}
	sum := sha256.Sum256(data[:at])
	return append(bytes.Clone(data[:at]), "end sha256:"+hex.EncodeToString(sum[:])+"\n"...)
}

func TestAnExportedBundleIsCheckedByTheProgramAndByHand(t *testing.T) {
	x := newExported(t)
	t.Run("a changed byte anywhere is found even when the hash is made anew", x.everyByte)
	t.Run("the document is followed to the end with sha256sum, openssl and Python", x.byHand)
	t.Run("the scripts of the document find a changed byte anywhere", x.everyByteByHand)
	t.Run("the scripts find a forger who makes the hash anew", x.forged)
	t.Run("the scripts bind each key of a station to its sizes", x.turned)
}

// turned checks the vectors of a change of the key by hand.
func (x *exported) turned(t *testing.T) {
	text, err := os.ReadFile("../../../shared/evidence/bundle/testdata/vectors.json")
	require.NoError(t, err)
	var vectors map[string]struct{ Bundle string }
	require.NoError(t, json.Unmarshal(text, &vectors))
	scripts, _ := document(t)
	dir := x.folder(scripts)
	for name, holds := range map[string]bool{
		"after a change of the key, the station is pinned": true, "before a change of the key, the station is pinned": true,
		"the old key signs after the change": false, "the new key signs before the change": false, "the new key signs the change itself": false,
	} {
		require.NotEmpty(t, vectors[name].Bundle, name)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "turned.bundle"), []byte(vectors[name].Bundle), 0o600))
		cmd := exec.CommandContext(t.Context(), "python3", "check.py", "turned.bundle")
		cmd.Dir = dir
		said, err := cmd.CombinedOutput()
		require.Equal(t, holds, err == nil, "%s: %s", name, said)
	}
	for name, stands := range map[string]string{
		"the ledger is pinned":                                             "STANDS IN A BASIS LEAF signed by linewatch/_aggregator/",
		"what a program handed in registers nothing":                       "STANDS IN NO BASIS LEAF",
		"a forger names itself in a log of its own, the ledger is pinned":  "STANDS IN NO BASIS LEAF",
		"the new key, and the leaf that names it is left out":              "STANDS IN NO BASIS LEAF",
		"after a change of the key, the station is pinned":                 "STANDS IN A BASIS LEAF signed by linewatch/a",
		"what a program handed in changes no key of the ledger":            "STANDS IN A BASIS LEAF signed by linewatch/_aggregator/",
		"a forger names itself in a log of its own, the station is pinned": "STANDS IN NO BASIS LEAF",
	} {
		require.NotEmpty(t, vectors[name].Bundle, name)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "turned.bundle"), []byte(vectors[name].Bundle), 0o600))
		cmd := exec.CommandContext(t.Context(), "python3", "check.py", "turned.bundle")
		cmd.Dir = dir
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, said)
		require.Contains(t, string(said), stands, name)
	}
}

func (x *exported) everyByte(t *testing.T) {
	for name, good := range map[string][]byte{"event": x.event, "week": x.week} {
		require.Equal(t, bundle.Anchored, judged(t, x.trust, good), "%s\n%s", name, good)
		require.Equal(t, bundle.NotAnchored, judged(t, "", good), name)
		body := bytes.LastIndex(good, []byte("end sha256:"))
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << (i % 8)
			trust := x.trust
			if i < body { // the harder case: without a trust file, and with a fresh hash
				trust, bad = "", rehashed(bad)
			}
			require.Equal(t, bundle.Bad, judged(t, trust, bad), "%s: byte %d of %d, %q", name, i, len(good), around(good, i))
		}
	}
}

func around(data []byte, i int) []byte { return data[max(0, i-20):min(len(data), i+20)] }

// document is docs/verify-by-hand.md: its scripts by name and its commands in order.
func document(t *testing.T) (scripts map[string]string, commands []string) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/verify-by-hand.md")
	require.NoError(t, err)
	scripts = map[string]string{}
	for _, block := range regexp.MustCompile("(?ms)^```(.*?)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if name, ok := strings.CutPrefix(block[1], "python "); ok {
			require.LessOrEqual(t, strings.Count(block[2], "\n"), 40, "%s has more than 40 lines", name)
			scripts[name] = block[2]
		} else if block[1] == "sh" {
			commands = append(commands, block[2])
		}
	}
	require.Len(t, scripts, 3)
	require.Len(t, commands, 6)
	return scripts, commands
}

// folder holds the bundles and the scripts, as the reader of the document has them.
func (x *exported) folder(scripts map[string]string) string {
	x.t.Helper()
	dir := x.t.TempDir()
	files := map[string]string{"event.bundle": string(x.event), "week.bundle": string(x.week)}
	maps.Copy(files, scripts)
	for name, text := range files {
		require.NoError(x.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func (x *exported) byHand(t *testing.T) {
	scripts, commands := document(t)
	dir := x.folder(scripts)
	var out []string
	for _, text := range commands {
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", text)
		cmd.Dir = dir
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", text, said)
		out = append(out, string(said))
	}
	leaf := wiretest.Leaf("st07", 5)
	require.Contains(t, out[0], "NOT ANCHORED", "the summary comes first")
	sums := strings.Fields(out[1])
	require.Len(t, sums, 2)
	require.Equal(t, sums[0], sums[1])
	require.Contains(t, out[2], "\nproof leaf 5 of ")
	require.Contains(t, out[2], string(leaf))
	require.Contains(t, out[2], "agent.enrolled")
	require.Contains(t, out[2], "log.registered")
	require.Contains(t, out[2], evidence.Fingerprint(x.agent.Public()))
	require.Regexp(t, `\nALL 3 PROOFS HOLD\n$`, out[2])
	hash := evidence.LeafHash(leaf)
	require.Contains(t, out[3], hex.EncodeToString(hash[:]))
	require.Contains(t, out[2], "its hash is "+hex.EncodeToString(hash[:]))
	require.Contains(t, out[4], evidence.Fingerprint(x.agent.Public()), "the key that the ledger registered")
	require.Contains(t, out[2], "THE KEY OF linewatch/a")
	require.NotContains(t, out[2], "IN NO BASIS LEAF")
	require.NotContains(t, out[2], "THE SUMMARY DOES NOT")
	require.Contains(t, out[5], "CHECKPOINTS HOLD")
	require.Contains(t, out[5], string(wiretest.Leaf("st07", 0)))
}

// driver runs a script of the document over many changed copies of a bundle in
// one process. openssl is asked once for equal questions, and after the unchanged
// bundle for every sixteenth new one only: what it says to a changed key, text or
// signature is always no, and that is what the others are told.
const driver = `
import contextlib, io, subprocess, sys, tempfile
source, kept, real, asked, first, took, files = compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), {}, subprocess.run, 0, True, [], {}
class Memory: # a file for openssl that is on the disk only when openssl is asked
    def __init__(self): self.name = "part%d" % len(files); files[self.name] = b""
    def write(self, data): files[self.name] += data
    def flush(self): pass
tempfile.NamedTemporaryFile = Memory
def ask(args, **more):
    for name in args:
        if name in files:
            with open(name, "wb") as f: f.write(files[name])
    return real(args, **more)
def run(args, **more):
    global asked
    question = tuple(files[args[args.index(o) + 1]] for o in ("-inkey", "-in", "-sigfile"))
    if question not in kept:
        asked += 1
        if first or asked % 16 == 0: kept[question] = ask(args, **more)
        else: kept[question] = subprocess.CompletedProcess(args, 1)
        if not first and kept[question].returncode == 0: took.append(asked)
    return kept[question]
subprocess.run = run
def holds(data):
    files.clear()
    with open("changed.bundle", "wb") as f: f.write(data)
    sys.argv = ["check", "changed.bundle"]
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out: exec(source, {"__name__": "__main__"})
    except (SystemExit, Exception): return False
    return out.getvalue().splitlines()[-1].startswith("ALL")
good, step = open(sys.argv[2], "rb").read(), sys.argv[3]
if not holds(good): sys.exit("the unchanged bundle does not hold")
first = False
missed = [i for i in range(0, len(good), int(step)) if holds(good[:i] + bytes([good[i] ^ 1 << i % 8]) + good[i + 1:])]
missed += [-n for n in range(1, len(good), 97) if holds(good[:-n])]
print("missed", missed, "taken", took, "openssl was asked", asked)
`

func (x *exported) everyByteByHand(t *testing.T) {
	scripts, _ := document(t)
	dir := x.folder(scripts)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "driver.py"), []byte(driver), 0o600))
	for script, file := range map[string]string{"check.py": "event.bundle", "walk.py": "week.bundle"} {
		step := map[string]string{"check.py": "1", "walk.py": "5"}[script] // every byte; the second is longer and of the same kind
		cmd := exec.CommandContext(t.Context(), "python3", "driver.py", script, file, step)
		cmd.Dir = dir
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
		require.Contains(t, string(said), "missed [] taken [] ", "%s on %s", script, file)
	}
}

// unsigned takes the stations' own signature lines away and makes the lengths fit.
func unsigned(t *testing.T, data []byte) []byte {
	t.Helper()
	var out []byte
	cut := 0
	for rest := data; len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		var kind string
		var n int
		if _, err := fmt.Sscanf(string(line), "%s %d", &kind, &n); err == nil && n <= len(after) && strings.Contains(" proof checkpoint ", " "+kind+" ") {
			body := regexp.MustCompile("(?m)^\u2014 linewatch/[0-9a-f]{16}/.*\n").ReplaceAll(after[:n], nil)
			cut += n - len(body)
			line, after = append(fmt.Appendf(nil, "%s %d\n", kind, len(body)), body...), after[n:]
			out, rest = append(out, line...), after
			continue
		}
		out, rest = append(append(out, line...), '\n'), after
	}
	require.Positive(t, cut)
	return out
}

// What the scripts cover they find without the hash of the whole file too.
func (x *exported) forged(t *testing.T) {
	scripts, _ := document(t)
	dir := x.folder(scripts)
	runs := func(script string, data []byte) (string, bool) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "forged.bundle"), rehashed(data), 0o600))
		cmd := exec.CommandContext(t.Context(), "python3", script, "forged.bundle")
		cmd.Dir = dir
		said, err := cmd.CombinedOutput()
		return string(said), err == nil
	}
	said, ok := runs("check.py", x.event)
	require.True(t, ok, said)
	said, ok = runs("walk.py", x.week)
	require.True(t, ok, said)
	swap := func(data []byte, from, to string) []byte {
		require.Contains(t, string(data), from)
		return bytes.ReplaceAll(data, []byte(from), []byte(to))
	}
	key := fmt.Sprintf("key %s", strings.TrimPrefix(regexp.MustCompile(`(?m)^key linewatch/a\S+ \S+ 0 0$`).FindString(string(x.event)), "key "))
	for name, forged := range map[string][]byte{
		"another index":       swap(x.event, "index 5\n", "index 4\n"),
		"a key for no size":   swap(x.event, key, strings.TrimSuffix(key, "0 0")+"0 1"),
		"a key for later":     swap(x.event, key, strings.TrimSuffix(key, "0 0")+"900 0"),
		"another size signed": swap(x.event, "\n7\n", "\n6\n"),
		"nobody signed":       unsigned(t, x.event),
		"a second summary":    swap(x.event, "\nend sha256:", "\nsummary 2\nx\n\nend sha256:"),
		"an unknown part":     swap(x.event, "\nend sha256:", "\nnotice 2\nx\n\nend sha256:"),
		"whole logs":          x.week,
		"another label":       swap(x.event, "\nextra ", "\nother "),
		"a length of its own": swap(x.event, "\nend sha256:", "\nproof -3\nend sha256:"),
	} {
		said, ok := runs("check.py", forged)
		require.False(t, ok, "%s: %s", name, said)
	}
	said, ok = runs("check.py", swap(x.event[:len(x.event)/2], "st07", "st08"))
	require.False(t, ok, "half a file: %s", said)
	at := bytes.Index(x.event, []byte("\nkey "))
	said, ok = runs("check.py", append(swap(x.event[:at], "st07", "st08"), x.event[at:]...))
	require.True(t, ok, said)
	require.Contains(t, said, "THE SUMMARY DOES NOT HAVE THE TEXT", "a changed summary is told")
	leaf, origin := string(wiretest.Leaf("st07", 3)), regexp.MustCompile(`(?m)^linewatch/[0-9a-f]{16}/\S+$`).FindString(string(x.week))
	for name, forged := range map[string][]byte{
		"a leaf changed":      swap(x.week, "= "+leaf, "= "+strings.Replace(leaf, `"st07"`, `"st08"`, 1)+" "),
		"a key for later":     swap(x.week, key, strings.TrimSuffix(key, "0 0")+"900 0"),
		"another root's size": swap(x.week, "\n7\n", "\n6\n"),
		"nobody signed":       unsigned(t, x.week),
		"leaves nobody signed": swap(x.week, "\nend sha256:", fmt.Sprintf("\nrun %d\n%s\n7\n= {}\n\nend sha256:",
			len(origin)+len("\n7\n= {}\n"), origin)),
		"another mark of a leaf": swap(x.week, "= "+leaf, "=\t"+leaf),
	} {
		said, ok := runs("walk.py", forged)
		require.False(t, ok, "%s: %s", name, said)
	}
}
