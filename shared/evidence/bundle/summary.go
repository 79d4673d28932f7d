package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Bounds of a summary: it is for people, and a hostile bundle shall not fill memory.
const (
	maxSumLogs   = 200  // logs described one by one
	maxSumNames  = 1000 // stations, types
	maxSumEvents = 200  // events listed one by one
	maxSumTexts  = 10   // events up to which their text is shown
	maxSumText   = 4096 // characters of it
	maxSumSigner = 16   // keys and cosigners of one log
)

// summarizer makes the text for people out of the entries of a bundle. Writer and
// verifier feed it with the same entries and get the same bytes.
type summarizer struct {
	logs      []*sumLog // in the order of their appearance
	byOrigin  map[string]*sumLog
	moreLogs  int
	cosigners []string
	stations  map[string]*sumCount
	types     map[string]uint64
	events    []sumEvent
	basis     []sumEvent // leaves that bear out keys
	leaves    uint64
	bases     uint64
}

type sumLog struct {
	origin      string
	keys        []string
	known       bool // a leaf, hole or frontier was seen
	first, last uint64
	shown       uint64
	withheld    uint64
	lost        uint64
	notes       uint64
	min, max    uint64 // sizes of its checkpoints
	times       map[string]*sumTimes
}

type sumTimes struct{ first, last time.Time }

type sumCount struct {
	n uint64
	sumTimes
}

type sumEvent struct {
	origin, line, text string
	index              uint64
}

func newSummarizer() *summarizer {
	return &summarizer{byOrigin: map[string]*sumLog{}, stations: map[string]*sumCount{}, types: map[string]uint64{}}
}

func (s *summarizer) log(origin string) *sumLog {
	l := s.byOrigin[origin]
	if l == nil {
		if len(s.logs) >= maxSumLogs {
			s.moreLogs++ // counts entries, not logs, beyond the bound: only its sign is used
			return &sumLog{times: map[string]*sumTimes{}}
		}
		l = &sumLog{origin: origin, times: map[string]*sumTimes{}}
		s.byOrigin[origin] = l
		s.logs = append(s.logs, l)
	}
	return l
}

func (l *sumLog) see(first, count uint64) {
	last := first + count - 1
	if !l.known {
		l.known, l.first, l.last = true, first, last
		return
	}
	l.first, l.last = min(l.first, first), max(l.last, last)
}

func (s *summarizer) key(origin string, k evidence.KeyRange) {
	l := s.log(origin)
	if len(l.keys) >= maxSumSigner {
		return
	}
	sizes := fmt.Sprintf("sizes from %d", k.After+1)
	if k.Last > 0 {
		sizes = fmt.Sprintf("sizes %d to %d", k.After+1, k.Last)
	}
	l.keys = append(l.keys, evidence.Fingerprint(k.Key)+", "+sizes)
}

func (s *summarizer) cosigner(k evidence.CosignerKey) {
	if len(s.cosigners) < maxSumNames {
		s.cosigners = append(s.cosigners, Printable(k.Name)+"  "+evidence.Fingerprint(k.Key))
	}
}

func (s *summarizer) frontier(origin string, _ evidence.Range) { s.log(origin) }

func (s *summarizer) withheld(origin string, first, count uint64) {
	l := s.log(origin)
	l.see(first, count)
	l.withheld += count
}

func (s *summarizer) lost(origin string, first, count uint64) {
	if count == 0 {
		return
	}
	l := s.log(origin)
	l.see(first, count)
	l.lost += count
}

func (s *summarizer) note(c evidence.Checkpoint, note []byte) {
	l := s.log(c.Origin)
	if l.notes == 0 || c.Size < l.min {
		l.min = c.Size
	}
	l.notes, l.max = l.notes+1, max(l.max, c.Size)
	lines, err := evidence.PeekCosignatures(note)
	if err != nil {
		return
	}
	for _, line := range lines {
		name := clipLong(line.Name) // the whole one, and the note around it, is not kept
		t := l.times[name]
		if t == nil {
			if len(l.times) >= maxSumSigner {
				continue
			}
			t = &sumTimes{first: line.At, last: line.At}
			l.times[name] = t
		}
		t.extend(line.At)
	}
}

func (t *sumTimes) extend(at time.Time) {
	if t.first.IsZero() || at.Before(t.first) {
		t.first = at
	}
	if at.After(t.last) {
		t.last = at
	}
}

func (s *summarizer) segment(seg *wire.Segment) error {
	if seg.Kind == wire.KindHole {
		s.lost(seg.Origin, seg.First, seg.Count)
	}
	for i, leaf := range seg.Leaves {
		s.leaf(seg.Origin, seg.First+uint64(i), leaf)
	}
	c, err := evidence.PeekCheckpoint([]byte(seg.Checkpoint))
	if err != nil {
		return err
	}
	s.note(c, []byte(seg.Checkpoint))
	return nil
}

func (s *summarizer) proof(kind string, c evidence.Checkpoint, p evidence.Proof) {
	s.note(c, p.Checkpoint)
	if kind == kindProof {
		s.leaf(c.Origin, p.Index, p.Leaf)
		return
	}
	s.log(c.Origin)
	s.basis = s.listed(s.basis, parsed(p.Leaf), c.Origin, p.Index, p.Leaf)
	s.bases++
}

func (s *summarizer) leaf(origin string, index uint64, leaf []byte) {
	l := s.log(origin)
	l.see(index, 1)
	l.shown++
	s.leaves++
	e := parsed(leaf)
	s.countStation(e)
	s.countType(e.Type)
	s.events = s.listed(s.events, e, origin, index, leaf)
}

