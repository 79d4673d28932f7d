// Package enrol gives the agent its identity: it makes the keys on the station,
// asks the aggregator for admission, keeps the certificate fresh, and refuses to
// use an identity on another machine than the one it was made for.
//
// The folder <data_dir>/identity holds:
//
//	agent.json       who this agent is, the machine it was enrolled on, urls, scope, cosigners
//	log.key          Ed25519 key that signs the logs (0600, see keystore)
//	log.key.next     the key that follows it, from before the change until after
//	tls.key tls.crt  key and certificate of the mTLS connection
//	ca.pem           the aggregator's CA, pinned at enrolment
//	pseudonyms.json  keys that turn user names into pseudonyms (0600)
package enrol

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

// ErrNotEnrolled means that the data folder holds no identity yet. Who knows the
// configuration file adds how to enrol with it.
var ErrNotEnrolled = errors.New("not enrolled")

// minAgree is how many of the recorded facts of the machine must still hold.
const minAgree = 2

// State is what agent.json holds.
type State struct {
	AgentID     string          `json:"agent_id"`
	Station     string          `json:"station"`
	Machine     identity.Facts  `json:"machine"`
	URLs        []string        `json:"urls"`
	CAPin       string          `json:"ca_pin"`
	Scope       []string        `json:"scope"`
	Cosigners   []wire.Cosigner `json:"cosigners"`
	Pending     bool            `json:"pending"`
	Reason      string          `json:"reason,omitempty"`
	Token       string          `json:"token,omitempty"` // until the agent is admitted, and for a follower on changed hardware
	Predecessor string          `json:"predecessor,omitempty"`
	Follows     string          `json:"follows,omitempty"` // why there is a predecessor
	Since       time.Time       `json:"since"`
	KeySince    time.Time       `json:"key_since,omitzero"` // when the log key was last changed
}

// Identity is a loaded identity. Its keys may be used and changed, and Waiting be
// asked, concurrently; the rest belongs to the goroutine that speaks with the
// aggregator.
type Identity struct {
	dir string
	State

	urls  []string // see Via
	proxy string

	keys   sync.Mutex    // guards the keys, and every change of State with its file
	logKey crypto.Signer // Ed25519
	next   crypto.Signer // nil without a change that was begun
}

func folder(dataDir string) string { return filepath.Join(dataDir, "identity") }

// Load reads the identity of dataDir; ErrNotEnrolled without one. Keys that do not
// open here are keystore.ErrSealed; Peek tells whose they are then.
func Load(dataDir string) (*Identity, error) {
	id, err := Peek(dataDir)
	if err != nil {
		return nil, err
	}
	if id.logKey, err = loadLogKey(id.path(logKeyName)); err != nil {
		return nil, err
	}
	if _, err := os.Stat(id.path(nextKeyName)); err == nil {
		if id.next, err = loadLogKey(id.path(nextKeyName)); err != nil {
			return nil, err
		}
	}
	return id, nil
}

// Peek is Load without the keys: enough for SameMachine and Replace, not to sign
// or to ask.
func Peek(dataDir string) (*Identity, error) {
	dir := folder(dataDir)
	text, err := os.ReadFile(filepath.Join(dir, "agent.json"))
	if errors.Is(err, os.ErrNotExist) {
		if !replacing(dataDir) {
			return nil, ErrNotEnrolled
		}
		if err := finish(dataDir); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(filepath.Join(dir, "agent.json"))
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	id := &Identity{dir: dir}
	if err := json.Unmarshal(text, &id.State); err != nil {
		return nil, fmt.Errorf("identity: %s is damaged: %w (restore it, or remove the folder and enrol again)", dir, err)
	}
	return id, nil
}

// replacing tells that Replace was cut off after it had set the old identity aside.
func replacing(dataDir string) bool {
	_, old := os.Lstat(folder(dataDir))
	_, next := os.Stat(filepath.Join(fresh(dataDir), "agent.json"))
	return errors.Is(old, os.ErrNotExist) && next == nil
}

// Waiting tells that the agent is not admitted yet.
func (id *Identity) Waiting() bool {
	id.keys.Lock()
	defer id.keys.Unlock()
	return id.State.Pending
}

// save writes agent.json durably. The caller holds keys, unless nobody else knows
// the identity yet.
func (id *Identity) save() error {
	text, err := json.MarshalIndent(id.State, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(id.dir, "agent.json"), append(text, '\n'), 0o600)
}

// SameMachine reports whether this identity was made on the machine with the
// facts now; the text says what differs.
func (id *Identity) SameMachine(now identity.Facts) (bool, string) {
	agree, known := now.Agree(id.Machine)
	if agree >= minAgree {
		return true, ""
	}
	return false, fmt.Sprintf("%d of the %d facts recorded at enrolment hold on this machine, at least %d must", agree, known, minAgree)
}

// Pseudonyms returns the stored pseudonym keys, none when there are none.
func (id *Identity) Pseudonyms() ([]wire.PseudonymKey, error) {
	text, err := os.ReadFile(filepath.Join(id.dir, "pseudonyms.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	var keys []wire.PseudonymKey
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, fmt.Errorf("identity: pseudonyms.json: %w", err)
	}
	return keys, nil
}

// SavePseudonyms keeps the keys that the aggregator handed out.
func (id *Identity) SavePseudonyms(keys []wire.PseudonymKey) error {
	text, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(id.dir, "pseudonyms.json"), text, 0o600)
}

// SaveCosigners replaces the accepted cosigner keys.
func (id *Identity) SaveCosigners(keys []wire.Cosigner) error {
	id.keys.Lock()
	defer id.keys.Unlock()
	id.State.Cosigners = keys
	return id.save()
}
