// Package enrol gives the agent its identity: it makes the keys on the station,
// asks the aggregator for admission, keeps the certificate fresh, and refuses to
// use an identity on another machine than the one it was made for.
//
// The folder <data_dir>/identity holds:
//
//	agent.json       who this agent is, the machine it was enrolled on, urls, scope, cosigners
//	log.key          Ed25519 key that signs the logs (0600)
//	tls.key tls.crt  key and certificate of the mTLS connection
//	ca.pem           the aggregator's CA, pinned at enrolment
//	pseudonyms.json  keys that turn user names into pseudonyms (0600)
package enrol

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

// ErrNotEnrolled means that the data folder holds no identity yet.
var ErrNotEnrolled = errors.New("not enrolled: run linewatch-agent enrol --config agent.yaml --token-file FILE")

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
	Since       time.Time       `json:"since"`
}

// Identity is a loaded identity. Its methods may be called concurrently.
type Identity struct {
	dir string
	State
	LogKey ed25519.PrivateKey
}

func folder(dataDir string) string { return filepath.Join(dataDir, "identity") }

// Load reads the identity of dataDir; ErrNotEnrolled without one.
func Load(dataDir string) (*Identity, error) {
	dir := folder(dataDir)
	text, err := os.ReadFile(filepath.Join(dir, "agent.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotEnrolled
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	id := &Identity{dir: dir}
	if err := json.Unmarshal(text, &id.State); err != nil {
		return nil, fmt.Errorf("identity: %s is damaged: %w (restore it, or remove the folder and enrol again)", dir, err)
	}
	key, err := identity.LoadKey(filepath.Join(dir, "log.key"))
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("identity: %s is no Ed25519 key", filepath.Join(dir, "log.key"))
	}
	id.LogKey = ed
	return id, nil
}

// save writes agent.json durably.
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
	id.State.Cosigners = keys
	return id.save()
}
