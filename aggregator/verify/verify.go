// Package verify walks a whole store and proves what it holds: every segment is
// hashed again, every checkpoint and receipt opened under the keys that may sign
// it, every log compared with the roots that the ledger wrote down.
package verify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
)

// maxFindings bounds a report; what comes beyond is only counted.
const maxFindings = 1000

// Store is what is walked.
type Store interface {
	Logs(ctx context.Context) ([]store.Log, error)
	LeafHashes(ctx context.Context, log string, from, to uint64) ([]evidence.Hash, error)
	Segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error]
	RootLists(ctx context.Context, log string, from uint64) iter.Seq2[store.RootList, error]
	Rows(ctx context.Context, log string, from, to uint64) ([]store.Row, error)
	EventAt(ctx context.Context, log string, index uint64) (store.Row, error)
	Feed(ctx context.Context, after string, limit int) (store.FeedPage, error)
	WrappedKeys(ctx context.Context, ids []string) (map[string][]byte, error)
}

// Options says what is trusted and how far to look. Store is required.
type Options struct {
	Store Store
	// Cosigners are the keys whose receipts count.
	Cosigners []evidence.CosignerKey
	// Until says of revoked cosigner keys (by their bytes) up to when their receipts count.
	Until map[string]time.Time
	// Ledger are the keys of the aggregator's own logs, earlier ones too, from
	// outside of the store. Without them the store can only be shown to agree with itself.
	Ledger []ed25519.PublicKey
	// Project checks each row of the read model against its leaf, and that there
	// are no other rows, when set (slow).
	Project store.Projector
	// Destroyed returns the newest signed list of destroyed data keys, which counts
	// and not what the store says of them; nil: none was destroyed.
	Destroyed func() seal.Destroyed
	// State is a file that holds how far the walk came; a walk that finds it goes on
	// from there, and removes it at its end. "" does without.
	State string
	// Progress is told the leaves checked and those of all logs; may be nil.
	Progress func(done, total uint64)
}

// Finding is one thing that is not as it must be.
type Finding struct {
	Origin string `json:"origin"`
	Index  uint64 `json:"index"` // of the first leaf concerned
	What   string `json:"what"`
}

// Report says what was checked and what was found.
type Report struct {
	Logs     int    `json:"logs"`
	Segments uint64 `json:"segments"`
	Leaves   uint64 `json:"leaves"`
	Lost     uint64 `json:"lost"` // leaves in declared holes
	// DroppedLeaves are gone in the open: Dropped says by which tombstones.
	DroppedLeaves uint64    `json:"dropped_leaves"`
	Dropped       []Dropped `json:"dropped,omitempty"`
	// SealedLeaves name wrapped data keys of sealed fields. Of them ErasedLeaves name
	// one on the signed list of destroyed keys, KeyLostLeaves one that their station
	// declared lost, KeyMissingLeaves one that ought to be there: a finding.
	SealedLeaves     uint64 `json:"sealed_leaves"`
	ErasedLeaves     uint64 `json:"erased_leaves"`
	KeyLostLeaves    uint64 `json:"key_lost_leaves"`
	KeyMissingLeaves uint64 `json:"key_missing_leaves"`
	// Resumed: a part was checked by an earlier call with the same state.
	Resumed  bool      `json:"resumed,omitempty"`
	Roots    uint64    `json:"roots"` // log.roots lists
	Anchored bool      `json:"anchored"`
	Forked   []string  `json:"forked,omitempty"` // quarantined logs
	Findings []Finding `json:"findings"`
	More     int       `json:"more_findings,omitempty"`
}

// OK: nothing was found.
func (r Report) OK() bool { return len(r.Findings) == 0 }

// walk is one verification.
type walk struct {
	o     Options
	ctx   context.Context
	rep   Report
	total uint64
	// What the ledger says, by agent id and by origin.
	enrolled   map[string][]ed25519.PublicKey
	registered map[string]ed25519.PublicKey
	witnessed  map[string]map[uint64]witness // by origin and size
	rooted     map[string][]rooted           // by ledger log: its log.roots leaves
	begun      []begun
	rows       map[string]uint64          // of the read model that leaves have shown, by log id
	tombs      map[string][]tomb          // by origin of the log that they speak of
	lost       map[string]map[string]bool // data keys declared lost, by origin
	keysKnown  map[string]bool            // data keys that are stored

	state   state
	resumed bool
	saved   time.Time
	base    Report // of the ledger's logs
}

