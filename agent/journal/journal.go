// Package journal is the agent's durable, signed buffer: one sequence of rotating
// bbolt files that holds a Merkle log per retention class, written by one
// goroutine whose commit carries leaves, source positions and one signed
// checkpoint per log touched in one transaction.
package journal

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/seal"
)

// Limits of one checkpoint, and of one transaction, which holds several checkpoints
// of a log when it must; a larger Append becomes several transactions.
const (
	MaxCommitLeaves = 1000
	MaxCommitBytes  = 4 << 20 // leaves with their two bytes of length
	MaxAppendLeaves = 8 * MaxCommitLeaves
	MaxAppendBytes  = 2 * MaxCommitBytes // half of the smallest file
)

// Errors that callers branch on.
var (
	// ErrFull: even the reserve of the security class is used up; nothing was
	// taken, the source must not acknowledge.
	ErrFull = errors.New("journal is full")
	// ErrClosed: the journal was closed.
	ErrClosed = errors.New("journal is closed")
	// ErrLocked: another process has this journal open.
	ErrLocked = errors.New("journal is in use by another process")
)

// Options configure Open. Zero values take the default named with each field.
type Options struct {
	Dir     string
	Quota   int64 // bytes of the folder; 0 = 10 % of the disk, 2 to 20 GiB
	MaxFile int64 // bytes of one file; 0 = 64 MiB
	// Gentle allows ten commits a second after a first one at once (flash disks).
	Gentle bool
	// Refill is how long a receipted file is kept for an aggregator that comes
	// back from an old backup; 0 = 7 days, negative = not at all.
	Refill time.Duration
	// Ballast is the part of the security class's reserve that is held by a file
	// until the disk itself is full; 0 = 64 MiB, negative = none.
	Ballast int64

	Signer crypto.Signer // Ed25519; signs all logs of this agent
	// Next is the key of a change that may have been cut off: it is taken instead of
	// Signer when the newest file says that it is in use. Usually nil.
	Next crypto.Signer
	// Reason is why Signer is another key than that of the files; "" = it changed.
	Reason  string
	AgentID string // see evidence.AgentID
	// Memory is a file outside of Dir that names the logs, so that a folder that was
	// removed is noticed; "" = none.
	Memory  string
	Station string // of the journal's own events
	Version string // of the program, for metadata.agent

	Logger *slog.Logger
	Now    func() time.Time
	// Boot returns the id of this boot and the time since then.
	Boot func() (id string, monotonic time.Duration)

	Heartbeat     time.Duration // 0 = 5 minutes
	PositionDelay time.Duration // 0 = 30 s
	ScrubRate     int64         // bytes per second; 0 = 8 MiB, negative = no scrub
}

// Leaf is one event to append. The journal keeps Bytes; they must not change afterwards.
type Leaf struct {
	Class event.Class
	Bytes []byte
	Keys  []*seal.DataKey // that Bytes names under "sealed"
}

// Outcome says what of an Append was not written: refused by the quota and counted.
type Outcome struct {
	Refused map[event.Class]uint64 // nil for none
	// Taken are the leaves, from the first on, that are durable or refused: all of
	// them without an error. With one the rest alone is to be handed over again.
	Taken int
}

// LogInfo is the head of one log.
type LogInfo struct {
	ID        string
	Origin    string
	Class     event.Class
	Size      uint64 // durable leaves
	Receipted uint64 // size of the newest receipt
	Kept      uint64 // index of the first leaf that is still on disk
	State     string // active, closed, superseded

	Predecessor string // origin, "" for none
	// Unproven: it began under a key of which the aggregator has not confirmed yet,
	// by a log.key leaf of another log, that it is this agent's.
	Unproven bool
}

// Journal is an open journal. All methods may be called concurrently.
type Journal struct {
	opts  Options
	log   *slog.Logger
	pub   ed25519.PublicKey
	keyID string

	queue chan *request
	stop  chan struct{}
	ended chan struct{}
	once  sync.Once
	wg    sync.WaitGroup

	// dbMu guards the exchange of live: the writer holds it to close and reopen,
	// readers of the live file while they read.
	dbMu sync.RWMutex
	live *live // nil after a failure, until it is opened again

	// mu guards what follows. Only the writer changes it, but for receipts; the
	// writer may therefore read all but receipts without it.
	mu        sync.RWMutex
	logs      map[string]*logState
	active    map[event.Class]*logState
	files     []*fileInfo // oldest first; the last one is live
	holes     map[string][]holeRecord
	bad       map[string]badRecord
	positions map[string]map[string][]byte
	recent    recent
	changed   chan struct{}
	refused   refusals
	verified  map[string]evidence.Range // by log: frontier up to which catch-up was read and checked
	scrubbed  time.Time
	lastError string

	space    space
	pending  []source.Position // positions without events, for the next commit
	oldest   time.Time         // of pending
	lastWork time.Time         // of the last commit, for gentle
	halved   bool              // the newest file had a damaged meta page when it was opened
	doubt    *batch            // failed, and perhaps on disk
	retryAt  time.Time         // before this time a failed live file isn't tried again
	commits  uint64
	written  uint64          // leaf bytes
	gone     map[string]bool // data keys of the newest Destroy

	lock       *os.File // see lockName
	remembered memory   // what Options.Memory says
	removed    bool     // the folder was removed since then
}

