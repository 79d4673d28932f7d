package aggregator

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// accountPrefix stands before the operating system's account of whoever used the
// command line.
const accountPrefix = "cli:"

// systemAccount tells the accounts that are no person's.
func systemAccount(name string) bool {
	return slices.Contains([]string{"", "root", "system", "administrator", "linewatch", "linewatch-aggregator"}, strings.ToLower(name))
}

// private takes the names of accounts out of an event of the ledger, where they
// would stand for ever: a pseudonym takes their place, and the name is sealed with
// that person's key, as everywhere else. It returns the data keys that the event
// names then.
func (a *Aggregator) private(e *event.Event) map[string][]byte {
	if e.Source == nil || e.Source.Kind != "aggregator" || !bytes.Contains(e.Data, []byte(`"`+accountPrefix)) {
		return nil // what programs hand in is not ours
	}
	keys := map[string][]byte{}
	for _, name := range accounts(e.Data) {
		p := a.Pseudonym(context.Background(), name)
		if p == "" {
			p = seal.Removed
		}
		e.Data = seal.ReplaceText(e.Data, accountPrefix+name, accountPrefix+p)
		if !seal.IsPseudonym(p) || e.UserID != "" {
			continue
		}
		e.UserID = p
		if a.Vault == nil || a.ring == nil { // while the program opens
			continue
		}
		text, err := event.Value(name)
		if err != nil {
			continue
		}
		if k := a.sealer().Put(e, seal.UserPath, seal.Person(p), text); k != nil {
			keys[k.ID] = k.Blob
		}
	}
	if len(keys) > 0 {
		a.Vault.Learn(keys)
	}
	return keys
}

// accounts are the names of people that the texts of event_data give, each once.
func accounts(data []byte) (names []string) {
	for _, m := range regexp.MustCompile(`"`+accountPrefix+`(?:[^"\\]|\\.)*"`).FindAll(data, -1) {
		var text string
		if json.Unmarshal(m, &text) != nil {
			continue
		}
		name := strings.TrimPrefix(text, accountPrefix)
		if !systemAccount(name) && !seal.IsPseudonym(name) && name != seal.Removed && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
