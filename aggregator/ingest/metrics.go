package ingest

import "sync/atomic"

// Metrics counts since the start of the program; all fields may be read at any time.
type Metrics struct {
	Requests, TooLarge, TooSlow, Throttled, Denied, Malformed atomic.Uint64
	Stored, Leaves, Bytes, Holes                              atomic.Uint64
	Repeated, Gaps, Forks, KeysWanted, Busy, Refused          atomic.Uint64
	Quarantined, Commits, CommitErrors                        atomic.Uint64
	Waiting                                                   atomic.Int64 // requests being worked on
}

// Each calls f with the name and value of every counter, for an exporter.
func (m *Metrics) Each(f func(name string, value float64)) {
	for name, c := range map[string]*atomic.Uint64{
		"requests": &m.Requests, "too_large": &m.TooLarge, "too_slow": &m.TooSlow, "throttled": &m.Throttled,
		"denied": &m.Denied, "malformed": &m.Malformed, "segments_stored": &m.Stored, "leaves": &m.Leaves,
		"bytes": &m.Bytes, "holes": &m.Holes, "segments_repeated": &m.Repeated, "segments_gap": &m.Gaps,
		"segments_fork": &m.Forks, "segments_keys_wanted": &m.KeysWanted, "segments_busy": &m.Busy,
		"segments_refused": &m.Refused, "quarantined": &m.Quarantined, "commits": &m.Commits,
		"commit_errors": &m.CommitErrors,
	} {
		f(name, float64(c.Load()))
	}
	f("waiting", float64(m.Waiting.Load()))
}