// Open opens or creates the journal in o.Dir. It needs a few milliseconds
// whatever is buffered: only the newest file is read, from its last frontier.
// Damage never fails it: a damaged newest file is set aside and its logs are
// succeeded. It fails when the folder can't be used or another process has it.
func Open(ctx context.Context, o Options) (*Journal, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	pub, ok := o.Signer.Public().(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("journal: signing key is %T, need Ed25519", o.Signer.Public())
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{
		opts: o, log: o.Logger, pub: pub, keyID: keyID(pub),
		queue: make(chan *request, 1024), stop: make(chan struct{}), ended: make(chan struct{}),
		logs: map[string]*logState{}, active: map[event.Class]*logState{},
		holes: map[string][]holeRecord{}, bad: map[string]badRecord{},
		positions: map[string]map[string][]byte{}, changed: make(chan struct{}),
		verified: map[string]evidence.Range{},
	}
	var err error
	if j.lock, err = lockFolder(o.Dir); err != nil {
		return nil, fmt.Errorf("journal %s: %w", o.Dir, err)
	}
	if err := j.load(ctx); err != nil {
		if j.live != nil {
			_ = j.live.close() // a damaged one may refuse
		}
		_ = j.lock.Close() // nothing was written to it
		return nil, fmt.Errorf("journal %s: %w", o.Dir, err)
	}
	j.wg.Go(j.run)
	j.wg.Go(j.scrubLoop)
	return j, nil
}

func (o *Options) complete() error {
	if o.Dir == "" || o.Signer == nil || o.AgentID == "" || o.Station == "" {
		return errors.New("journal: Dir, Signer, AgentID and Station are required")
	}
	orDefault(&o.MaxFile, 64<<20)
	orDefault(&o.Ballast, 64<<20)
	orDefault(&o.Refill, 7*24*time.Hour)
	orDefault(&o.Heartbeat, 5*time.Minute)
	orDefault(&o.PositionDelay, 30*time.Second)
	orDefault(&o.ScrubRate, 8<<20)
	if o.MaxFile < 1<<20 || o.MaxFile > 128<<20 {
		return fmt.Errorf("journal: file size %d is not between 1 and 128 MiB", o.MaxFile)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Boot == nil {
		o.Boot = identity.Boot
	}
	return nil
}

func orDefault[T int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

func keyID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:])
}

// KeyID is the hex SHA-256 of the public key that signs now.
func (j *Journal) KeyID() string {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.keyID
}

// KeyIDOf is the id of a public key as KeyID and the files give it.
func KeyIDOf(pub ed25519.PublicKey) string { return keyID(pub) }

// Close writes the last heartbeat, waits for the writer and closes the files.
func (j *Journal) Close() error {
	j.once.Do(func() {
		close(j.stop)
		j.wg.Wait()
		_ = j.lock.Close() // nothing was written to it
	})
	j.wg.Wait()
	return nil
}

// Positions returns what a source stored; the caller owns the map.
func (j *Journal) Positions(source string) map[string][]byte {
	j.mu.RLock()
	defer j.mu.RUnlock()
	out := make(map[string][]byte, len(j.positions[source]))
	maps.Copy(out, j.positions[source])
	return out
}

// Logs returns the heads of all logs of which something is on disk.
func (j *Journal) Logs() []LogInfo {
	j.mu.RLock()
	defer j.mu.RUnlock()
	out := make([]LogInfo, 0, len(j.logs))
	for _, class := range event.Classes() {
		for _, l := range j.sortedLogs() {
			if l.class != class {
				continue
			}
			out = append(out, LogInfo{
				ID: l.id, Origin: l.rec.Origin, Class: l.class, Size: l.size,
				Receipted: l.receipt.size, Kept: j.kept(l), State: l.rec.State,
				Predecessor: l.rec.Predecessor, Unproven: j.unproven(l),
			})
		}
	}
	return out
}

// Changed returns a channel that is closed at the next commit.
func (j *Journal) Changed() <-chan struct{} {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.changed
}
