package opcua

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/source"
)

// Keys of the positions of one source: "session", "server", "sub/<group>", and
// "cond/<hash>" for each condition that stands.
const (
	sessionKey = "session"
	serverKey  = "server"
	subPrefix  = "sub/"
	// conditionPrefix goes before 16 hex digits of SHA-256 of notifier, LF, condition.
	conditionPrefix = "cond/"
)

// storedSession is the position "session".
type storedSession struct {
	Hash    string  `json:"hash"` // of endpoint, security and user
	Session session `json:"session"`
}

// storedServer is the position "server": whose certificate was used last.
type storedServer struct {
	Thumbprint string `json:"thumbprint"` // SHA-256
}

// storedSub is the position of one subscription: what it takes to go on after
// the agent was killed.
type storedSub struct {
	ID   uint32 `json:"id"`
	Was  uint32 `json:"was,omitempty"` // the id before it was lost
	Next uint32 `json:"next"`          // sequence number not yet taken
	// Last is the newest source time taken, Seen the newest publish time: nothing
	// from before Seen is missing but what the server had not sampled yet.
	Last time.Time `json:"last"`
	Seen time.Time `json:"seen"`
	Hash string    `json:"hash"` // of the group's configuration
	// Failed are the client handles of items that the server did not accept.
	Failed []uint32 `json:"failed,omitempty"`
	// Intervals as granted, in milliseconds.
	Publishing int64 `json:"publishing"`
	KeepAlive  int64 `json:"keep_alive"`

	changed bool // made under another configuration
}

// storedCondition is the position of one alarm that stands: without it a restarted
// agent would take its acknowledgement for news of its coming.
type storedCondition struct {
	Notifier  string    `json:"notifier"` // as configured
	Key       string    `json:"key"`
	Condition condition `json:"condition"`
}

func conditionPosition(a *notifier, key string) string {
	sum := sha256.Sum256([]byte(a.text + "\n" + key))
	return conditionPrefix + hex.EncodeToString(sum[:8])
}

// recall reads the stored positions; what can't be read is forgotten and said.
func (e *engine) recall(positions source.Positions) {
	e.lost = map[string]storedSub{}
	if positions == nil {
		return
	}
	stored := positions.Positions(e.src.cfg.Name)
	read := func(key string, into any) bool {
		text, ok := stored[key]
		if !ok {
			return false
		}
		if err := json.Unmarshal(text, into); err != nil {
			e.log.Warn("stored position can't be read and is left out", "key", key, "error", err)
			return false
		}
		return true
	}
	var server storedServer
	if read(serverKey, &server) {
		e.lastServer = server.Thumbprint
	}
	var kept storedSession
	known := read(sessionKey, &kept) && kept.Hash == e.plan.hash
	if known {
		e.session = &kept.Session
	}
	for key := range stored {
		if strings.HasPrefix(key, conditionPrefix) {
			var c storedCondition
			if !read(key, &c) || !e.plan.knows(c) {
				e.stale = append(e.stale, key)
			}
			continue
		}
		name, ok := strings.CutPrefix(key, subPrefix)
		if !ok {
			continue
		}
		var sub storedSub
		if !read(key, &sub) {
			continue
		}
		g := e.plan.group(name)
		if g == nil {
			continue
		}
		if !known || sub.Hash != g.hash {
			// Its values can't be told apart any more: a fresh one, and a gap.
			sub.Was, sub.ID, sub.changed = sub.ID, 0, true
		}
		e.lost[name] = sub
	}
}

// knows takes over a stored condition; false when nobody listens to it any more.
func (p *plan) knows(c storedCondition) bool {
	if g := p.group(alarmsGroup); g != nil {
		for _, a := range g.alarms {
			if a.text == c.Notifier {
				a.known[c.Key] = c.Condition
				return true
			}
		}
	}
	return false
}

func (p *plan) group(name string) *group {
	for _, g := range p.groups {
		if g.name == name {
			return g
		}
	}
	return nil
}

// position is the stored form of a subscription as it stands now.
func (s *subscription) position() map[string][]byte {
	stored := storedSub{
		ID: s.id, Next: s.next, Last: s.last, Seen: s.seen, Hash: s.group.hash,
		Publishing: s.interval.Milliseconds(), KeepAlive: s.keepAlive.Milliseconds(),
	}
	for _, it := range s.failed {
		stored.Failed = append(stored.Failed, it.handle)
	}
	return map[string][]byte{subPrefix + s.group.name: mustJSON(stored)}
}

// mustJSON encodes our own structs, which can't fail.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return text
}
