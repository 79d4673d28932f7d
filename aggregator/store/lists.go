package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/query"
)

// Bounds of lists, the same in every database.
const (
	MaxPage = 1000
	// MaxExamined bounds the rows that one call reads for a filter that SQL can't
	// decide; the page then has fewer rows, and a cursor to go on from.
	MaxExamined = 50_000
	// MaxBranches is how many values of a column are read as sorted branches of
	// their own; beyond it the rows are read in the order of time and filtered.
	MaxBranches = 12
	// FewRows is how many rows of one index are read and put in the order of their
	// arrival; of more the newest arrivals are looked at, window by window.
	FewRows = 2000
	// ArrivalWindow is how many arrivals are looked at by one statement.
	ArrivalWindow = 10_000

	maxBuckets = 2000
)

// PageLimit is the rows of a page that was asked for with n.
func PageLimit(n int) int {
	if n <= 0 {
		return 100
	}
	return min(n, MaxPage)
}

// Part is what one read behind a place brought; K is a place in the order.
type Part[K any] struct {
	Rows   []Row
	Places []K  // of the rows
	End    K    // where to go on when all rows were used
	More   bool // there may be rows behind End
	Seen   int  // rows looked at, as far as known
}

// Fill collects limit rows that match, reading part after part from a place on;
// exact says that all rows read do. It returns the place of the last row looked at,
// and whether there may be more behind it.
func Fill[K any](q EventQuery, exact bool, from K, limit int, read func(after K, n int) (Part[K], error)) (rows []Row, last K, more bool, err error) {
	last = from
	for examined := 0; ; {
		n := limit + 1 - len(rows)
		if !exact {
			n = max(n, min(4*limit, MaxPage))
		}
		part, err := read(last, n)
		if err != nil {
			return nil, last, false, err
		}
		for i, r := range part.Rows {
			fits := exact || q.Match(r)
			if fits && len(rows) == limit {
				return rows, last, true, nil
			}
			last = part.Places[i]
			if fits {
				rows = append(rows, r)
			}
		}
		last = part.End
		examined += part.Seen
		if !part.More {
			return rows, last, false, nil
		}
		if examined >= MaxExamined {
			return rows, last, true, nil
		}
	}
}

// Each yields all matching rows in order, page by page, until yield returns false.
func Each[K any](from K, page func(after K) (rows []Row, last K, more bool, err error), yield func(Row) bool) error {
	for {
		rows, last, more, err := page(from)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if !yield(r) {
				return nil
			}
		}
		if !more {
			return nil
		}
		from = last
	}
}

// Severities are those that a term lets through.
func Severities(t query.Term) []event.Severity {
	one := query.Query{Terms: []query.Term{{Field: query.Severity, Op: t.Op, Values: t.Values}}}
	return slices.DeleteFunc(event.Severities(), func(s event.Severity) bool { return !one.Match(query.Event{Severity: s}) })
}

// LeafHashes reads the hashes of the leaves [from, to) of a tree of this size,
// ErrNotFound for one in a hole.
func LeafHashes(nodes evidence.Nodes, size, from, to uint64) ([]evidence.Hash, error) {
	if from > to || to > size {
		return nil, fmt.Errorf("size is %d: %w", size, ErrNotFound)
	}
	hashes := make([]evidence.Hash, 0, to-from)
	for i := from; i < to; i++ {
		h, err := nodes(0, i)
		if errors.Is(err, evidence.ErrUnknownNode) {
			return nil, fmt.Errorf("leaf %d lies in a hole: %w", i, ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

// Histogram gathers counts in buckets of equal length; times are microseconds.
type Histogram struct {
	Start, Step int64
	Buckets     []Bucket
}

// NewHistogram divides [from, to).
func NewHistogram(from, to time.Time, buckets int) (*Histogram, error) {
	if buckets < 1 || buckets > maxBuckets || !from.Before(to) {
		return nil, fmt.Errorf("histogram: no interval, or no number of buckets between 1 and %d", maxBuckets)
	}
	h := &Histogram{Start: from.UnixMicro(), Buckets: make([]Bucket, buckets)}
	h.Step = max((to.UnixMicro()-h.Start+int64(buckets)-1)/int64(buckets), 1)
	for i := range h.Buckets {
		h.Buckets[i].At = time.UnixMicro(h.Start + int64(i)*h.Step).UTC()
	}
	return h, nil
}

// Add counts n events of a severity in the bucket i; one that is not there is left out.
func (h *Histogram) Add(i int64, severity event.Severity, n uint64) {
	if i >= 0 && i < int64(len(h.Buckets)) && int(severity) < len(h.Buckets[i].Counts) {
		h.Buckets[i].Counts[severity] += n
	}
}

// AddRow counts one row.
func (h *Histogram) AddRow(r Row) { h.Add((r.At.UnixMicro()-h.Start)/h.Step, r.Severity, 1) }

// HourKey is a station's hour, its begin in microseconds.
type HourKey struct {
	Station string
	Hour    int64
}

// HourOf is the hour of a row.
func HourOf(r Row) HourKey { return HourKey{r.Station, r.At.Truncate(time.Hour).UnixMicro()} }

// SortedHours lists counts by station and hour.
func SortedHours(counts map[HourKey]uint64) []StationHour {
	out := make([]StationHour, 0, len(counts))
	for k, n := range counts {
		out = append(out, StationHour{Station: k.Station, Hour: time.UnixMicro(k.Hour).UTC(), Count: n})
	}
	slices.SortFunc(out, func(a, b StationHour) int {
		if c := strings.Compare(a.Station, b.Station); c != 0 {
			return c
		}
		return a.Hour.Compare(b.Hour)
	})
	return out
}
