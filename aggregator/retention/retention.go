// Package retention drops the leaves of old segments in the open: their hashes,
// checkpoints and receipts stay, and a signed tombstone in the ledger says what was
// dropped, by whom, under which policy.
package retention

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// batchLeaves is how many leaves one transaction drops, about: ingest waits for
// no longer than it takes.
const batchLeaves = 5000

// Store is what is dropped from.
type Store interface {
	Logs(ctx context.Context) ([]store.Log, error)
	Segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error]
	LeafHashes(ctx context.Context, log string, from, to uint64) ([]evidence.Hash, error)
	Commit(ctx context.Context, c store.Change) (store.Committed, error)
}

// Ledger commits a change together with the leaves of these events.
type Ledger interface {
	Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error)
}

// Order says what is to be dropped: all whole segments of a class that were
// received before a time, from the beginning of each log on.
type Order struct {
	Class  event.Class
	Before time.Time
	Policy string // the rule that asks for it, in words
	By     string
}

// Part is what an order means for one log.
type Part struct {
	Log    string    `json:"log"`
	Origin string    `json:"origin"`
	First  uint64    `json:"first"`
	End    uint64    `json:"end"`    // behind the last leaf to be dropped
	Leaves uint64    `json:"leaves"` // to be dropped now
	Bytes  uint64    `json:"bytes"`  // of their segments
	From   time.Time `json:"from"`   // when the first was received
	To     time.Time `json:"to"`     // when the last was received
	Root   string    `json:"root"`   // of the log at End

	keys  []Key
	drops []store.Drop
}

// Key is a key that the log took on within what is dropped; verifiers take it from
// the tombstone once the leaf is gone.
type Key struct {
	PublicKey string `json:"publicKey"`
	After     uint64 `json:"after"`
}

// Plan works out what an order would drop, and changes nothing.
func Plan(ctx context.Context, s Store, o Order) ([]Part, error) {
	if !o.Class.Valid() {
		return nil, fmt.Errorf("retention: no such class %q", o.Class)
	}
	if o.Policy == "" || o.Before.IsZero() || o.Before.After(time.Now()) {
		return nil, errors.New("retention: a policy and a time in the past are needed")
	}
	logs, err := s.Logs(ctx)
	if err != nil {
		return nil, fmt.Errorf("retention: %w", err)
	}
	var parts []Part
	for _, lg := range logs {
		// The ledger is what proves the rest: it is never dropped.
		if lg.Class != o.Class || strings.HasPrefix(lg.AgentID, evidence.AggregatorAgent+"/") {
			continue
		}
		p, err := part(ctx, s, lg, o.Before)
		if err != nil {
			return nil, fmt.Errorf("retention: log %s: %w", lg.ID, err)
		}
		if p.Leaves > 0 {
			parts = append(parts, p)
		}
	}
	return parts, nil
}

func part(ctx context.Context, s Store, lg store.Log, before time.Time) (Part, error) {
	p := Part{Log: lg.ID, Origin: lg.Origin}
	var note []byte
	for seg, err := range s.Segments(ctx, lg.ID, 0) {
		if err != nil {
			return p, err
		}
		if !seg.Received.Before(before) {
			break
		}
		if seg.Kind == wire.KindLeaves {
			if p.Leaves == 0 {
				p.From, p.First = seg.Received, seg.First
			}
			p.Leaves, p.Bytes, p.To = p.Leaves+seg.Count, p.Bytes+uint64(len(seg.Frame)), seg.Received
			p.add(seg)
		}
		p.End, note = seg.First+seg.Count, seg.Note
	}
	if p.Leaves == 0 {
		return p, nil
	}
	c, err := evidence.PeekCheckpoint(note)
	if err != nil {
		return p, err
	}
	p.Root = c.Root.String()
	for _, k := range lg.Keys {
		if k.After > p.First && k.After <= p.End {
			p.keys = append(p.keys, Key{base64.StdEncoding.EncodeToString(k.Key), k.After})
		}
	}
	return p, nil
}

// add puts a segment into the last batch, or begins one.
func (p *Part) add(seg store.StoredSegment) {
	end := seg.First + seg.Count
	if last := len(p.drops) - 1; last >= 0 && p.drops[last].End == seg.First && p.drops[last].End-p.drops[last].First < batchLeaves {
		p.drops[last].End = end
		return
	}
	p.drops = append(p.drops, store.Drop{Log: p.Log, First: seg.First, End: end})
}

// Run drops what a plan names. The tombstone of a log is signed in the transaction
// that drops its first leaves, so nothing goes without it; when Run is cut off, the
// same order again drops the rest. progress may be nil.
func Run(ctx context.Context, s Store, l Ledger, o Order, parts []Part, progress func(done, total uint64)) error {
	var done, total uint64
	for _, p := range parts {
		total += p.Leaves
	}
	for _, p := range parts {
		e, err := tombstone(o, p)
		if err != nil {
			return err
		}
		for i, d := range p.drops {
			change := store.Change{Drops: []store.Drop{d}}
			if i == 0 {
				_, err = l.Commit(ctx, change, e)
			} else {
				_, err = s.Commit(ctx, change)
			}
			if err != nil {
				return fmt.Errorf("retention: log %s from %d: %w", p.Log, d.First, err)
			}
			if done += d.End - d.First; progress != nil {
				progress(done, total)
			}
		}
	}
	return nil
}

// Tombstone is event_data of retention.purged.
type Tombstone struct {
	Class    event.Class `json:"class"`
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	Count    uint64      `json:"count"`
	RootHash string      `json:"rootHash"` // of the log at End
	Policy   string      `json:"policy"`
	Log      string      `json:"log"` // origin
	First    uint64      `json:"first"`
	End      uint64      `json:"end"`
	By       string      `json:"by"`
	Keys     []Key       `json:"keys"`
}

func tombstone(o Order, p Part) (event.Event, error) {
	t := Tombstone{
		Class: o.Class, From: p.From.UTC(), To: p.To.UTC(), Count: p.Leaves, RootHash: p.Root, Policy: event.Clean(o.Policy),
		Log: p.Origin, First: p.First, End: p.End, By: o.By, Keys: append([]Key{}, p.keys...),
	}
	data, err := json.Marshal(t)
	if err == nil {
		data, err = event.Normalize(data)
	}
	if err != nil {
		return event.Event{}, fmt.Errorf("retention: tombstone of log %s: %w", p.Log, err)
	}
	return event.Event{Type: event.TypeRetentionPurged, Class: event.Security, Data: data}, nil
}