type witness struct {
	root   evidence.Hash
	origin string // of the ledger log that says so
	index  uint64
	met    bool
}

type rooted struct {
	index uint64
	root  string
}

// begun is a log with the key that it was registered with.
type begun struct {
	origin, agent string
	key           ed25519.PublicKey
}

// Run walks the store as it was when the call began; it may be in use meanwhile.
// An error means that the store could not be read; what is
// wrong in it is in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	logs, err := o.Store.Logs(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	w := &walk{
		o: o, ctx: ctx, enrolled: map[string][]ed25519.PublicKey{}, registered: map[string]ed25519.PublicKey{},
		witnessed: map[string]map[uint64]witness{}, rooted: map[string][]rooted{}, rows: map[string]uint64{}, tombs: map[string][]tomb{},
		lost: map[string]map[string]bool{}, keysKnown: map[string]bool{},
	}
	w.rep.Anchored, w.rep.Findings = len(o.Ledger) > 0, []Finding{}
	for _, lg := range logs {
		w.total += lg.Size
	}
	// The ledger first: it says which keys and sizes the other logs must have.
	slices.SortStableFunc(logs, func(a, b store.Log) int { return rank(a) - rank(b) })
	split := 0
	for split < len(logs) && rank(logs[split]) == 0 {
		split++
	}
	for _, lg := range logs[:split] {
		if err := w.lists(lg); err != nil {
			return w.rep, err
		}
	}
	if err := w.all(logs[:split], logs[split:]); err != nil {
		return w.rep, err
	}
	w.compareLists()
	w.unmet()
	w.strangers()
	w.removed(logs)
	if o.Project != nil {
		if err := w.invented(logs); err != nil {
			return w.rep, err
		}
	}
	slices.SortStableFunc(w.rep.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Index, b.Index))
	})
	seen := map[Finding]bool{} // a broken log is met again by a walk that resumes
	w.rep.Findings = slices.DeleteFunc(w.rep.Findings, func(f Finding) bool {
		defer func() { seen[f] = true }()
		return seen[f]
	})
	return w.rep, w.forget()
}

// all walks the ledger's logs, then the others from where an earlier walk left them.
func (w *walk) all(ledger, others []store.Log) error {
	for _, lg := range ledger {
		if err := w.log(lg); err != nil {
			return err
		}
	}
	if err := w.load(); err != nil {
		return err
	}
	w.base, w.saved = w.rep, time.Now()
	w.rep = w.rep.plus(w.state.Report)
	w.rep.Resumed = w.resumed
	for _, lg := range others {
		if err := w.log(lg); err != nil {
			return err
		}
	}
	return nil
}

func rank(lg store.Log) int {
	if strings.HasPrefix(lg.AgentID, evidence.AggregatorAgent+"/") {
		return 0
	}
	return 1
}

func (w *walk) find(origin string, index uint64, format string, args ...any) {
	if len(w.rep.Findings) >= maxFindings {
		w.rep.More++
		return
	}
	w.rep.Findings = append(w.rep.Findings, Finding{origin, index, fmt.Sprintf(format, args...)})
}

// lists reads the checkpoint lists behind a ledger log's log.roots leaves: what
// every log has to contain at those sizes.
func (w *walk) lists(lg store.Log) error {
	for list, err := range w.o.Store.RootLists(w.ctx, lg.ID, 0) {
		if err != nil {
			return fmt.Errorf("verify: root lists of log %s: %w", lg.ID, err)
		}
		if list.Index >= lg.Size {
			break // written after the walk began
		}
		w.rep.Roots++
		root, checkpoints, err := openList(list.Lines)
		if err != nil {
			w.find(lg.Origin, list.Index, "the list behind log.roots is damaged: %v", err)
			continue
		}
		w.rooted[lg.ID] = append(w.rooted[lg.ID], rooted{list.Index, root.String()})
		for _, c := range checkpoints {
			if w.witnessed[c.Origin] == nil {
				w.witnessed[c.Origin] = map[uint64]witness{}
			}
			w.witnessed[c.Origin][c.Size] = witness{root: c.Root, origin: lg.Origin, index: list.Index}
		}
	}
	return nil
}

