package journal

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// helperVariable names the folder of the process that is killed; retryVariable
// lets it go on after errors, as a source does.
const (
	helperVariable  = "LINEWATCH_JOURNAL_HELPER"
	receiptVariable = "LINEWATCH_JOURNAL_RECEIPT"
	retryVariable   = "LINEWATCH_JOURNAL_RETRY"
	// largeVariable is the most numbers of one Append, if not 60.
	largeVariable = "LINEWATCH_JOURNAL_LARGE"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

// helperFile is the size of a file: small, so that the roll is met often.
func helperFile() int64 {
	if os.Getenv(largeVariable) != "" {
		return 4 << 20
	}
	return 1 << 20
}

func helperOptions(dir string) Options {
	seed := sha256.Sum256([]byte("helper"))
	key := ed25519.NewKeyFromSeed(seed[:])
	return Options{
		Dir: dir, MaxFile: helperFile(), Quota: 1 << 30, Ballast: -1, Signer: key,
		AgentID: evidence.AgentID(key.Public().(ed25519.PublicKey)), Station: "plant/line/st01", Version: "test",
	}
}

// writeForEver goes on behind the number in the positions and says each number
// on standard output after it was acknowledged.
func writeForEver(dir string) {
	o := helperOptions(dir)
	receipts := os.Getenv(receiptVariable) != ""
	if receipts {
		o.Refill = -1
	}
	j, err := Open(context.Background(), o)
	for err != nil {
		if os.Getenv(retryVariable) == "" {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("open", err) // the service manager starts it again
		j, err = Open(context.Background(), o)
	}
	n := next(j)
	fmt.Println("from", n)
	most := 60
	if large, err := strconv.Atoi(os.Getenv(largeVariable)); err == nil {
		most = large
	}
	for {
		count := 1 + rand.IntN(most)
		batch := append(leaves(event.Manufacturing, n, count), leaves(event.Security, n, count)...)
		at := []source.Position{{Source: "test", Set: map[string][]byte{"n": []byte(strconv.Itoa(n + count))}}}
		if _, err := j.Append(context.Background(), batch, at); err != nil {
			if os.Getenv(retryVariable) == "" {
				fmt.Println("error", err)
				os.Exit(1)
			}
			fmt.Println("retry", n)
			continue
		}
		n += count
		fmt.Println("acked", n)
		if receipts {
			receiptAll(j)
		}
	}
}

// kept are the leaves of a log that are still on disk; Verify has checked the roots.
func kept(t *testing.T, j *Journal, l LogInfo) (out []string) {
	t.Helper()
	for at := l.Kept; at < l.Size; {
		seg, err := j.Next(t.Context(), l.ID, at, 1<<20)
		require.NoError(t, err)
		require.NotNil(t, seg, "at %d of %d", at, l.Size)
		require.Equal(t, wire.KindLeaves, seg.Header.Kind)
		for _, leaf := range seg.Leaves {
			out = append(out, string(leaf))
		}
		at += seg.Header.Count
	}
	return out
}

// soak chooses the larger figure of a test when LINEWATCH_SOAK is set.
func soak(usual, long int) int {
	if os.Getenv("LINEWATCH_SOAK") != "" {
		return long
	}
	return usual
}

// receiptAll takes the newest checkpoints as receipts, as if the aggregator had
// cosigned them, and removes what need not be kept.
func receiptAll(j *Journal) {
	_ = j.do(context.Background(), func() error {
		for _, l := range j.sortedLogs() {
			if err := j.SetReceipt(l.id, l.note); err != nil {
				return err
			}
		}
		j.removeReceipted(0, false)
		return nil
	})
}

// next is the number that follows in a journal of the helper.
func next(j *Journal) int {
	n, _ := strconv.Atoi(string(j.Positions("test")["n"])) // absent is 0
	return n
}

// appendNumbers appends as the helper does.
func appendNumbers(t *testing.T, j *Journal, n, count int) {
	t.Helper()
	batch := append(leaves(event.Manufacturing, n, count), leaves(event.Security, n, count)...)
	mustAppend(t, j, batch, source.Position{Source: "test", Set: map[string][]byte{"n": []byte(strconv.Itoa(n + count))}})
}

func TestKillingTheProcessAtRandomLosesNothingThatWasAcknowledged(t *testing.T) {
	killAtRandom(t, soak(12, 400))
}

// A notification of an OPC UA server may hold more events than a checkpoint covers;
// a kill in the middle must not leave half of them without their position, for the
// server sends them all again.
func TestAnAppendOfSeveralCheckpointsIsWrittenWholeOrNotAtAll(t *testing.T) {
	t.Setenv(largeVariable, "4000")
	killAtRandom(t, soak(12, 120)) // more would fill the journal's quota: nobody takes what it writes
}

func killAtRandom(t *testing.T, rounds int) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	exe, err := os.Executable()
	require.NoError(t, err)
	acked := 0
	files := func() int {
		names, err := filepath.Glob(filepath.Join(dir, "*.db"))
		require.NoError(t, err)
		return len(names)
	}
	for round := 0; round < rounds || files() < 4 && round < 80; round++ {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), helperVariable+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		// A machine so slow that the files do not roll in these lives is given longer ones.
		long := time.Duration(20+rand.IntN(200)) * time.Millisecond * time.Duration(1+round/rounds)
		life := time.AfterFunc(long, func() { cmd.Process.Kill() })
		for lines.Scan() {
			word, number, _ := strings.Cut(lines.Text(), " ")
			require.NotEqual(t, "error", word, lines.Text())
			n, err := strconv.Atoi(number)
			require.NoError(t, err)
			require.GreaterOrEqual(t, n, acked, "round %d lost what was acknowledged", round)
			acked = n
		}
		cmd.Wait()
		life.Stop()
	}
	require.Greater(t, acked, 1000, "the helper must have worked")

	j := open(t, helperOptions(dir))
	require.Greater(t, len(j.files), 2, "the roll must be among what was killed")
	requireWhole(t, j, acked)
}

// requireWhole checks a journal that writeForEver wrote: every root, and in both
// logs each number once and in order, at least up to the last acknowledged one.
func requireWhole(t *testing.T, j *Journal, acked int) {
	t.Helper()
	reports, err := j.Verify(t.Context(), nil)
	require.NoError(t, err)
	for _, r := range reports {
		require.Empty(t, r.Error, r.Name)
	}
	for _, class := range []event.Class{event.Manufacturing, event.Security} {
		want := 0
		l := logOf(t, j, class)
		first := l.Kept > 0 // what was receipted may be gone
		for _, text := range kept(t, j, l) {
			var got struct{ N *int }
			require.NoError(t, json.Unmarshal([]byte(text), &got))
			if got.N != nil && first {
				want, first = *got.N, false
			}
			if got.N != nil {
				require.Equal(t, want, *got.N, "%s: each number once and in order", class)
				want++
			}
		}
		require.GreaterOrEqual(t, want, acked)
	}
	for _, l := range j.Logs() {
		require.Equal(t, stateActive, l.State, "no successor is needed after a kill")
	}
}
