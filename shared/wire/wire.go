// Package wire is the contract between agent and aggregator: the paths, the
// bodies and the segment format of the agents' listener.
package wire

import (
	"encoding/json"
	"time"
)

// Paths of the agents' listener (TLS 1.3; mTLS but for PathEnrol).
const (
	PathEnrol     = "/agent/v1/enrol"
	PathRenew     = "/agent/v1/renew"
	PathLogs      = "/agent/v1/logs"
	PathSegments  = "/agent/v1/segments"
	PathStatus    = "/agent/v1/status"
	PathConfig    = "/agent/v1/config"
	PathDestroyed = "/agent/v1/destroyed"
)

// Limits of the format; a receiver refuses what is larger.
const (
	MaxUnpacked = 4 << 20 // bytes of one unpacked frame
	MaxHeader   = 1 << 20 // bytes of one segment's JSON header
	MaxFrame    = 5 << 20 // bytes of one packed frame
	MaxBody     = 32 << 20
	MaxSegments = 256 // per request
)

// Texts that come before what a log key signs to prove that it is there. They
// keep such a signature from being taken for a checkpoint or for one another.
const (
	EnrolProofPrefix = "linewatch enrol\n" // then SHA-256(CSR DER) in hex
	LogProofPrefix   = "linewatch log\n"   // then the origin
)

// Kinds of a segment.
const (
	KindLeaves = "leaves"
	// KindHole bridges leaves that a station lost: the compact range of the lost
	// indexes instead of the leaves.
	KindHole = "hole"
)

// Results of one segment.
const (
	ResultStored     = "stored"
	ResultGap        = "gap"
	ResultFork       = "fork"
	ResultKeysWanted = "keys_wanted"
	ResultBusy       = "busy"
	ResultRefused    = "refused"
)

// Header is the JSON header of one segment.
type Header struct {
	Origin     string            `json:"origin"`
	First      uint64            `json:"first"`
	Count      uint64            `json:"count"`
	Kind       string            `json:"kind"`
	Checkpoint string            `json:"checkpoint"`      // signed note of size First+Count
	Range      []string          `json:"range,omitempty"` // KindHole: base64 hashes of the compact range
	Keys       map[string]string `json:"keys,omitempty"`  // wrapped data keys, base64 by hex key id
	// Lost are ids of data keys that the leaves name and that the station has lost:
	// the segment is taken all the same, what they sealed stays unreadable.
	Lost []string `json:"lost_keys,omitempty"`
}

// Result answers one segment, in the order of the request.
type Result struct {
	Result  string   `json:"result"`
	Size    uint64   `json:"size"`
	Root    string   `json:"root,omitempty"`    // base64
	Receipt string   `json:"receipt,omitempty"` // the note at Size with the aggregator's cosignature
	Reason  string   `json:"reason,omitempty"`
	Keys    []string `json:"keys,omitempty"` // ResultKeysWanted: the ids
	// RetryAfter in seconds goes with ResultBusy.
	RetryAfter int `json:"retry_after,omitempty"`
}

// EnrolRequest asks for admission. LogKeyProof is the Ed25519 signature of
// "linewatch enrol\n" + SHA-256(CSR DER) in hex by the log key.
type EnrolRequest struct {
	Token       string            `json:"token"`
	AgentID     string            `json:"agent_id"`
	Station     string            `json:"station"`
	PublicKey   string            `json:"public_key"` // base64 of the Ed25519 log key
	LogKeyProof string            `json:"log_key_proof"`
	CSR         string            `json:"csr"`     // PEM; the TLS key is another one
	Machine     map[string]string `json:"machine"` // hashes of the machine's facts, by name
	Host        string            `json:"host"`
	Version     string            `json:"version"`
	Predecessor string            `json:"predecessor,omitempty"` // agent id that this one follows
	Reason      string            `json:"reason,omitempty"`      // why it follows
}

// EnrolResponse admits (HTTP 200) or says that approval is pending (HTTP 202,
// Certificate empty: ask again with the same request).
type EnrolResponse struct {
	AgentID     string         `json:"agent_id"`
	Pending     bool           `json:"pending,omitempty"`
	Reason      string         `json:"reason,omitempty"`
	Certificate string         `json:"certificate,omitempty"` // PEM
	CA          string         `json:"ca,omitempty"`          // PEM
	URLs        []string       `json:"urls,omitempty"`
	Scope       []string       `json:"scope,omitempty"` // station patterns it may speak for
	Cosigners   []Cosigner     `json:"cosigners,omitempty"`
	Pseudonyms  []PseudonymKey `json:"pseudonym_keys,omitempty"`
	// Sealing is the key that data keys are wrapped for, as seal.PublicKey writes it.
	Sealing   string    `json:"sealing_key,omitempty"`
	Destroyed Destroyed `json:"destroyed,omitzero"`
}

