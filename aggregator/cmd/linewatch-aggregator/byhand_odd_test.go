//go:build unix

package main

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// oddLeaves are leaves that an honest log can have: for evidence a leaf is opaque.
func oddLeaves() [][]byte {
	event := func(text string) []byte { return fmt.Appendf(nil, `{"note":"%s"}`, text) }
	return [][]byte{
		event("Größe ✓ 🙂 例"), event("a soft\u00adhyphen, a\u00a0blank, \u202eturned\u202c, \u2028, \ue000, \U000e0041, \ufeff"),
		event("not assigned yet: \u0378 \U0001fae9 \U000323b0"), event(strings.Repeat("ö", 5000)), event("two  blanks, a delete \x7f and a \x1b[31m"),
		[]byte("no UTF-8: \xff \xe2\x82 \xed\xa0\x80 ä"), []byte("two\nlines\r\n"), []byte("\x00"),
	}
}

// oddLog is a log of such leaves, as proofs and as a run.
func oddLog(t *testing.T, leaves [][]byte) (event, week []byte) {
	t.Helper()
	a := wiretest.NewAgent(t, "st07", "", nil)
	l := a.Log("security", "")
	l.Commit(leaves...)
	hashes := make([]evidence.Hash, len(leaves))
	items := make([]bundle.Item, len(leaves))
	for i, leaf := range leaves {
		hashes[i], items[i] = evidence.LeafHash(leaf), bundle.Item{Leaf: leaf}
	}
	note := []byte(l.Sign(a.Key))
	build := func(fill func(w *bundle.Writer) error) []byte {
		data, err := bundle.Build(func(w *bundle.Writer) error {
			require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: a.Key.Public().(ed25519.PublicKey)}))
			return fill(w)
		})
		require.NoError(t, err)
		return data
	}
	event = build(func(w *bundle.Writer) error {
		for i, leaf := range leaves {
			path, err := evidence.InclusionProof(uint64(i), uint64(len(leaves)), evidence.LeafNodes(0, hashes))
			require.NoError(t, err)
			require.NoError(t, w.Proof(evidence.Proof{Index: uint64(i), Leaf: leaf, Hashes: path, Checkpoint: note}))
		}
		return nil
	})
	week = build(func(w *bundle.Writer) error {
		require.NoError(t, w.Run(l.Origin, 0, items))
		return w.Checkpoint(note)
	})
	return event, week
}

func TestTheScriptsTakeWhateverLeavesAnHonestLogHas(t *testing.T) {
	scripts, _ := document(t)
	dir := t.TempDir()
	for name, text := range scripts {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	run := func(script string, data []byte, env ...string) string {
		t.Helper()
		require.Equal(t, bundle.NotAnchored, judged(t, "", data))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "odd.bundle"), data, 0o600))
		cmd := exec.CommandContext(t.Context(), "python3", script, "odd.bundle")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
		return string(said)
	}
	event, week := oddLog(t, oddLeaves())
	for _, env := range []string{"PYTHONIOENCODING=utf-8", "PYTHONIOENCODING=ascii", "PYTHONIOENCODING=latin-1", "LC_ALL=C"} {
		for script, data := range map[string][]byte{"check.py": event, "walk.py": week} {
			said := run(script, data, env)
			require.Contains(t, said, "\nALL ", env)
			require.NotContains(t, said, "THE SUMMARY DOES NOT", env)
			require.NotContains(t, said, "\x1b", env)
			require.NotContains(t, said, "\u202e", env)
		}
	}
	said := run("check.py", event, "PYTHONIOENCODING=utf-8")
	for _, leaf := range oddLeaves() {
		require.Contains(t, said, " "+bundle.Printable(string(leaf))+"\n", "the scripts write it as the program does")
	}
	var many [][]byte
	for i := range 11 {
		many = append(many, fmt.Appendf(nil, `{"n":%d}`, i))
	}
	event, _ = oddLog(t, many)
	require.NotContains(t, run("check.py", event), "THE SUMMARY DOES NOT", "a summary has the texts of ten events at most")
}