// parsed is a leaf as an event; anything can be a leaf.
func parsed(leaf []byte) *event.Event {
	e, _, err := event.Parse(leaf)
	if err != nil {
		return &event.Event{Type: "(not an event)", Station: "(none)"}
	}
	return e
}

func (s *summarizer) listed(list []sumEvent, e *event.Event, origin string, index uint64, leaf []byte) []sumEvent {
	if len(list) >= maxSumEvents {
		return list
	}
	line := fmt.Sprintf("%s  %s  %s", stamp(e.Timestamp), Printable(clipLong(e.Station)), Printable(clipLong(e.Type)))
	return append(list, sumEvent{origin, line, shorten(leaf, len(list)), index})
}

// shorten keeps the text of the first few leaves.
func shorten(leaf []byte, have int) string {
	if have >= maxSumTexts {
		return ""
	}
	text := []rune(Printable(string(leaf)))
	if len(text) > maxSumText {
		return string(text[:maxSumText]) + "…"
	}
	return string(text)
}

func (s *summarizer) countStation(e *event.Event) {
	name := e.Station
	c := s.stations[name]
	if c == nil {
		name = strings.Clone(name) // the leaf around it is not kept
		if len(s.stations) >= maxSumNames {
			name = "(others)"
		}
		if c = s.stations[name]; c == nil {
			c = &sumCount{}
			s.stations[name] = c
		}
	}
	c.n++
	if !e.Timestamp.IsZero() {
		c.extend(e.Timestamp)
	}
}

func (s *summarizer) countType(typ string) {
	if _, ok := s.types[typ]; !ok && len(s.types) >= maxSumNames {
		typ = "(others)"
	}
	if _, ok := s.types[typ]; !ok {
		typ = strings.Clone(typ) // the leaf around it is not kept
	}
	s.types[typ]++
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "(no time)"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// text writes the summary. Each line is bounded, and so is their number.
func (s *summarizer) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, `Evidence: %s, and %s out keys.

This summary is for people. It is made of the rest of this file and compared with
it when the file is verified; it proves nothing by itself. Without keys that you
got another way the file agrees with itself and is NOT ANCHORED: whoever made it
could have made up all of it.

    linewatch-verify --trust TRUSTFILE THISFILE

By hand, with sha256sum, openssl and Python: the page verify-by-hand of the documentation.
`, plural(s.leaves, "event", "events"), plural(s.bases, "leaf that bears", "leaves that bear"))
	for _, l := range s.logs {
		l.text(&b)
	}
	if s.moreLogs > 0 {
		b.WriteString("\nand more logs\n")
	}
	if len(s.cosigners) > 0 {
		b.WriteString("\nCosigners named, with the SHA-256 of their keys\n")
		for _, c := range s.cosigners {
			b.WriteString("  " + c + "\n")
		}
	}
	s.counts(&b)
	s.list(&b, "Events", s.events, s.leaves)
	s.list(&b, "What bears out the keys", s.basis, s.bases)
	return b.String()
}

func (l *sumLog) text(b *strings.Builder) {
	fmt.Fprintf(b, "\nLog %s\n", Printable(clipLong(l.origin)))
	for _, k := range l.keys {
		fmt.Fprintf(b, "  key, its SHA-256  %s\n", k)
	}
	if l.known {
		fmt.Fprintf(b, "  leaves %d to %d: %d shown, %d withheld (hash only), %d lost\n", l.first, l.last, l.shown, l.withheld, l.lost)
	}
	if l.notes > 0 {
		fmt.Fprintf(b, "  %s, sizes %d to %d\n", plural(l.notes, "checkpoint", "checkpoints"), l.min, l.max)
	}
	for _, name := range slices.Sorted(maps.Keys(l.times)) {
		t := l.times[name]
		fmt.Fprintf(b, "  cosigned by %s, %s to %s\n", Printable(name), stamp(t.first), stamp(t.last))
	}
}

func (s *summarizer) counts(b *strings.Builder) {
	if len(s.stations) > 0 {
		b.WriteString("\nStations\n")
	}
	for _, name := range slices.Sorted(maps.Keys(s.stations)) {
		c := s.stations[name]
		fmt.Fprintf(b, "  %s: %s, %s to %s\n", Printable(clipLong(name)), plural(c.n, "event", "events"), stamp(c.first), stamp(c.last))
	}
	if len(s.types) > 0 {
		b.WriteString("\nTypes\n")
	}
	for _, name := range slices.Sorted(maps.Keys(s.types)) {
		fmt.Fprintf(b, "  %s: %d\n", Printable(clipLong(name)), s.types[name])
	}
}

func (s *summarizer) list(b *strings.Builder, title string, events []sumEvent, all uint64) {
	if len(events) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, e := range events {
		fmt.Fprintf(b, "  %s\n    leaf %d of %s\n", e.line, e.index, Printable(clipLong(e.origin)))
		if all <= maxSumTexts && e.text != "" {
			fmt.Fprintf(b, "    %s\n", e.text)
		}
	}
	if n := all - uint64(len(events)); n > 0 {
		fmt.Fprintf(b, "  and %d more\n", n)
	}
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// clipLong bounds foreign names, and keeps nothing of what they were cut from.
func clipLong(text string) string {
	if len(text) > 300 {
		return text[:300] + "…"
	}
	return strings.Clone(text)
}
