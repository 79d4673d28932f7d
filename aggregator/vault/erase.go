package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/query"
	"github.com/linewatch/linewatch/shared/seal"
)

// Request says whom to erase, and on what ground.
type Request struct {
	Pseudonyms []string
	RequestID  string // of the person's request; "" makes one
	By         string // who carries it out; a pseudonym or cli:<user>
	Ground     string // e.g. "GDPR Art. 17(1)(a)"
}

// Certificate says what an erasure did, in words that need no software.
type Certificate struct {
	Kind        string    `json:"kind"` // linewatch/erasure-certificate/v1
	RequestID   string    `json:"request_id"`
	Aggregator  string    `json:"aggregator"`
	At          time.Time `json:"at"`
	By          string    `json:"by"`
	Ground      string    `json:"ground"`
	Pseudonyms  []string  `json:"pseudonyms"`
	Months      []string  `json:"months"`
	Keys        []string  `json:"destroyed_key_ids"`
	List        uint64    `json:"destroyed_list_number"`
	ListHash    string    `json:"destroyed_list_sha256"`
	Events      uint64    `json:"events_found"`
	Checked     uint64    `json:"events_checked"`
	ProofsHold  uint64    `json:"proofs_that_verify"`
	Unreadable  uint64    `json:"sealed_fields_unreadable"`
	StillOpen   uint64    `json:"sealed_fields_still_readable"`
	NotCovered  []string  `json:"not_covered"`
	Explanation string    `json:"explanation"`
}

// Erasure is a finished erasure: the certificate, its exact JSON text, and the
// signed text for people that names the hash of the JSON.
type Erasure struct {
	Certificate Certificate
	JSON        []byte
	Text        []byte
}

// certificateKind names the format.
const certificateKind = "linewatch/erasure-certificate/v1"

// maxChecked bounds the events whose proofs an erasure verifies.
const maxChecked = 2000

// notCovered is what an erasure can't reach, said in each certificate.
func notCovered() []string {
	return []string{
		"copies of data that were exported before and are kept elsewhere",
		"backups of the database together with backups of the vault's keys, if somebody opens them outside of this product: inside it the list of destroyed keys is applied again after each restore",
		"names that stand in free texts, topic names or file names that the field policy does not cover",
		"the pseudonyms themselves: they stay in the signed record; until their yearly keys are destroyed (13 months after the end of the year) the holder of such a key can compute them from a name",
	}
}

// Erase destroys the data keys of these people: the ids go onto the signed list
// first, then the wrapped keys and what the read model has by them are deleted
// in the transaction that records it in the ledger. Then it looks whether every
// proof of the person's events still holds and no sealed field opens. An erasure
// of somebody who has no keys is an erasure too: the certificate says 0.
func (v *Vault) Erase(ctx context.Context, r Request) (Erasure, error) {
	if v.o.Store == nil || v.o.Ledger == nil || v.o.Signer == nil {
		return Erasure{}, errors.New("erase: the vault was opened without a store")
	}
	if len(r.Pseudonyms) == 0 {
		return Erasure{}, errors.New("erase: nobody is named")
	}
	for _, p := range r.Pseudonyms {
		if !seal.IsPseudonym(p) {
			return Erasure{}, fmt.Errorf("erase: %q is no pseudonym (p- and 32 hex digits)", p)
		}
	}
	if r.RequestID == "" {
		r.RequestID = event.NewID(v.now())
	}
	keys, err := v.o.Store.KeysOf(ctx, r.Pseudonyms)
	if err != nil {
		return Erasure{}, fmt.Errorf("erase: %w", err)
	}
	c := Certificate{
		Kind: certificateKind, RequestID: r.RequestID, Aggregator: v.o.Name, By: r.By, Ground: r.Ground,
		At: v.now().UTC().Truncate(time.Second), Pseudonyms: r.Pseudonyms, Keys: []string{}, Months: months(keys), NotCovered: notCovered(),
	}
	for _, k := range keys {
		c.Keys = append(c.Keys, k.ID)
	}
	if err := v.destroy(ctx, &c); err != nil {
		return Erasure{}, err
	}
	if err := v.prove(ctx, &c); err != nil {
		return Erasure{}, fmt.Errorf("erase: the keys are destroyed, the check after it failed: %w", err)
	}
	c.Explanation = explain(c)
	e, err := v.certify(c)
	if err != nil {
		return e, err
	}
	sum := sha256.Sum256(e.JSON)
	data, err := event.Object(map[string]any{
		"requestId": c.RequestID, "right": "erasure", "result": "erased", "keysDestroyed": len(c.Keys),
		"sha256": hex.EncodeToString(sum[:]), "by": r.By, "list": int64(c.List), "listHash": c.ListHash,
		"eventsChecked": int64(c.Checked), "proofsHold": int64(c.ProofsHold), "stillReadable": int64(c.StillOpen),
	})
	if err != nil {
		return e, fmt.Errorf("erase: %w", err)
	}
	if _, err := v.o.Ledger.Commit(ctx, store.Change{}, event.Event{Type: event.TypePrivacyFulfilled, Data: data}); err != nil {
		return e, fmt.Errorf("erase: the keys are destroyed, the certificate is not in the ledger yet (run it again): %w", err)
	}
	return e, nil
}

