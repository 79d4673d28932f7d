package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgressTellsTheRateAndTheTimeLeftOnceASecond(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := progress(&out, "leaves", func() time.Time { return now })
	for done := uint64(1000); done <= 10_000; done += 100 { // goes on at 1,000: an earlier walk did these
		p(done, 10_000)
		now = now.Add(100 * time.Millisecond)
	}
	lines := bytes.Split(bytes.TrimSuffix(out.Bytes(), []byte("\n")), []byte("\r"))
	require.Len(t, lines, 11)
	require.Contains(t, string(lines[5]), " 50 % of 10000 leaves, 1000 a second, 5s left")
	require.Contains(t, string(lines[10]), "100 % of 10000 leaves, 1000 a second, 0s left")
	p(10_000, 10_000)
	require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("\n")), "the end is told once")
}
