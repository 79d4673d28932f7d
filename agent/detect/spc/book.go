package spc

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
)

// State is where a baseline stands.
type State string

// A baseline is proposed by the program, approved by a person, and then frozen: in
// force until the next one replaces it.
const (
	Proposed State = "proposed"
	Approved State = "approved"
	Frozen   State = "frozen"
	Replaced State = "replaced"
)

// Key names what a baseline belongs to.
type Key struct {
	Station string `json:"station"`
	Name    string `json:"name"`             // signal or characteristic
	Recipe  string `json:"recipe,omitempty"` // product, "" for all
}

// Entry is one version of a baseline. Who proposed, approved and froze it is in the
// events of type spc.baseline, as pseudonyms; here is only when.
type Entry struct {
	Key
	Version  int           `json:"version"` // counts from 1 for each key
	State    State         `json:"state"`
	Every    time.Duration `json:"every"` // time of a subgroup, 0 = by count
	Group    int           `json:"group"` // values of a subgroup, 0 = by time
	Unit     string        `json:"unit,omitempty"`
	Source   string        `json:"source,omitempty"` // "" = any
	Baseline Baseline      `json:"baseline"`
	Proposed time.Time     `json:"proposed"`
	Approved time.Time     `json:"approved,omitzero"`
	Frozen   time.Time     `json:"frozen,omitzero"`
}

// bookFile is the file as written.
type bookFile struct {
	Format  int     `json:"format"`
	Entries []Entry `json:"entries"`
}

const (
	bookFormat = 1
	// maxVersions of one key are kept; older ones remain in the events.
	maxVersions = 20
	// maxEntries bounds what a damaged or hostile file can make us hold.
	maxEntries = 20_000
	maxBook    = 32 << 20
)

// Book holds the baselines of all charts of an agent in one file, and knows the charts
// themselves, so that people can ask for them. It may be used from any goroutine.
type Book struct {
	path string

	changes atomic.Uint64 // of what is frozen: charts look again when it moved

	mu      sync.Mutex // never held while a chart's lock is asked for
	entries []Entry
	charts  map[string]*Chart // by station and name
}

// OpenBook reads the file; none yet is an empty book. A damaged file is an error that
// says so: baselines that people approved are not thrown away.
func OpenBook(path string) (*Book, error) {
	b := &Book{path: path, charts: map[string]*Chart{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("baselines: %w", err)
	}
	if b.entries, err = parseBook(text); err != nil {
		return nil, fmt.Errorf("baselines in %s: %w; put the file back from a backup, or move it away and approve anew", path, err)
	}
	return b, nil
}

func parseBook(text []byte) ([]Entry, error) {
	if len(text) > maxBook {
		return nil, errors.New("too large")
	}
	var f bookFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("not readable: %w", err)
	}
	if f.Format != bookFormat {
		return nil, fmt.Errorf("format %d, this program knows %d", f.Format, bookFormat)
	}
	if len(f.Entries) > maxEntries {
		return nil, errors.New("too many baselines")
	}
	for i := range f.Entries {
		e := &f.Entries[i]
		if err := e.Baseline.valid(); err != nil {
			return nil, fmt.Errorf("%s version %d: %w", e.Name, e.Version, err)
		}
		if e.Version < 1 || !slices.Contains([]State{Proposed, Approved, Frozen, Replaced}, e.State) {
			return nil, fmt.Errorf("%s: version %d in state %q", e.Name, e.Version, e.State)
		}
	}
	return f.Entries, nil
}

// Seed puts in entries as they are, for plants that carry approved baselines to a new
// agent and for demonstrations.
func (b *Book) Seed(entries []Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, entries...)
	b.changes.Add(1)
	return b.write()
}

// newest returns the newest entry of a key in one of the states.
func (b *Book) newest(k Key, states ...State) (Entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(k, states...)
}

