package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire"
)

// repeated is a stream that begins with head and then repeats part until it is
// size bytes long.
type repeated struct {
	head, part []byte
	left       int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) && r.left > 0 {
		if len(r.head) == 0 {
			r.head = r.part
		}
		k := copy(p[n:min(len(p), n+r.left)], r.head)
		r.head, n, r.left = r.head[k:], n+k, r.left-k
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// entryOf is one entry of a bundle.
func entryOf(kind, body string) string { return fmt.Sprintf("%s %d\n%s\n", kind, len(body), body) }

// bomb is a segment whose few bytes unpack to so many leaves of one byte.
func bomb(t *testing.T, leaves int) string {
	t.Helper()
	list := make([][]byte, leaves)
	for i := range list {
		list[i] = []byte("x")
	}
	note := string(proof(t, "x").Checkpoint)
	body, err := wire.AppendSegment(nil, wire.Header{Origin: origin, Count: uint64(leaves), Kind: wire.KindLeaves, Checkpoint: note}, list)
	require.NoError(t, err)
	require.Less(t, len(body), 4096)
	return entryOf("segment", string(body))
}

// streams are bundles that are made while they are read.
func streams(t *testing.T) map[string]*repeated {
	hash := evidence.EmptyRoot().String()
	head := bundle.Header + "\n" + entryOf("summary", "lies")
	hashes := strings.Repeat("# "+hash+"\n", 20_000)
	name := strings.Repeat("a", 60)
	return map[string]*repeated{
		"a gigabyte of withheld leaves":     {[]byte(head + entryOf("run", origin+"\n0\n"+hashes)), []byte(entryOf("run", origin+"\n20000\n"+hashes)), 1 << 30},
		"a gigabyte of leaves on one line":  {[]byte(head + "run 4000000\n" + origin + "\n0\n= "), bytes.Repeat([]byte("a"), 1<<16), 1 << 30},
		"bombs one after the other":         {[]byte(head), []byte(bomb(t, 30_000)), 4 << 20},
		"bombs of a million leaves":         {[]byte(head), []byte(bomb(t, 1_000_000)), 16 << 20},
		"proofs of ten thousand hashes":     {[]byte(head), []byte(entryOf("proof", "c2sp.org/tlog-proof@v1\nextra eA==\nindex 0\n"+strings.Repeat(hash+"\n", 10_000)+"\nx")), 64 << 20},
		"frontiers of ten thousand hashes":  {[]byte(head), []byte(entryOf("frontier", origin+"\n0\n9\n"+strings.Repeat(hash+"\n", 10_000))), 64 << 20},
		"holes that promise the whole tree": {[]byte(head), []byte(entryOf("hole", origin+"\n0\n9223372036854775807\n"+strings.Repeat(hash+"\n", 63))), 64 << 20},
		"cosigners without end":             {[]byte(head), []byte("cosigner " + name + " " + public("x") + "\n"), 64 << 20},
		"summaries one after the other":     {[]byte(head), []byte(entryOf("summary", strings.Repeat("x", 5<<20))), 256 << 20},
	}
}

func TestAHostileStreamCostsBoundedMemoryAndTime(t *testing.T) {
	bin := program(t)
	trust := write(t, "trust", []byte("station a0123456789abcde "+public("station")))
	for name, stream := range streams(t) {
		start := time.Now()
		cmd := exec.CommandContext(t.Context(), bin, "--trust", trust, "--json", "-")
		cmd.Stdin = stream
		out, _ := cmd.Output() // the program may stop reading before the end
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s: %.2000s", name, out)
		require.Less(t, len(out), 2<<20, name)
		require.Less(t, peakMemory(cmd.ProcessState), max(int64(96<<20), ownPeak()+8<<20), name)
		busy := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		require.Less(t, busy, 3*time.Minute, name)
		t.Logf("%s: %.1f s of the processor, %d MB, %s", name, busy.Seconds(), peakMemory(cmd.ProcessState)>>20, time.Since(start))
	}
}
