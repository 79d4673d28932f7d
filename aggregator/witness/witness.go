// Package witness has the checkpoints of the aggregator's own logs cosigned by
// witnesses, after every minute, and keeps what they cosigned. It never holds
// anything up: a witness that is away is asked again a minute later.
package witness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	protocol "github.com/linewatch/linewatch/shared/witness"
)

// Store is what is needed of the database.
type Store interface {
	Commit(ctx context.Context, c store.Change) (store.Committed, error)
	Logs(ctx context.Context) ([]store.Log, error)
	Log(ctx context.Context, log string) (store.Log, error)
	LeafHashes(ctx context.Context, log string, from, to uint64) ([]evidence.Hash, error)
	Proof(ctx context.Context, log string, index, size uint64) ([]evidence.Hash, error)
	Setting(ctx context.Context, key string) ([]byte, error)
	Segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error]
}

// Options says whose logs are shown to whom. Store and Agent are required.
type Options struct {
	Store     Store
	Ledger    Ledger               // takes what witnesses say against it; nil: only the program's log does
	Agent     string               // agent part of the ledger's origins
	Cosigner  evidence.CosignerKey // the aggregator's own
	Witnesses []*protocol.Client
	Logger    *slog.Logger
	Every     time.Duration // between two rounds; default one minute
	Now       func() time.Time
}

// Keeper asks the witnesses and keeps their answers.
type Keeper struct {
	opts Options
	mu   sync.Mutex
	// told is the size that each witness last told us, by witness and log.
	told map[string]uint64
}

