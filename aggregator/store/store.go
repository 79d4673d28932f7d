// Package store is the contract of the aggregator's database: the evidence
// (segments as they came, leaf hashes, tiles, checkpoints, receipts), the read
// model that is made of it, and the registry of agents and people. Subpackages
// implement it for SQLite and PostgreSQL; storetest is the suite that both pass.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/query"
)

// Errors that callers branch on.
var (
	ErrNotFound = errors.New("not found")
	// ErrConflict: a log's stored size was not Append.OldSize, or a token was used
	// up. Nothing of the Change was stored; read again.
	ErrConflict = errors.New("changed meanwhile")
	// ErrAgentChanged is an ErrConflict: an agent's record has another Revision than
	// the one it was read with. A renewal begun before a revocation, perhaps in
	// another process, must not undo it.
	ErrAgentChanged = fmt.Errorf("the agent's record: %w", ErrConflict)
	// ErrCursor: the cursor is damaged, or belongs to another filter.
	ErrCursor = errors.New("cursor does not fit")
	// ErrInUse: an aggregator has the store open.
	ErrInUse = errors.New("the store is in use")
	// ErrAway: the database does not answer; trying again may help.
	ErrAway = errors.New("the database does not answer")
)

// Store is one database. All methods may be called concurrently.
type Store interface {
	Evidence
	Sealed
	ReadModel
	Registry
	// Backup writes a consistent copy of the database to a file that is not there
	// yet; commits go on meanwhile. Each store has a function Restore beside it.
	Backup(ctx context.Context, path string) error
	// Ping reports whether the database answers and takes writes.
	Ping(ctx context.Context) error
	Close() error
}

// Evidence is the truth: what the agents sent, byte for byte.
type Evidence interface {
	// Commit stores the whole change in one transaction, or nothing of it. The
	// rows of the read model are stored with it; a row that the database
	// refuses is set apart (Committed.Refused), its neighbours are stored.
	Commit(ctx context.Context, c Change) (Committed, error)
	Log(ctx context.Context, log string) (Log, error)
	Logs(ctx context.Context) ([]Log, error)
	// LeafHashes returns the hashes of the leaves [from, to) of a log.
	LeafHashes(ctx context.Context, log string, from, to uint64) ([]evidence.Hash, error)
	// Leaf returns the bytes of one leaf, ErrNotFound for one in a hole, ErrDropped
	// for one that was dropped.
	Leaf(ctx context.Context, log string, index uint64) ([]byte, error)
	// Proof returns the inclusion proof of a leaf in the tree of size.
	Proof(ctx context.Context, log string, index, size uint64) ([]evidence.Hash, error)
	// Segments walks a log's segments from the one that holds index from.
	Segments(ctx context.Context, log string, from uint64) iter.Seq2[StoredSegment, error]
	// Dropped lists what Change.Drops took away, by log.
	Dropped(ctx context.Context) ([]Dropped, error)
	// RootLists walks the checkpoint lists behind the log.roots leaves of a
	// ledger log from index from on, in order of their index.
	RootLists(ctx context.Context, log string, from uint64) iter.Seq2[RootList, error]
	// Rebuild makes the read model anew from the evidence, beside the old one,
	// and puts it in its place; progress may be nil.
	Rebuild(ctx context.Context, project Projector, progress func(done, total uint64)) error
}

// ReadModel answers questions; it can be rebuilt from the evidence.
type ReadModel interface {
	Events(ctx context.Context, q EventQuery) (Page, error)
	// Event returns all rows with this id (more than one: the same id was used twice).
	Event(ctx context.Context, id string) ([]Row, error)
	// EventAt returns the row of one leaf.
	EventAt(ctx context.Context, log string, index uint64) (Row, error)
	// Rows returns the rows that stand under the addresses [from, to) of a log, in
	// their order; that of a leaf which is a copy stands elsewhere (EventAt).
	Rows(ctx context.Context, log string, from, to uint64) ([]Row, error)
	// Around returns up to before and after rows of the same station around a row, oldest first.
	Around(ctx context.Context, r Row, before, after int) ([]Row, error)
	Histogram(ctx context.Context, q EventQuery, from, to time.Time, buckets int) ([]Bucket, error)
	Count(ctx context.Context, q EventQuery, limit int) (int, error)
	// StationHours counts events by station and hour (documented query 9).
	StationHours(ctx context.Context, q EventQuery, from, to time.Time) ([]StationHour, error)
	Stations(ctx context.Context) ([]Station, error)
	// Feed returns up to limit rows in commit order after the cursor ("" = from
	// the first, "now" = from here on), and the cursor behind them.
	Feed(ctx context.Context, after string, limit int) (FeedPage, error)
	// Changed is closed when something was committed since the call; with
	// several aggregators on one database also by the others.
	Changed() <-chan struct{}
}

