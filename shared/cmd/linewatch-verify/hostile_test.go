package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
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

// madeUp is a stream of parts that are made when they are asked for, until one is empty.
type madeUp struct {
	part func(i int) string
	i    int
	rest string
}

func (m *madeUp) Read(p []byte) (int, error) {
	if m.rest == "" {
		if m.rest = m.part(m.i); m.rest == "" {
			return 0, io.EOF
		}
		m.i++
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// leaves is a bundle of n runs of 90 large leaves of one log, made by leaf.
func leaves(n int, leaf func(i int) string) *madeUp {
	return &madeUp{part: func(run int) string {
		if run > n {
			return ""
		}
		if run == 0 {
			return bundle.Header + "\n" + entryOf("summary", "lies")
		}
		var body strings.Builder
		first := (run - 1) * 90
		fmt.Fprintf(&body, "%s\n%d\n", origin, first)
		for i := range 90 {
			body.WriteString("= " + leaf(first+i) + "\n")
		}
		return entryOf("run", body.String())
	}}
}

// large is an event of this type and station with so much text behind it that it is
// nearly as large as a leaf may be.
func large(typ, station, data string) string {
	return fmt.Sprintf(`{"id":"0198a1b2-0000-7000-8000-000000000001","event_type":"%s","class":"security","severity":"low",`+
		`"timestamp":"2026-01-02T03:04:05Z","collected_at":"2026-01-02T03:04:05Z","station":"%s","event_data":{%s"x":"%s"},"salt":"AAAAAAAAAAAAAAAAAAAAAA=="}`,
		typ, station, data, strings.Repeat("x", 64_000))
}

// manyKeys is a bundle that names 64 keys of each of ten thousand logs.
func manyKeys() *madeUp {
	k := public("x")
	return &madeUp{part: func(log int) string {
		if log == 0 {
			return bundle.Header + "\n" + entryOf("summary", "lies")
		}
		if log > 10_000 {
			return ""
		}
		var lines strings.Builder
		for i := range 64 {
			fmt.Fprintf(&lines, "key linewatch/a0123456789abcde/security/%016x %s %d %d\n", log, k, i, i+1)
		}
		return lines.String()
	}}
}

// streams are bundles that are made while they are read.
func streams(t *testing.T) map[string]io.Reader {
	hash := evidence.EmptyRoot().String()
	head := bundle.Header + "\n" + entryOf("summary", "lies")
	hashes := strings.Repeat("# "+hash+"\n", 20_000)
	name := strings.Repeat("a", 60)
	var header strings.Builder
	for i := range 450_000 {
		fmt.Fprintf(&header, `"%06x":"",`, i)
	}
	keys := fmt.Sprintf(`{"keys":{%s"x":""}}`, header.String())
	keys = string(binary.BigEndian.AppendUint32(nil, uint32(len(keys)))) + keys + "\x00\x00\x00\x00"
	next := fmt.Sprintf(`"origin":"%s","publicKey":"%s",`, origin, public("heir"))
	more := map[string]io.Reader{
		"leaves about keys and no checkpoint": leaves(30, func(int) string { return large("log.key", "hamburg", next) }),
		"large leaves of many stations":       leaves(25, func(i int) string { return large(fmt.Sprintf("x.a.t%d", i), fmt.Sprintf("hamburg/st%d", i), "") }),
		"64 keys of each of 10,000 logs":      manyKeys(),
		"a header with half a million keys":   &repeated{[]byte(head), []byte(entryOf("segment", keys)), 64 << 20},
	}
	maps.Copy(more, map[string]io.Reader{
		"a gigabyte of withheld leaves":     &repeated{[]byte(head + entryOf("run", origin+"\n0\n"+hashes)), []byte(entryOf("run", origin+"\n20000\n"+hashes)), 1 << 30},
		"a gigabyte of leaves on one line":  &repeated{[]byte(head + "run 4000000\n" + origin + "\n0\n= "), bytes.Repeat([]byte("a"), 1<<16), 1 << 30},
		"bombs one after the other":         &repeated{[]byte(head), []byte(bomb(t, 30_000)), 4 << 20},
		"bombs of a million leaves":         &repeated{[]byte(head), []byte(bomb(t, 1_000_000)), 16 << 20},
		"proofs of ten thousand hashes":     &repeated{[]byte(head), []byte(entryOf("proof", "c2sp.org/tlog-proof@v1\nextra eA==\nindex 0\n"+strings.Repeat(hash+"\n", 10_000)+"\nx")), 64 << 20},
		"frontiers of ten thousand hashes":  &repeated{[]byte(head), []byte(entryOf("frontier", origin+"\n0\n9\n"+strings.Repeat(hash+"\n", 10_000))), 64 << 20},
		"holes that promise the whole tree": &repeated{[]byte(head), []byte(entryOf("hole", origin+"\n0\n9223372036854775807\n"+strings.Repeat(hash+"\n", 63))), 64 << 20},
		"cosigners without end":             &repeated{[]byte(head), []byte("cosigner " + name + " " + public("x") + "\n"), 64 << 20},
		"summaries one after the other":     &repeated{[]byte(head), []byte(entryOf("summary", strings.Repeat("x", 5<<20))), 256 << 20},
	})
	return more
}

func TestAHostileStreamCostsBoundedMemoryAndTime(t *testing.T) {
	bin := program(t)
	trust := write(t, "trust", []byte("station a0123456789abcde "+public("station")))
	for name, stream := range streams(t) {
		start := time.Now()
		cmd := exec.CommandContext(t.Context(), bin, "--trust", trust, "--json", "-")
		cmd.Stdin = stream
		var text bytes.Buffer
		cmd.Stdout = &text
		peak, _ := measured(cmd) // the program may stop reading before the end
		out := text.Bytes()
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s: %.2000s", name, out)
		require.Less(t, len(out), 2<<20, name)
		require.Less(t, peak, int64(64<<20), name)
		busy := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		require.Less(t, busy, 3*time.Minute, name)
		t.Logf("%s: %.1f s of the processor, %d MB, %s", name, busy.Seconds(), peak>>20, time.Since(start))
	}
}
