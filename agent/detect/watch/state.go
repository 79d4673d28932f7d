package watch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	stateMagic = "linewatch detect 1\n"
	// What no signal claims is kept for this long: a source may be switched off.
	keepUnclaimed = 30 * 24 * time.Hour
	maxState      = 1 << 20
	maxStates     = 200_000
	pausedKey     = "\x00paused"
)

// savedState is the state of one detector as kept.
type savedState struct {
	at    time.Time
	unit  string
	state []byte
}

// stateKey names the state of a detector; signal "" is one of a station.
func stateKey(station, signal, detector string) string {
	return station + "\x00" + signal + "\x00" + detector
}

// load reads the file. A file that is not there is no error; of a damaged one
// what came before the damage counts.
func (w *Watcher) load() error {
	w.saved = map[string]savedState{}
	if w.o.File == "" {
		return nil
	}
	data, err := os.ReadFile(w.o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = decode(data, w.saved)
	}
	_, w.paused = w.saved[pausedKey]
	delete(w.saved, pausedKey)
	if err != nil {
		return fmt.Errorf("what detectors had learnt can't be read, they begin anew: %s: %w", w.o.File, err)
	}
	return nil
}

func decode(data []byte, into map[string]savedState) error {
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	r := bufio.NewReader(zip)
	magic := make([]byte, len(stateMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != stateMagic {
		return errors.New("no file of this program")
	}
	for range maxStates {
		key, err := readPart(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at, err1 := binary.ReadVarint(r)
		unit, err2 := readPart(r)
		state, err3 := readPart(r)
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Errorf("cut off: %w", err)
		}
		into[string(key)] = savedState{time.Unix(0, at), string(unit), state}
	}
	return errors.New("more states than there can be")
}

// readPart reads a length and so many bytes; io.EOF only before the length.
func readPart(r *bufio.Reader) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > maxState {
		return nil, fmt.Errorf("a part of %d bytes", n)
	}
	part := make([]byte, n)
	if _, err := io.ReadFull(r, part); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return part, nil
}

// Recall takes up states that were written with events; they count where they
// are younger than the file. Call it before the first value of the source.
func (w *Watcher) Recall(kept map[string][]byte) {
	for key, value := range kept {
		if len(value) < 8 {
			continue
		}
		at := time.Unix(0, int64(binary.BigEndian.Uint64(value)))
		if old, ok := w.saved[key]; ok && !at.After(old.at) {
			continue
		}
		w.saved[key] = savedState{at: at, state: value[8:]}
	}
}

// stamp puts a time before a state that is written with an event.
func stamp(now time.Time, state []byte) []byte {
	if state == nil {
		return nil
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(now.UnixNano())), state...)
}

// restore gives a detector its state back. One of another unit is worth nothing.
func (w *Watcher) restore(key, unit string, k detect.Keeper) {
	saved, ok := w.saved[key]
	if !ok {
		return
	}
	delete(w.saved, key)
	if saved.unit != "" && unit != "" && saved.unit != unit {
		w.o.Logger.Warn("what was learnt in another unit is forgotten", "detector", key, "was", saved.unit, "is", unit)
		w.forgotten(key, saved.unit, unit)
		return
	}
	if err := k.Restore(saved.state); err != nil {
		w.o.Logger.Warn("a detector begins anew", "detector", key, "error", err)
	}
}

// forgotten says that what was learnt of a signal is worth nothing in its new unit.
func (w *Watcher) forgotten(key, was, is string) {
	parts := strings.Split(key, "\x00")
	w.waiting = append(w.waiting, Out{
		Point: &source.Point{Kind: "agent", Station: parts[0], Unit: is},
		Finding: detect.Finding{
			Type: event.TypeSignalLearning, Condition: "Unit", Detector: "watch",
			Data: map[string]any{
				"signal": parts[1], "detector": parts[2], "state": "lost",
				"explanation": fmt.Sprintf("%s comes in %s now and was learnt in %s: learning begins anew.", parts[1], is, was),
			},
		},
	})
}