// Registry keeps agents, tokens and people. All changes go through Commit.
type Registry interface {
	Agent(ctx context.Context, id string) (Agent, error)
	Agents(ctx context.Context) ([]Agent, error)
	Token(ctx context.Context, hash string) (Token, error)
	Tokens(ctx context.Context) ([]Token, error)
	User(ctx context.Context, name string) (User, error)
	Users(ctx context.Context) ([]User, error)
	// Setting returns a named value, ErrNotFound without one.
	Setting(ctx context.Context, key string) ([]byte, error)
	// TouchAgent records a sign of life; it is no evidence and may be lost.
	TouchAgent(ctx context.Context, id string, seen AgentSeen) error

	SaveSession(ctx context.Context, token string, data []byte, expiry time.Time) error
	FindSession(ctx context.Context, token string) (data []byte, found bool, err error)
	DeleteSession(ctx context.Context, token string) error
}

// Change is what one transaction stores.
type Change struct {
	Segments []Append
	// Logs to register, before the segments are appended. Of a log that is there
	// already Keys, Copies and Reason are replaced, its head and state are not.
	Logs     []Log
	Agents   []Agent // inserted or replaced
	Tokens   []Token // inserted or replaced
	Users    []User  // inserted or replaced; Deleted removes
	Settings map[string][]byte
	// UseTokens counts one use of each enrolment token by hash; ErrConflict when used up.
	UseTokens []string
	// LogStates sets the state of logs, after the segments are appended: only an
	// active log can grow (ErrConflict).
	LogStates map[string]LogState
	// Drops takes leaves and rows away, after the segments are appended. ErrConflict
	// when they are no whole segments.
	Drops []Drop
	// Roots are checkpoint lists behind log.roots leaves (kept as they are).
	Roots []RootList
	// Keys are wrapped data keys, by hex id, that events name which the ledger adds to
	// the change: it moves them into their segments. A store does not look at them.
	Keys map[string][]byte
	// Destroy deletes wrapped data keys and what the read model has by them; they
	// are never stored again. Ids that are not stored count as destroyed too.
	Destroy []DestroyedKey
}

// RootList is the list of checkpoints behind one log.roots leaf of the ledger.
type RootList struct {
	Log   string // ledger log id
	Index uint64
	Lines []byte // the checkpoint bodies, sorted by origin, each followed by an empty line
}

// Committed answers Commit.
type Committed struct {
	Refused []RefusedRow
}

// RefusedRow is a row that the database would not take; its leaf is stored all the same.
type RefusedRow struct {
	Log    string
	Index  uint64
	Reason string
}

// Append extends one log.
type Append struct {
	Log      string // log id
	OldSize  uint64 // must be the stored size
	First    uint64 // of this segment = OldSize
	Count    uint64
	Kind     string            // wire.KindLeaves, wire.KindHole
	Frame    []byte            // the zstd frame (leaves) or the binary compact range (hole)
	Note     []byte            // the agent's checkpoint, canonical
	Receipt  []byte            // the same with our cosignature
	Hashes   []evidence.Hash   // leaf hashes; none for a hole
	Frontier evidence.Range    // [0, First+Count) after the append
	Rows     []Row             // of the read model, by the Projector
	Copies   []Copy            // leaves that are already stored in another log
	Keys     map[string][]byte // wrapped data keys by hex id
	Received time.Time
	// Offset of the agent's clock: ours minus theirs, as far as known.
	Offset time.Duration
}

// Copy is a leaf of a successor log that carries a leaf of its predecessor. When
// no row with this leaf hash exists (the predecessor was never forwarded), Row is stored.
type Copy struct {
	Hash  evidence.Hash
	Index uint64
	Row   Row
}

// LogState is what may be done with a log.
type LogState string

// The states of a log.
const (
	LogActive LogState = "active"
	LogClosed LogState = "closed"
	LogForked LogState = "forked" // quarantined; a successor goes on
)

// Log is the head of one log.
type Log struct {
	ID          string // log id
	Origin      string
	AgentID     string
	Class       event.Class
	Size        uint64
	Frontier    evidence.Range
	Note        []byte
	Receipt     []byte
	Keys        []evidence.KeyRange
	State       LogState
	Predecessor string // origin
	Copies      uint64 // leaves after the first that are copies, from log.opened
	Registered  time.Time
	Reason      string
}

// StoredSegment is one segment as it came.
type StoredSegment struct {
	Log      string
	First    uint64
	Count    uint64
	Kind     string // wire.KindLeaves, wire.KindHole, KindDropped
	Frame    []byte
	Note     []byte
	Receipt  []byte
	Received time.Time
	Offset   time.Duration
}

// Projector makes the row of one leaf; ok is false for leaves that are no row of
// the events table. It never fails: what does not fit is named under Problems. Sealed
// of a row without any is all that the leaf has.
type Projector func(leaf []byte, at LeafAt) (row Row, ok bool)