func (b *Book) find(k Key, states ...State) (best Entry, ok bool) {
	for _, e := range b.entries {
		if e.Key == k && slices.Contains(states, e.State) && (!ok || e.Version > best.Version) {
			best, ok = e, true
		}
	}
	return best, ok
}

// history lists the versions of a key, newest first.
func (b *Book) history(k Key) (out []Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.Key == k {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(x, y Entry) int { return cmp.Compare(y.Version, x.Version) })
	return out
}

// propose notes a proposal: it replaces one that nobody approved. Proposals are made
// again after a restart, so they are written only with the next approval.
func (b *Book) propose(e Entry) Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.State, e.Version = Proposed, 1
	for _, x := range b.entries {
		if x.Key == e.Key && x.Version >= e.Version {
			e.Version = x.Version + 1
			if x.State == Proposed {
				e.Version = x.Version
			}
		}
	}
	b.entries = slices.DeleteFunc(b.entries, func(x Entry) bool { return x.Key == e.Key && x.State == Proposed })
	b.entries = append(b.entries, e)
	return e
}

// Errors of approve and freeze.
var (
	errNoProposal = errors.New("there is no proposed baseline to approve: propose one first")
	errNoApproval = errors.New("there is no approved baseline to freeze: approve one first")
)

// approve marks the proposal of a key and writes the book.
func (b *Book) approve(k Key, now time.Time) (Entry, error) {
	return b.step(k, Proposed, Approved, now, errNoProposal)
}

// freeze puts the approved baseline of a key in force and writes the book.
func (b *Book) freeze(k Key, now time.Time) (Entry, error) {
	return b.step(k, Approved, Frozen, now, errNoApproval)
}

func (b *Book) step(k Key, from, to State, now time.Time, missing error) (Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.find(k, from)
	if !ok {
		return e, missing
	}
	before := slices.Clone(b.entries)
	for i := range b.entries {
		x := &b.entries[i]
		switch {
		case x.Key != k:
		case x.Version == e.Version:
			x.State = to
			if to == Approved {
				x.Approved = now.UTC().Round(0)
			} else {
				x.Frozen = now.UTC().Round(0)
			}
			e = *x
		case x.State == to || to == Frozen && x.State == Approved:
			x.State = Replaced
		}
	}
	b.trim(k)
	if err := b.write(); err != nil {
		b.entries = before // what is not on disk is not in force
		return e, err
	}
	b.changes.Add(1)
	return e, nil
}

// trim forgets the oldest replaced versions of a key.
func (b *Book) trim(k Key) {
	var old []int
	for _, e := range b.entries {
		if e.Key == k && e.State == Replaced {
			old = append(old, e.Version)
		}
	}
	if len(old) <= maxVersions {
		return
	}
	slices.Sort(old)
	limit := old[len(old)-maxVersions]
	b.entries = slices.DeleteFunc(b.entries, func(e Entry) bool {
		return e.Key == k && e.State == Replaced && e.Version < limit
	})
}

// write stores the book; callers hold mu.
func (b *Book) write() error {
	if b.path == "" {
		return nil
	}
	slices.SortFunc(b.entries, func(x, y Entry) int {
		return cmp.Or(strings.Compare(x.Station, y.Station), strings.Compare(x.Name, y.Name),
			strings.Compare(x.Recipe, y.Recipe), cmp.Compare(x.Version, y.Version))
	})
	text, err := json.MarshalIndent(bookFile{bookFormat, b.entries}, "", " ")
	if err != nil {
		return fmt.Errorf("baselines: %w", err)
	}
	if err := durable.WriteFile(b.path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("baselines: %w", err)
	}
	return nil
}

// enter makes a chart known. A second one of the same name (two sources) gets the
// name of its source added.
func (b *Book) enter(c *Chart, source string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other := b.charts[c.address()]; other != nil && other != c && source != "" && other.source != source {
		c.key.Name += "@" + source
	}
	b.charts[c.address()] = c
}