// destroy puts the keys onto the list and deletes them.
func (v *Vault) destroy(ctx context.Context, c *Certificate) error {
	list, note := v.List()
	if len(c.Keys) > 0 {
		var err error
		if list, err = v.addDestroyed(c.Keys); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
		_, note = v.List()
	}
	c.List, c.ListHash = list.Number, list.Hash()
	for from := 0; from < len(c.Keys); from += destroyedChunk {
		part := c.Keys[from:min(len(c.Keys), from+destroyedChunk)]
		change := store.Change{Settings: map[string][]byte{settingDestroyed: note}}
		for _, id := range part {
			change.Destroy = append(change.Destroy, store.DestroyedKey{ID: id, List: list.Number, At: c.At})
		}
		e, err := lifecycle("", "destroyed", "data keys", c.By, map[string]any{
			"keys": len(part), "list": int64(list.Number), "listHash": c.ListHash, "requestId": c.RequestID,
		})
		if err != nil {
			return err
		}
		if _, err := v.o.Ledger.Commit(ctx, change, e); err != nil {
			return fmt.Errorf("erase: the keys are on the list of destroyed ones but not deleted yet (the next start does it): %w", err)
		}
	}
	return nil
}

// prove looks at the person's events: their proofs must hold, no field may open.
func (v *Vault) prove(ctx context.Context, c *Certificate) error {
	logs, err := v.o.Store.Logs(ctx)
	if err != nil {
		return err
	}
	byID := map[string]*store.Log{}
	for i := range logs {
		byID[logs[i].ID] = &logs[i]
	}
	q := store.EventQuery{Scope: []string{"**"}, Limit: 1000, Filter: query.Query{Terms: []query.Term{
		{Field: query.User, Op: query.Is, Values: c.Pseudonyms},
	}}}
	for {
		page, err := v.o.Store.Events(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Rows {
			c.Events++
			if c.Checked == maxChecked {
				continue
			}
			c.Checked++
			if err := v.proveRow(ctx, c, &page.Rows[i], byID[page.Rows[i].Log]); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.After = page.Next
	}
}

func (v *Vault) proveRow(ctx context.Context, c *Certificate, row *store.Row, l *store.Log) error {
	if l == nil || row.Index >= l.Size {
		return nil // came after the heads were read; it is in no checkpoint yet
	}
	root, err := l.Frontier.Root()
	if err != nil {
		return err
	}
	proof, err := v.o.Store.Proof(ctx, row.Log, row.Index, l.Size)
	if err != nil {
		return err
	}
	if evidence.VerifyInclusion(evidence.LeafHash(row.Leaf), row.Index, l.Size, proof, root) == nil {
		c.ProofsHold++
	}
	fields, err := v.Open(ctx, row.Leaf, func(string) bool { return true })
	if err != nil {
		return err
	}
	destroyed := map[string]bool{}
	for _, id := range c.Keys {
		destroyed[id] = true
	}
	e, _, err := event.Parse(row.Leaf)
	if err != nil {
		return nil
	}
	for path, f := range fields {
		switch {
		case !destroyed[e.Sealed[path].Key]:
		case f.State == StateOpened:
			c.StillOpen++
		default:
			c.Unreadable++
		}
	}
	return nil
}

func months(keys []store.WrappedKey) []string {
	seen := map[string]bool{}
	for _, k := range keys {
		seen[k.Month] = true
	}
	return store.Sorted(seen)
}

func explain(c Certificate) string {
	return fmt.Sprintf("%d data keys of %d pseudonyms were destroyed. What they sealed can't be read any more by anybody, the operator of this aggregator included. "+
		"The signed record was not changed: of %d events of these pseudonyms %d were looked at, the proofs of %d of them verify.",
		len(c.Keys), len(c.Pseudonyms), c.Events, c.Checked, c.ProofsHold)
}

// certify writes and signs the certificate.
func (v *Vault) certify(c Certificate) (Erasure, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return Erasure{}, fmt.Errorf("certificate: %w", err)
	}
	e := Erasure{Certificate: c, JSON: append(text, '\n')}
	sum := sha256.Sum256(e.JSON)
	if e.Text, err = evidence.SignNote([]byte(c.text(hex.EncodeToString(sum[:]))), v.o.Name, v.o.Signer); err != nil {
		return e, fmt.Errorf("certificate: %w", err)
	}
	return e, nil
}

// text is the certificate for people.
func (c Certificate) text(sum string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", certificateKind)
	line("Certificate of erasure")
	line("request: %s", oneLine(c.RequestID))
	line("carried out at: %s by: %s", c.At.Format(time.RFC3339), oneLine(c.By))
	line("ground: %s", oneLine(c.Ground))
	line("aggregator: %s", oneLine(c.Aggregator))
	for _, p := range c.Pseudonyms {
		line("pseudonym: %s", p)
	}
	line("months: %s", strings.Join(c.Months, " "))
	line("data keys destroyed: %d (list of destroyed keys number %d, sha256 %s)", len(c.Keys), c.List, c.ListHash)
	line("events of these pseudonyms: %d, looked at: %d, proofs that verify: %d", c.Events, c.Checked, c.ProofsHold)
	line("sealed fields that can't be read any more: %d, that can still be read: %d", c.Unreadable, c.StillOpen)
	line("%s", c.Explanation)
	line("Not covered:")
	for _, n := range c.NotCovered {
		line("- %s", n)
	}
	line("sha256 of the certificate in JSON: %s", sum)
	return b.String()
}

// oneLine keeps a text from outside on its line, without an empty one.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, event.Clean(text))), " ")
}
