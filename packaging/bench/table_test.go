package bench_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/packaging/bench"
)

const output = `goos: linux
pkg: github.com/linewatch/linewatch/shared/event
cpu: Some Processor @ 2 GHz
BenchmarkParse-2   	  712345	      1500 ns/op	 300.00 MB/s	       2 allocs/op
BenchmarkQuery/a_b-16   	  10	      5 ns/op
BenchmarkQuery/c-16   	2026/11/22 something was logged here
2026/11/22 and here
       4	      900 ns/op
BenchmarkBroken-2
--- FAIL: BenchmarkBroken
PASS
pkg: github.com/linewatch/linewatch/agent/journal
BenchmarkParse-2   	  1	      7 ns/op
FAIL	github.com/linewatch/linewatch/agent/journal	0.1s
`

func read(t *testing.T) bench.Results {
	t.Helper()
	var copied strings.Builder
	r, err := bench.Read(strings.NewReader(output), &copied)
	require.NoError(t, err)
	require.Equal(t, output, copied.String())
	return r
}

func TestOutputOfBenchmarksIsReadByPackageNameAndUnit(t *testing.T) {
	r := read(t)
	require.Equal(t, "Some Processor @ 2 GHz", r.CPU)
	require.Equal(t, map[string]map[string]float64{
		"shared/event:Parse":     {"ns/op": 1500, "MB/s": 300, "allocs/op": 2},
		"shared/event:Query/a_b": {"ns/op": 5},
		"shared/event:Query/c":   {"ns/op": 900},
		"agent/journal:Parse":    {"ns/op": 7},
	}, r.Values)
	require.Equal(t, []string{"BenchmarkBroken", "agent/journal"}, r.Failed)
}

func TestAFigureIsMetMissedStatedOrNotMeasured(t *testing.T) {
	of, peer := bench.Ref{Benchmark: "shared/event:Parse", Unit: "ns/op"}, bench.Ref{Benchmark: "shared/event:Query/*", Unit: "ns/op"}
	for _, c := range []struct {
		figure  bench.Figure
		verdict string
	}{
		{bench.Figure{Of: of, Plus: 1500}, "met"},
		{bench.Figure{Of: of, Plus: 1000}, "**missed by 50 %**"},
		{bench.Figure{Of: of, Plus: 1500, AtLeast: true}, "met"},
		{bench.Figure{Of: of, Plus: 3000, AtLeast: true}, "**missed by 50 %**"},
		{bench.Figure{Of: of, Peer: peer, Factor: 1, Plus: 600}, "met"},
		{bench.Figure{Of: of, Peer: peer, Factor: 1, Plus: 599}, "**missed by 1 %**"},
		{bench.Figure{Of: of, Peer: peer, Factor: 2, AtLeast: true}, "**missed by 17 %**"},
		{bench.Figure{Of: of, Unit: "lost"}, "**missed**"},
		{bench.Figure{Of: of}, "stated"},
		{bench.Figure{Of: of, Peer: peer}, "stated"},
		{bench.Figure{Of: bench.Ref{Benchmark: "x", Unit: "ns/op"}, Plus: 1}, "not measured"},
		{bench.Figure{Of: of, Peer: bench.Ref{Benchmark: "x", Unit: "ns/op"}, Factor: 1}, "not measured"},
	} {
		require.Equal(t, c.verdict, bench.Rows([]bench.Figure{c.figure}, read(t))[0].Verdict(), "%+v", c.figure)
	}
}

func TestTheTableShowsTheLimitAndGoesBetweenTheMarks(t *testing.T) {
	of, peer := bench.Ref{Benchmark: "shared/event:Parse", Unit: "ns/op"}, bench.Ref{Benchmark: "shared/event:Query/*", Unit: "ns/op"}
	rows := bench.Rows([]bench.Figure{{Group: "G", What: "parse", Of: of, Unit: "µs", Scale: 1e-3, Peer: peer, PeerName: "peer", Factor: 2, Plus: 4}}, read(t))
	table := bench.Table(rows)
	require.Contains(t, table, "### G\n\n| what ")
	require.Contains(t, table, "| parse | 1.50 µs  | ≤ 5.80 = 2 × peer 0.900 + 4.00 | 0.26  | met     |")
	document, err := bench.Insert("before\n"+bench.BeginMark+"\nold\n"+bench.EndMark+"\nafter\n", table)
	require.NoError(t, err)
	require.Equal(t, "before\n"+bench.BeginMark+"\n"+table+bench.EndMark+"\nafter\n", document)
	_, err = bench.Insert("no marks", table)
	require.Error(t, err)
}

func TestEveryFigureHasAPlaceAndAUnit(t *testing.T) {
	r, err := bench.Read(strings.NewReader(""), io.Discard)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, row := range bench.Rows(bench.Figures(), r) {
		require.NotEmpty(t, row.Group)
		require.NotEmpty(t, row.Figure.Unit)
		require.False(t, seen[row.Group+row.What], "%s stands twice", row.What)
		seen[row.Group+row.What] = true
		require.Equal(t, row.Peer == bench.Ref{}, row.PeerName == "", row.What)
		require.Equal(t, "not measured", row.Verdict())
	}
}