// openList reads a list of checkpoint bodies, each followed by an empty line, and
// returns their RFC 6962 root.
func openList(lines []byte) (evidence.Hash, []evidence.Checkpoint, error) {
	var out []evidence.Checkpoint
	var hashes []evidence.Hash
	for len(lines) > 0 {
		end := bytes.Index(lines, []byte("\n\n"))
		if end < 0 {
			return evidence.Hash{}, nil, errors.New("cut off")
		}
		body := lines[:end+1]
		c, err := evidence.ParseCheckpoint(body)
		if err != nil {
			return evidence.Hash{}, nil, err
		}
		out, hashes, lines = append(out, c), append(hashes, evidence.LeafHash(body)), lines[end+2:]
	}
	r := evidence.RangeOf(0, hashes)
	root, err := r.Root()
	return root, out, err
}

// ledgerLeaf takes what a ledger leaf says of keys and roots.
func (w *walk) ledgerLeaf(lg store.Log, index uint64, typ string, data []byte) {
	switch typ {
	case event.TypeAgentEnrolled:
		var d struct{ AgentID, PublicKey string }
		if key, err := decodeKey(data, &d, &d.PublicKey); err == nil {
			w.enrolled[d.AgentID] = append(w.enrolled[d.AgentID], key)
		}
	case event.TypeLogRegistered:
		var d struct{ Origin, PublicKey string }
		if key, err := decodeKey(data, &d, &d.PublicKey); err == nil {
			if was, ok := w.registered[d.Origin]; ok && !was.Equal(key) {
				w.find(lg.Origin, index, "log %s is registered twice with different keys", d.Origin)
				return
			}
			w.registered[d.Origin] = key
		}
	case event.TypeRetentionPurged:
		w.purged(lg, index, data)
	case event.TypeIngestQuarantined:
		w.lostKeys(data)
	case event.TypeLogRoots:
		var d struct{ Root string }
		if json.Unmarshal(data, &d) != nil {
			w.find(lg.Origin, index, "log.roots is not understood")
			return
		}
		for i, r := range w.rooted[lg.ID] {
			if r.index == index {
				if r.root != d.Root {
					w.find(lg.Origin, index, "the kept list of checkpoints does not have the root of the log.roots leaf")
				}
				w.rooted[lg.ID] = slices.Delete(w.rooted[lg.ID], i, i+1)
				return
			}
		}
		w.find(lg.Origin, index, "the list of checkpoints behind log.roots is missing")
	}
}

// decodeKey reads event_data with a base64 Ed25519 key in it.
func decodeKey(data []byte, into any, text *string) (ed25519.PublicKey, error) {
	if err := json.Unmarshal(data, into); err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(*text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("no key")
	}
	return key, nil
}

// compareLists reports lists that belong to no leaf.
func (w *walk) compareLists() {
	for log, left := range w.rooted {
		for _, r := range left {
			w.find(log, r.index, "a list of checkpoints belongs to no log.roots leaf")
		}
	}
}

// unmet reports checkpoints that the ledger wrote down and no log has: a log was
// cut off, replaced, or removed.
func (w *walk) unmet() {
	for origin, sizes := range w.witnessed {
		for size, x := range sizes {
			if !x.met {
				w.missed(origin, size, x)
			}
		}
	}
}

func (w *walk) missed(origin string, size uint64, x witness) {
	w.find(origin, size, "the ledger (%s, leaf %d) knows this log at size %d, the store does not", x.origin, x.index, size)
}

// removed reports logs that the ledger registered and the store does not have.
func (w *walk) removed(logs []store.Log) {
	for origin := range w.registered {
		if !slices.ContainsFunc(logs, func(lg store.Log) bool { return lg.Origin == origin }) {
			w.find(origin, 0, "the ledger registered this log, the store does not have it")
		}
	}
}

// strangers reports logs whose key is none that the ledger or a log.key leaf
// gives to their agent.
func (w *walk) strangers() {
	for _, b := range w.begun {
		if !slices.ContainsFunc(w.enrolled[b.agent], func(k ed25519.PublicKey) bool { return k.Equal(b.key) }) {
			w.find(b.origin, 0, "the ledger knows no enrolment of agent %s with this log's key", b.agent)
		}
	}
}
