package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	Result      string    `json:"result"` // see Erased and the others
	Keys        []string  `json:"destroyed_key_ids"`
	Before      []string  `json:"destroyed_before_key_ids"` // named by the events looked at
	List        uint64    `json:"destroyed_list_number"`
	ListHash    string    `json:"destroyed_list_sha256"`
	Events      uint64    `json:"events_found"`
	Checked     uint64    `json:"events_checked"`
	ProofsHold  uint64    `json:"proofs_that_verify"`
	Unreadable  uint64    `json:"sealed_fields_unreadable"`
	StillOpen   uint64    `json:"sealed_fields_still_readable"`
	Others      uint64    `json:"sealed_fields_of_other_keys_readable"` // in the same events
	OtherSets   []string  `json:"other_keys"`                           // field sets, person for another person
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
func (v *Vault) notCovered() []string {
	list := []string{
		"copies of data that were exported before and are kept elsewhere",
		"backups of the database together with backups of the vault's keys, if somebody opens them outside of this product: inside it the list of destroyed keys is applied again after each restore",
		"fields that were sealed with other keys: those of field sets (secrets, what was not understood, personal data in events that name nobody), and those of other people in whose events the person appears",
		"names that stand in free texts, topic names or file names that the field policy does not cover",
		"pseudonyms of other spellings of the name, of other plants, or of years whose keys were destroyed, unless they are listed above",
		"the pseudonyms themselves: they stay in the signed record; until their yearly keys are destroyed (13 months after the end of the year) the holder of such a key can compute them from a name",
	}
	if v.o.Leftovers != nil {
		for _, name := range v.o.Leftovers() {
			list = append(list, "a copy of the store that was kept here, with the keys of its time (remove it): "+name)
		}
	}
	return list
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
	c := Certificate{
		Kind: certificateKind, RequestID: r.RequestID, Aggregator: v.o.Name, By: r.By, Ground: r.Ground,
		At: v.now().UTC().Truncate(time.Second), Pseudonyms: r.Pseudonyms, Keys: []string{}, Before: []string{}, OtherSets: []string{}, NotCovered: v.notCovered(),
	}
	if err := v.destroy(ctx, &c); err != nil {
		return Erasure{}, err
	}
	if err := v.prove(ctx, &c); err != nil {
		return Erasure{}, fmt.Errorf("erase: the keys are destroyed, the check after it failed (run it again for the certificate): %w", err)
	}
	c.Result = c.result()
	c.Explanation = c.explain()
	e, err := v.certify(c)
	if err != nil {
		return e, err
	}
	sum := sha256.Sum256(e.JSON)
	data, err := event.Object(map[string]any{
		"requestId": c.RequestID, "right": "erasure", "result": c.Result, "keysDestroyed": len(c.Keys),
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

// passes is how often an erasure looks for keys: of those that arrive meanwhile
// Late takes care, and what is made anew is of a person who goes on working.
const passes = 2

// destroy puts the keys onto the list and deletes them.
func (v *Vault) destroy(ctx context.Context, c *Certificate) error {
	at := v.now().UTC()
	people := map[string]time.Time{}
	for _, p := range c.Pseudonyms {
		people[p] = at
	}
	if err := v.noteErased(people); err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	seen := map[string]bool{}
	for range passes {
		keys, err := v.o.Store.KeysOf(ctx, c.Pseudonyms)
		if err != nil {
			return fmt.Errorf("erase: %w", err)
		}
		var ids []string
		for _, k := range keys {
			ids, seen[k.Month] = append(ids, k.ID), true
		}
		c.Keys = append(c.Keys, ids...)
		if len(ids) == 0 {
			break
		}
		if _, err := v.destroyKeys(ctx, ids, "destroyed", c.By, map[string]any{"requestId": c.RequestID}); err != nil {
			return fmt.Errorf("erase: not all is done: keys that are on the list of destroyed ones already are deleted by the running aggregator or with the next start; run it again for the certificate: %w", err)
		}
	}
	c.Months = store.Sorted(seen)
	list, _ := v.List()
	c.List, c.ListHash = list.Number, list.Hash()
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
	c.Checked++
	if evidence.VerifyInclusion(evidence.LeafHash(row.Leaf), row.Index, l.Size, proof, root) == nil {
		c.ProofsHold++
	}
	fields, err := v.Open(ctx, row.Leaf, func(string) bool { return true })
	if err != nil {
		return err
	}
	e, _, err := event.Parse(row.Leaf)
	if err != nil {
		return nil
	}
	for path, f := range fields {
		c.count(f, e.Sealed[path].Key, e.CollectedAt)
	}
	return nil
}

// count takes one sealed field of the person's events into the certificate.
func (c *Certificate) count(f Field, key string, collected time.Time) {
	switch {
	case f.State == StateErased:
		c.Unreadable++
		if !slices.Contains(c.Keys, key) && !slices.Contains(c.Before, key) {
			c.Before = append(c.Before, key)
		}
	case f.State != StateOpened:
		c.Unreadable++
	case slices.Contains(c.Pseudonyms, f.Subject):
		if !collected.After(c.At) { // what came later was sealed anew: they go on working
			c.StillOpen++
		}
	default:
		c.Others++
		if !slices.Contains(c.OtherSets, f.Set) {
			c.OtherSets = append(c.OtherSets, f.Set)
			slices.Sort(c.OtherSets)
		}
	}
}

// Results of an erasure.
const (
	Erased       = "erased"
	ErasedBefore = "erased before" // and nothing was left to destroy
	NothingFound = "nothing found" // no data key, and no event whose key was destroyed before
	Incomplete   = "incomplete"    // something of it still opens
)

func (c *Certificate) result() string {
	switch {
	case c.StillOpen > 0:
		return Incomplete
	case len(c.Keys) > 0:
		return Erased
	case len(c.Before) > 0:
		return ErasedBefore
	}
	return NothingFound
}

func (c *Certificate) explain() string {
	rest := fmt.Sprintf(" The signed record was not changed: of %d events of these pseudonyms %d were looked at, the proofs of %d of them verify.", c.Events, c.Checked, c.ProofsHold)
	if c.Others > 0 {
		rest += fmt.Sprintf(" In these events %d fields that were sealed with other keys (%s) can still be read by who may.", c.Others, strings.Join(c.OtherSets, ", "))
	}
	switch c.Result {
	case Incomplete:
		return fmt.Sprintf("The erasure is not complete: %d data keys were destroyed, and %d sealed fields of these pseudonyms can still be read.", len(c.Keys), c.StillOpen) + rest
	case NothingFound:
		return fmt.Sprintf("Nothing was destroyed: there is no data key of the %d pseudonyms. If a name was given, another spelling of it has other pseudonyms.", len(c.Pseudonyms)) + rest
	case ErasedBefore:
		return fmt.Sprintf("Nothing was left to destroy: the data keys of the %d pseudonyms had been destroyed before (%d are named by the events looked at).", len(c.Pseudonyms), len(c.Before)) + rest
	}
	return fmt.Sprintf("%d data keys of %d pseudonyms were destroyed. What they sealed can't be read any more by anybody, the operator of this aggregator included.",
		len(c.Keys), len(c.Pseudonyms)) + rest
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
	line("result: %s", c.Result)
	line("data keys destroyed: %d (list of destroyed keys number %d, sha256 %s)", len(c.Keys), c.List, c.ListHash)
	line("events of these pseudonyms: %d, looked at: %d, proofs that verify: %d", c.Events, c.Checked, c.ProofsHold)
	line("sealed fields that can't be read any more: %d, that can still be read: %d", c.Unreadable, c.StillOpen)
	line("data keys of these events that had been destroyed before: %d", len(c.Before))
	line("sealed fields of other keys in these events that can still be read: %d (%s)", c.Others, strings.Join(c.OtherSets, " "))
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