// Cosigner is one aggregator key whose receipts an agent accepts.
type Cosigner struct {
	Name string `json:"name"`
	Key  string `json:"key"` // base64 Ed25519
}

// PseudonymKey is the key of one plant and year: user_id = "p-" + 32 hex digits
// of HMAC-SHA-256 over the trimmed lower-case NFC name.
type PseudonymKey struct {
	Plant string `json:"plant"`
	Year  int    `json:"year"`
	Key   string `json:"key"` // base64, 32 bytes
}

// RenewRequest asks for a new certificate for the same agent.
type RenewRequest struct {
	CSR     string            `json:"csr"`
	Machine map[string]string `json:"machine"`
}

// LogRegistration announces a new log; it is the body of POST /agent/v1/logs and
// the event_data of log.registered.
type LogRegistration struct {
	Origin      string `json:"origin"`
	PublicKey   string `json:"publicKey"`             // base64 Ed25519
	Predecessor string `json:"predecessor,omitempty"` // origin of the log that it follows
	Size        uint64 `json:"size"`                  // of the predecessor, as far as the station knows
	Root        string `json:"root,omitempty"`        // base64, of the predecessor at Size
	Reason      string `json:"reason"`
	At          string `json:"at"`    // RFC 3339
	Proof       string `json:"proof"` // base64 Ed25519 signature by the key over "linewatch log\n" + the origin
}

// LogState answers POST /agent/v1/logs and GET /agent/v1/logs/{log}.
type LogState struct {
	Origin  string `json:"origin"`
	Size    uint64 `json:"size"`
	Root    string `json:"root"`
	Receipt string `json:"receipt,omitempty"`
	State   string `json:"state"` // active, closed, forked
}

// Status is the agent's sign of life.
type Status struct {
	AgentID   string            `json:"agent_id"`
	Time      time.Time         `json:"time"`
	Monotonic int64             `json:"monotonic_ms"`
	BootID    string            `json:"boot_id"`
	Version   string            `json:"version"`
	Station   string            `json:"station"`
	Sizes     map[string]uint64 `json:"sizes"`             // by origin
	Backlog   uint64            `json:"backlog"`           // leaves without a receipt
	Refused   map[string]uint64 `json:"refused,omitempty"` // by class, since start
	Sources   json.RawMessage   `json:"sources,omitempty"` // []source.Health
	RTT       int64             `json:"rtt_ms"`            // of the previous status call
	// Destroyed is the newest list of destroyed data keys that the agent holds.
	Destroyed Destroyed `json:"destroyed,omitzero"`
}

// StatusResponse answers Status.
type StatusResponse struct {
	Time       time.Time      `json:"time"`
	ConfigETag string         `json:"config_etag,omitempty"`
	Cosigners  []Cosigner     `json:"cosigners"`
	Destroyed  Destroyed      `json:"destroyed"`
	Pseudonyms []PseudonymKey `json:"pseudonym_keys,omitempty"`
	Sealing    string         `json:"sealing_key,omitempty"` // see EnrolResponse
	Renew      bool           `json:"renew,omitempty"`
	// Restored names the newest restore of the aggregator's store, "" for none. When
	// it changes, agents compare all their logs with what the aggregator has.
	Restored string `json:"restored,omitempty"`
	// SendDestroyed asks for the agent's list of destroyed data keys: it is newer than
	// the aggregator's, which came back from an old backup. POST PathDestroyed takes it.
	SendDestroyed bool `json:"send_destroyed,omitempty"`
}

// Destroyed names the newest list of destroyed data keys by its number and the hex
// SHA-256 over its ids; number 0 for the list that is still empty. GET
// /agent/v1/destroyed answers the signed list (seal.OpenDestroyed).
type Destroyed struct {
	Number uint64 `json:"number"`
	Hash   string `json:"hash"`
}

// Problem is an RFC 9457 problem document, the body of each 4xx and 5xx.
type Problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}
