package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Origin is the name of a log and of the key that signs it:
// linewatch/<agent>/<class>/<log>. An aggregator's own log has the agent
// "_aggregator/<instance>".
type Origin struct {
	Agent string // "a" + 15 hex digits, or "_aggregator/<instance>"
	Class string // retention class
	Log   string // 16 hex digits, unique by making
}

// AggregatorAgent is the first part of Origin.Agent of an aggregator's own logs;
// no station's agent id begins with an underscore.
const AggregatorAgent = "_aggregator"

const (
	originPrefix  = "linewatch"
	maxOriginPart = 64 // bytes
)

var errOrigin = errors.New("not the origin of a log")

// ParseOrigin reads what [Origin.String] writes. Parts are 1 to 64 of
// [a-z0-9._-], not "." or ".."; only an aggregator's name begins with "_".
func ParseOrigin(text string) (Origin, error) {
	parts := strings.Split(text, "/")
	fail := func() (Origin, error) { return Origin{}, fmt.Errorf("%q: %w", clip(text), errOrigin) }
	for _, p := range parts {
		if !validPart(p) {
			return fail()
		}
	}
	switch {
	case len(parts) == 4 && parts[0] == originPrefix && !strings.HasPrefix(parts[1], "_"):
		return Origin{Agent: parts[1], Class: parts[2], Log: parts[3]}, nil
	case len(parts) == 5 && parts[0] == originPrefix && parts[1] == AggregatorAgent:
		return Origin{Agent: parts[1] + "/" + parts[2], Class: parts[3], Log: parts[4]}, nil
	}
	return fail()
}

// Aggregator returns the instance name when the log is an aggregator's own.
func (o Origin) Aggregator() (instance string, ok bool) {
	return strings.CutPrefix(o.Agent, AggregatorAgent+"/")
}

// String returns the origin as it stands in checkpoints.
func (o Origin) String() string {
	return originPrefix + "/" + o.Agent + "/" + o.Class + "/" + o.Log
}

func validPart(p string) bool {
	if p == "" || len(p) > maxOriginPart || p == "." || p == ".." {
		return false
	}
	for i := range len(p) {
		c := p[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// clip bounds foreign text in an error.
func clip(text string) string {
	if len(text) > 120 {
		return text[:120] + "…"
	}
	return text
}

// AgentID returns the id that a station gives itself with its first key: "a" and
// the first 15 hex digits of SHA-256 of the public key.
func AgentID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return "a" + hex.EncodeToString(sum[:])[:15]
}

// NewLogID returns the id of a new log: 16 hex digits of SHA-256(pub ‖ random),
// with at least 16 random bytes.
func NewLogID(pub ed25519.PublicKey, random []byte) string {
	d := sha256.New()
	d.Write(pub)
	d.Write(random)
	return hex.EncodeToString(d.Sum(nil))[:16]
}

// Fingerprint returns SHA-256 of a public key in hex: what enrolment prints and a
// trust file pins.
func Fingerprint(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:])
}