// LeafAt is where and when a leaf arrived.
type LeafAt struct {
	Log      string
	Index    uint64
	AgentID  string
	Class    event.Class
	Received time.Time
	Offset   time.Duration
	Hash     evidence.Hash // of the leaf, where it is known; zero: not yet
}

// Row is one event of the read model: the leaf and what stands beside it. Text
// fields are "" where the leaf has none.
type Row struct {
	Log   string
	Index uint64
	// At is the timestamp if it lies in [Received − 35 days, Received + 1 day], else Received.
	At         time.Time
	ReceivedAt time.Time
	Offset     time.Duration
	Leaf       []byte
	LeafHash   evidence.Hash
	Problems   []event.Problem
	AgentID    string

	ID            string // UUID; made from the leaf hash when the leaf has none that is valid
	Type          string
	Class         event.Class
	Severity      event.Severity
	Timestamp     time.Time
	CollectedAt   time.Time
	Station       string
	Equipment     string
	Signal        string
	CorrelationID string
	UserID        string
	SourceIP      string
	Data          []byte // event_data as JSON, without curve
	Context       []byte
	Words         string // text searched by free words: strings of event_data, type, station, equipment, signal
	Quarantined   bool   // the leaf fails the profile
	// Sealed are the leaf's sealed fields by path, for who makes Blind of them, the
	// row's entries of the blind index. Neither is read back.
	Sealed map[string]event.SealedField
	Blind  []Blind
}

// EventQuery selects rows. Scope restricts to stations (patterns of the search
// language); an empty Scope sees nothing.
type EventQuery struct {
	Filter query.Query
	Scope  []string
	// ByArrival orders by commit, newest first; else by At, newest first.
	ByArrival bool
	From, To  time.Time // bounds of At, zero for open
	Limit     int       // 1 to 1000
	After     string    // cursor of the page before
	// Blind limits to rows with sealed fields of these values: of each list a row
	// must have one token (see Blind).
	Blind [][]string
}

// Page is one page of rows, newest first.
type Page struct {
	Rows []Row
	Next string // "" at the end
}

// FeedPage is one page of the feed, oldest first.
type FeedPage struct {
	Rows   []Row
	Cursor string
}

// Bucket counts the events of one interval by severity.
type Bucket struct {
	At     time.Time
	Counts [6]uint64 // by event.Severity
}

// StationHour counts the events of a station in one hour.
type StationHour struct {
	Station string
	Hour    time.Time
	Count   uint64
}

// Station is one station as its events show it.
type Station struct {
	Station string
	First   time.Time
	Last    time.Time
	Events  uint64
	AgentID string
}

// AgentState is the admission of an agent.
type AgentState string

// The states of an agent.
const (
	AgentPending  AgentState = "pending"
	AgentActive   AgentState = "active"
	AgentRevoked  AgentState = "revoked"
	AgentReplaced AgentState = "replaced"
)

// Agent is one enrolled (or waiting) agent.
type Agent struct {
	ID          string
	Station     string
	Scope       []string // station patterns
	State       AgentState
	Reason      string // why it waits, or was revoked
	Keys        []AgentKey
	TLSKey      []byte // SHA-256 of the SubjectPublicKeyInfo of the current certificate
	CSR         []byte // of the pending request, PEM
	Certificate []byte // PEM, newest issued
	NotAfter    time.Time
	Machine     map[string]string
	Host        string
	Version     string
	TokenHash   string
	Predecessor string
	Enrolled    time.Time
	// Revision is what the record was read with, 0 for a new one; Commit counts it
	// up, and refuses a record that was changed since with ErrAgentChanged.
	Revision uint64 `json:",omitempty"`
	Seen     AgentSeen
}

// AgentKey is one log key of an agent.
type AgentKey struct {
	Public []byte
	Since  time.Time
}

// AgentSeen is the last sign of life.
type AgentSeen struct {
	At      time.Time
	Address string
	Version string
	Offset  time.Duration
	Backlog uint64
	Status  []byte // the last wire.Status as JSON
}

// Token is an enrolment token (Kind "agent") or a bearer token for programs
// (Kind "api"). Only its hash is stored.
type Token struct {
	Hash    string // hex SHA-256
	Kind    string
	Name    string
	Scope   []string
	Roles   []string
	Uses    int // left; -1 without limit
	Used    int
	Created time.Time
	Expires time.Time
	By      string
	Revoked bool
	// Approve asks for a person's approval of each enrolment.
	Approve bool
	// Assign maps host names to stations.
	Assign map[string]string
}

// User is a local user.
type User struct {
	Name     string
	Display  string
	Roles    []string
	Scope    []string
	Password string // argon2id hash
	Created  time.Time
	Disabled bool
	Deleted  bool
	Locale   string
}
