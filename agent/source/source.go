// Package source is the contract between what the agent listens to (the
// subpackages: one per protocol) and the pipeline that makes events of it.
package source

import (
	"context"
	"encoding/json"
	"time"

	"github.com/linewatch/linewatch/shared/event"
)

// Source is one connection to equipment, supervised by the agent.
type Source interface {
	// Name is the configured name, unique in the agent.
	Name() string
	// Run hands readings to sink until ctx ends (nil) or the configuration
	// turns out to be unusable (an error that names the place and the remedy).
	// Connection trouble is no reason to return: Run reconnects by itself.
	Run(ctx context.Context, sink Sink) error
	// Health may be called at any time from any goroutine.
	Health() Health
}

// Sink is the durable boundary. Take returns nil when every event that the batch
// causes is on disk, or was refused by the quota and counted; only then may the
// source acknowledge upstream. Positions are written in the transaction of the
// next event commit, after 30 s at the latest, so a restart may hand over a few
// readings again. Take may be called from one goroutine per source; batches of
// one source keep their order. An error means: nothing was taken, try again.
type Sink interface {
	Take(ctx context.Context, batch []Reading, at Position) error
}

// Positions gives back what a source stored with Position, after a restart.
type Positions interface {
	// Positions returns the stored keys of one source; the caller owns the map.
	Positions(source string) map[string][]byte
}

// Position is where a source stands: small values under keys of the source's own
// making, written in the same transaction as the events of the batch.
type Position struct {
	Source string
	Set    map[string][]byte
	Delete []string
	// Urgent asks for a commit although the batch causes no event.
	Urgent bool
}

// Point is what a source knows of one node or topic before any value arrives:
// the compiled configuration that the pipeline needs. It is shared by all
// readings of the point and never changed after it was made.
type Point struct {
	Source   string // configured name of the source
	Kind     string // opcua, mqtt
	Endpoint string // URL without credentials
	Item     string // node id with namespace URI, or topic
	Station  string
	// Equipment defaults to the source's name.
	Equipment string
	Signal    string // name of the signal, "" where the point has none
	Unit      string

	// Event is the type of the event that each change or message makes; "" makes
	// it a reading that is watched and summarised.
	Event    string
	Class    event.Class    // "" = as the catalogue says
	Severity event.Severity // used when HasSeverity
	// HasSeverity tells a configured severity from none.
	HasSeverity bool
	Map         map[int64]string // names of state numbers
	Bits        *Bits            // texts of fault words, nil for none
}

// Bits names the bits of a fault word.
type Bits struct {
	Texts map[int]BitText // by bit number from 0
}

// BitText is one line of the text file of a fault word.
type BitText struct {
	Code     string
	Text     string
	Severity string // "" = as the catalogue says
}

// Reading is one value, message or occurrence from a source.
type Reading struct {
	Point *Point
	// Value is nil, bool, int64, uint64, float64, string, []any of these, or
	// json.RawMessage (one JSON value inside the event profile).
	Value any
	// Fields are added to event_data (the data: of the configuration), values as Value.
	Fields map[string]any
	// Quality is the OPC UA status code, 0 for good; MQTT values are good.
	Quality uint32

	SourceTime time.Time // zero when the source gave none
	ServerTime time.Time
	ReceivedAt time.Time // the agent's clock, with monotonic part
	Seq        uint64    // the source's own number, 0 for none
	OriginalID string    // the source's own identifier, "" for none

	Retained bool   // kept by the broker, not new
	Dup      bool   // perhaps a repeat
	User     string // clear user name; becomes a pseudonym before the leaf is written
	Problems []event.Problem

	// Occurrence makes the reading an event of its own, whatever Point says:
	// gaps, quarantine, connection lost and restored, untrusted certificates.
	Occurrence *Occurrence
}

// Occurrence is an event that the source itself raises.
type Occurrence struct {
	Type     string
	Severity *event.Severity // nil = as the catalogue says
	Data     map[string]any  // event_data; values as Reading.Value, time.Time, or nested maps
}

// State is what a source is doing.
type State string

// The states of a source.
const (
	StateStarting   State = "starting"
	StateConnected  State = "connected"
	StateConnecting State = "connecting"
	StateRefused    State = "refused" // needs a person: certificate, password, policy
	StateStopped    State = "stopped"
)

// Health is a snapshot of a source.
type Health struct {
	Name        string            `json:"name"`
	Kind        string            `json:"kind"`
	Endpoint    string            `json:"endpoint"`
	State       State             `json:"state"`
	Reason      string            `json:"reason,omitempty"` // a sentence: what happened and what to do
	Since       time.Time         `json:"since"`
	LastData    time.Time         `json:"last_data,omitzero"`
	Readings    uint64            `json:"readings"`
	Repeats     uint64            `json:"repeats"`
	Gaps        uint64            `json:"gaps"`
	Quarantined uint64            `json:"quarantined"`
	Detail      map[string]string `json:"detail,omitempty"`
	Limits      json.RawMessage   `json:"limits,omitempty"` // what the server granted
}
