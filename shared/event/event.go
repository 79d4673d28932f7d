// Package event is the model of one Linewatch event: the envelope, the profile
// of the JSON line that is signed, a one-pass scanner and writer for it, and the
// catalogue of event types.
//
// An event is written once, by [Event.AppendLeaf], as one line of JSON. Those
// bytes (the leaf) are what is hashed and signed; everybody else stores and
// forwards them and never writes them anew.
package event

import (
	"encoding/json"
	"time"
)

// MaxLeaf is the largest leaf in bytes; the length travels as a 16-bit number.
const MaxLeaf = 65535

// Class is the retention class of an event and names the log that carries it.
type Class string

// The retention classes, most important first: they are forwarded in this order
// and refused by a full journal in the opposite one.
const (
	Security      Class = "security"
	Manufacturing Class = "manufacturing"
	Performance   Class = "performance"
	Debug         Class = "debug"
)

// Classes lists the retention classes, most important first.
func Classes() []Class { return []Class{Security, Manufacturing, Performance, Debug} }

// Severity orders events by urgency; the zero value is SeverityDebug.
type Severity uint8

// The severities in ascending order.
const (
	SeverityDebug Severity = iota
	SeverityInfo
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityCritical
)

// Problem says what of an event is not as it should be. Events with problems are
// kept; the problem travels with them.
type Problem struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// Source says where an event came from.
type Source struct {
	Kind       string // opcua, mqtt, agent, ...
	Endpoint   string // URL of the server or broker, without credentials
	Item       string // node id or topic
	OriginalID string // the source's own identifier of this occurrence
}

// Metadata says what made the event.
type Metadata struct {
	Catalogue string // version of the catalogue that it was checked against
	Agent     string // version of the program
	Parser    string // name of the parser or rule
	Problems  []Problem
}

// Curve is the flight recorder's snippet: for each step of StepMS milliseconds
// from Start the smallest and largest value.
type Curve struct {
	Start  time.Time
	StepMS int64
	Unit   string
	Min    []float32
	Max    []float32
}

// SealedField is one encrypted field: the hex id of its data key and base64 of
// nonce, ciphertext and tag.
type SealedField struct {
	Key  string
	Text string
}

// Event is one event. Data and Context are JSON objects inside the profile (see
// [Normalize] for foreign JSON); nil Data is written as {} and nil Context is
// left out. Empty text fields are left out.
type Event struct {
	ID          string // UUID version 7, see NewID
	Type        string // dotted name of the catalogue, or x.<owner>.<name>
	Class       Class
	Severity    Severity
	Timestamp   time.Time // the source's time
	CollectedAt time.Time // the agent's time
	Station     string    // ISA-95 path, 1 to 8 segments of [a-z0-9._-]{1,40}

	Equipment     string
	Signal        string
	CorrelationID string
	UserID        string // pseudonym, never a name
	SourceIP      string // bare address

	Source   *Source
	Data     json.RawMessage
	Context  json.RawMessage
	Metadata Metadata
	Curve    *Curve
	Sealed   map[string]SealedField // by path
	Salt     [16]byte               // random; makes the hash of a guessable event unguessable
}