// keep is the state of a detector that belongs into the transaction of its event.
func (s *Signal) keep(detector string, now time.Time) (string, []byte) {
	var k detect.Keeper
	switch detector {
	case "health":
		k = s.beat
	case "states":
		if s.states == nil {
			return "", nil
		}
		k = s.states
	default:
		i := slices.Index(s.names, detector)
		if i < 0 {
			return "", nil
		}
		var ok bool
		if k, ok = s.list[i].(detect.Keeper); !ok {
			return "", nil
		}
	}
	return stateKey(s.of.Station, s.of.Name, detector), stamp(now, k.Save())
}

// Save writes the file. It holds the Watcher for a few signals at a time, never
// while it packs or writes: values go on meanwhile.
func (w *Watcher) Save(now time.Time) error {
	if w.o.File == "" {
		return nil
	}
	data, err := w.encode(now)
	if err != nil {
		return fmt.Errorf("save what detectors learnt: %w", err)
	}
	return durable.WriteFile(w.o.File, data, 0o600)
}

// entry is one state on its way into the file.
type entry struct {
	key string
	savedState
}

// atOnce is how many signals are asked for their state without a pause.
const atOnce = 32

func (w *Watcher) encode(now time.Time) ([]byte, error) {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	_, failed := zip.Write([]byte(stateMagic))
	var buf []byte
	part := func(b []byte) { buf = append(binary.AppendUvarint(buf, uint64(len(b))), b...) }
	put := func(list []entry) {
		for _, e := range list {
			if e.state == nil || len(e.state) > maxState {
				continue
			}
			buf = buf[:0]
			part([]byte(e.key))
			buf = binary.AppendVarint(buf, e.at.UnixNano())
			part([]byte(e.unit))
			part(e.state)
			_, err := zip.Write(buf)
			failed = errors.Join(failed, err)
		}
	}
	put(w.common(now))
	for from, more := 0, true; more; from += atOnce {
		var list []entry
		list, more = w.collect(from, now)
		put(list)
	}
	if err := errors.Join(failed, zip.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// common are the states that belong to no signal, and those that no signal claimed.
func (w *Watcher) common(now time.Time) (list []entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused {
		list = append(list, entry{pausedKey, savedState{at: now, state: []byte{1}}})
	}
	for _, st := range w.stations {
		for n, k := range st.keeper {
			list = append(list, entry{stateKey(st.name, "", n), savedState{at: now, state: k.Save()}})
		}
	}
	for key, s := range w.saved {
		if now.Sub(s.at) < keepUnclaimed {
			list = append(list, entry{key, s})
		}
	}
	return list
}

// collect asks some signals for their states; more is false behind the last.
func (w *Watcher) collect(from int, now time.Time) (list []entry, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	to := min(from+atOnce, len(w.ordered))
	for _, s := range w.ordered[min(from, to):to] {
		s.eachKeeper(func(name string, k detect.Keeper) {
			list = append(list, entry{stateKey(s.of.Station, s.of.Name, name), savedState{now, s.of.Unit, k.Save()}})
		})
	}
	return list, to < len(w.ordered)
}

func (s *Signal) eachKeeper(f func(name string, k detect.Keeper)) {
	f("health", s.beat)
	if s.states != nil {
		f("states", s.states)
	}
	for i, d := range s.list {
		if k, ok := d.(detect.Keeper); ok {
			f(s.names[i], k)
		}
	}
}

// stationPoint is what an event of a station is of.
func (w *Watcher) stationPoint(st *station) *source.Point {
	return &source.Point{Kind: "agent", Station: st.name}
}

// Began is the event that says how the detectors start: with what was learnt
// before, or anew; nil when there is nothing to say.
func (w *Watcher) Began(err error) *detect.Finding {
	if err == nil {
		return nil
	}
	return &detect.Finding{
		Type: event.TypeSignalLearning, Condition: "State", Detector: "watch",
		Data: map[string]any{"signal": "all", "detector": "all", "state": "lost", "explanation": err.Error()},
	}
}