// New returns a keeper; Run it.
func New(o Options) *Keeper {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Every == 0 {
		o.Every = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keeper{opts: o, told: map[string]uint64{}}
}

// Run makes a round after each interval, until ctx is done.
func (k *Keeper) Run(ctx context.Context) error {
	if len(k.opts.Witnesses) == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(k.opts.Every)
	defer tick.Stop()
	for {
		if err := k.Round(ctx); err != nil && ctx.Err() == nil {
			k.opts.Logger.Warn("witnesses", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Round shows the witnesses every log of the ledger that grew since the last note
// that they cosigned.
func (k *Keeper) Round(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	logs, err := k.opts.Store.Logs(ctx)
	if err != nil {
		return fmt.Errorf("reading the logs: %w", err)
	}
	newest := time.Time{}
	for _, l := range logs {
		if l.Registered.After(newest) {
			newest = l.Registered
		}
	}
	var failed []error
	for _, l := range logs {
		if l.AgentID == k.opts.Agent && l.State == store.LogActive && l.Size > 0 {
			if err := k.show(ctx, l, newest); err != nil {
				failed = append(failed, fmt.Errorf("log %s: %w", l.Origin, err))
			}
		}
	}
	return errors.Join(failed...)
}

// show has one log's newest checkpoint cosigned and keeps the note.
func (k *Keeper) show(ctx context.Context, l store.Log, registered time.Time) error {
	kept, err := k.kept(ctx, l.ID)
	if err != nil {
		return err
	}
	if kept.Size == l.Size && kept.Lines >= len(k.opts.Witnesses) {
		return nil
	}
	note, lines, failed := l.Receipt, 0, []error(nil)
	for _, w := range k.opts.Witnesses {
		signed, err := k.ask(ctx, w, l)
		if err != nil {
			failed = append(failed, err)
			if c, ok := errors.AsType[*conflict](err); ok {
				failed = append(failed, k.record(ctx, w, l, c))
			}
			continue
		}
		note, lines = append(slices.Clip(note), signed[len(l.Receipt):]...), lines+1
	}
	if lines > 0 { // nothing but the lines of those who were asked
		if note, err = evidence.Canonical(note, l.Origin, l.Keys, k.known()...); err != nil {
			return errors.Join(append(failed, err)...)
		}
	}
	if lines > 0 && (kept.Size < l.Size || lines > kept.Lines) {
		failed = append(failed, k.keep(ctx, l, kept, note, lines, registered))
	}
	return errors.Join(failed...)
}

// ask brings one witness from the size that it knows to the log's newest.
func (k *Keeper) ask(ctx context.Context, w *protocol.Client, l store.Log) ([]byte, error) {
	id := w.By.Name + " " + l.ID
	for range 2 { // the first answer may tell the size that it knows
		r := protocol.Request{Old: k.told[id], Checkpoint: l.Receipt}
		if r.Old > l.Size {
			return nil, k.older(ctx, w, l, r.Old)
		}
		var err error
		if r.Proof, err = k.consistency(ctx, l, r.Old); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		note, err := w.Add(ctx, r)
		cancel()
		if err == nil {
			k.told[id] = l.Size
			return note, nil
		}
		known, ok := errors.AsType[*protocol.ConflictError](err)
		if !ok || known.Size == r.Old {
			return nil, against(r.Old, err)
		}
		k.told[id] = known.Size
	}
	return nil, fmt.Errorf("witness %s does not settle on a size; is another aggregator using this key?", w.By.Name)
}

// consistency is the proof that the log of its size begins with the log of old
// leaves, read out of one inclusion proof.
func (k *Keeper) consistency(ctx context.Context, l store.Log, old uint64) ([]evidence.Hash, error) {
	if old == 0 || old == l.Size {
		return nil, nil
	}
	path, err := k.opts.Store.Proof(ctx, l.ID, old-1, l.Size)
	if err != nil {
		return nil, err
	}
	last, err := k.opts.Store.LeafHashes(ctx, l.ID, old-1, old)
	if err != nil {
		return nil, err
	}
	if len(last) != 1 {
		return nil, fmt.Errorf("leaf %d: %w", old-1, store.ErrNotFound)
	}
	return evidence.ConsistencyFromInclusion(old, l.Size, last[0], path)
}

// state is what is kept of one log: its newest witnessed note, and how many were
// kept for good, each under a key of its own.
type state struct {
	Size   uint64    `json:"size"`
	Note   string    `json:"note"`
	Lines  int       `json:"lines"` // of witnesses
	Kept   int       `json:"kept"`
	KeptAt time.Time `json:"kept_at"`
}

func settingOf(log string) string { return "witnessed/" + log }

func keptOf(log string, n int) string { return fmt.Sprintf("witnessed/%s/%d", log, n) }

// keepEvery is the time after which a note is kept for good even when no log was
// registered: proofs under kept notes never change.
const keepEvery = time.Hour

func (k *Keeper) kept(ctx context.Context, log string) (state, error) {
	var s state
	text, err := k.opts.Store.Setting(ctx, settingOf(log))
	if errors.Is(err, store.ErrNotFound) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("kept notes: %w", err)
	}
	return s, nil
}

// keep stores a note as the newest and, for good, when a log was registered since
// the last that was kept so, or an hour passed. A witness that stays away does not
// keep proofs from settling: after two hours more than half of them will do.
func (k *Keeper) keep(ctx context.Context, l store.Log, s state, note []byte, lines int, registered time.Time) error {
	now := k.opts.Now().UTC()
	s.Size, s.Note, s.Lines = l.Size, string(note), lines
	change := store.Change{Settings: map[string][]byte{}}
	waiting := now.Sub(s.KeptAt)
	if s.Kept == 0 {
		waiting = now.Sub(registered)
	}
	all := lines == len(k.opts.Witnesses)
	if all && (s.Kept == 0 || registered.After(s.KeptAt) || waiting >= keepEvery) || 2*lines > len(k.opts.Witnesses) && waiting >= 2*keepEvery {
		change.Settings[keptOf(l.ID, s.Kept)] = note
		s.Kept, s.KeptAt = s.Kept+1, now
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("kept notes: %w", err)
	}
	change.Settings[settingOf(l.ID)] = text
	_, err = k.opts.Store.Commit(ctx, change)
	return err
}

// Witnessed returns the first note kept whose size is at least the one given, else
// the newest if it is; the newest of all for size 0; nil without one.
func (k *Keeper) Witnessed(ctx context.Context, log string, size uint64) ([]byte, error) {
	s, err := k.kept(ctx, log)
	if err != nil || s.Size == 0 || s.Size < size {
		return nil, err
	}
	if size == 0 {
		return []byte(s.Note), nil
	}
	var failed error
	note := []byte(nil)
	low, high := 0, s.Kept
	for low < high && failed == nil {
		mid := (low + high) / 2
		text, err := k.opts.Store.Setting(ctx, keptOf(log, mid))
		c, bad := evidence.PeekCheckpoint(text)
		switch {
		case err != nil || bad != nil:
			failed = errors.Join(err, bad)
		case c.Size < size:
			low = mid + 1
		default:
			high, note = mid, text
		}
	}
	if failed != nil {
		return nil, fmt.Errorf("kept notes of %s: %w", log, failed)
	}
	if note == nil {
		note = []byte(s.Note)
	}
	return note, nil
}

// Head is a ledger log as somebody outside may write it down.
type Head struct {
	Origin    string     `json:"origin"`
	Size      uint64     `json:"size"`
	Root      string     `json:"root"`
	Note      string     `json:"note"`
	Witnesses []Cosigned `json:"witnesses"`
	At        time.Time  `json:"at"` // of the aggregator's own line
}

// Cosigned is one line of a witness.
type Cosigned struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// Heads returns of each active log of the ledger the newest note that witnesses
// cosigned or, without one, the newest receipt; sorted by origin.
func (k *Keeper) Heads(ctx context.Context) ([]Head, error) {
	logs, err := k.opts.Store.Logs(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the logs: %w", err)
	}
	slices.SortFunc(logs, func(a, b store.Log) int { return strings.Compare(a.Origin, b.Origin) })
	var out []Head
	for _, l := range logs {
		if l.AgentID != k.opts.Agent || l.State != store.LogActive || l.Size == 0 {
			continue
		}
		note, err := k.Witnessed(ctx, l.ID, 0)
		if err != nil {
			return nil, err
		}
		if note == nil {
			note = l.Receipt
		}
		h, err := k.head(note)
		if err != nil {
			return nil, fmt.Errorf("log %s: %w", l.Origin, err)
		}
		out = append(out, h)
	}
	return out, nil
}

// known are the keys of the aggregator and of its witnesses.
func (k *Keeper) known() []evidence.CosignerKey {
	list := []evidence.CosignerKey{k.opts.Cosigner}
	for _, w := range k.opts.Witnesses {
		list = append(list, w.By)
	}
	return list
}

func (k *Keeper) head(note []byte) (Head, error) {
	c, lines, err := evidence.Lines(note, nil, k.known())
	if err != nil {
		return Head{}, err
	}
	h := Head{Origin: c.Origin, Size: c.Size, Root: c.Root.String(), Note: string(note), Witnesses: []Cosigned{}}
	for _, line := range lines {
		switch {
		case line.State != evidence.LineGood:
		case line.By.Name == k.opts.Cosigner.Name:
			h.At = line.At
		default:
			h.Witnesses = append(h.Witnesses, Cosigned{line.Name, line.At})
		}
	}
	return h, nil
}
