package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
	"github.com/linewatch/linewatch/shared/seal"
)

// purposeOpened is the purpose of an access that opened sealed fields.
const purposeOpened = "sealed fields opened"

// SealedField is one sealed field of an event as the caller may see it.
type SealedField struct {
	State    string          `json:"state" enum:"opened,sealed,erased,lost" doc:"sealed: you may not open it, or did not ask to; erased: its key was destroyed; lost: its key never came"`
	Set      string          `json:"set,omitempty" doc:"person, or the name of the field set; empty where nobody can tell any more"`
	ErasedAt *time.Time      `json:"erased_at,omitempty"`
	Value    json.RawMessage `json:"-"`
}

// SealedFields is the vault: what the API needs of it.
type SealedFields struct {
	// Open returns the sealed fields of a leaf by path; may says which field sets are
	// opened.
	Open func(ctx context.Context, leaf []byte, may func(set string) bool) (map[string]SealedField, error)
	// Seal seals the fields of an event that a program handed in, by the field policy,
	// and returns the wrapped data keys that it names then. A program's event stands
	// in the aggregator's own logs.
	Seal func(ctx context.Context, e *event.Event) map[string][]byte
	// People returns the pseudonyms of a clear name.
	People func(ctx context.Context, name string) ([]string, error)
	// Token is what a value gives in the blind index.
	Token func(path, value string) string
}

// unseal adds to events what stands in their sealed fields: always their state,
// and when open is true the values that the caller may read. Who opened what is
// in the ledger before the answer is given.
func (s *Server) unseal(ctx context.Context, who rights.Principal, open bool, rows []store.Row, events []Event) error {
	if s.Sealed.Open == nil {
		return nil
	}
	opened, paths := []any{}, map[string]bool{}
	for i := range rows {
		fields, err := s.Sealed.Open(ctx, rows[i].Leaf, func(set string) bool { return open && who.MayOpen(set) })
		if err != nil {
			return s.failed(ctx, "sealed fields", err)
		}
		if len(fields) == 0 {
			continue
		}
		events[i].Stored.Sealed = fields
		before := len(events[i].Stored.Opened)
		for path, f := range fields {
			if f.State == "opened" {
				events[i].Stored.Opened[path] = f.Value
				paths[path] = true
			}
		}
		if len(events[i].Stored.Opened) > before {
			opened = append(opened, rows[i].ID)
		}
	}
	if len(opened) == 0 {
		return nil
	}
	data := map[string]any{
		"query": []any{fmt.Sprintf("opened %s", strings.Join(store.Sorted(paths), " "))}, "records": len(opened),
		"purpose": purposeOpened, "events": opened[:min(len(opened), maxQueries)],
	}
	if err := s.record(ctx, event.TypeAuditAccessed, actorOf(ctx, who), data); err != nil {
		return &problem{Status: http.StatusServiceUnavailable, Title: "Not opened", Detail: "the ledger does not take the record of it now"}
	}
	return nil
}

// people puts pseudonyms in the place of clear names in terms user:NAME, for
// callers who may open what belongs to people. For others a name finds nothing. No
// name reaches the database: it may log what it is asked.
func (s *Server) people(ctx context.Context, who rights.Principal, q *store.EventQuery) error {
	may := s.Sealed.People != nil && who.MayOpen(rights.SetPerson)
	terms := slices.Clone(q.Filter.Terms)
	for i, t := range terms {
		if t.Field != query.User || !slices.ContainsFunc(t.Values, isName) {
			continue
		}
		var values []string
		for _, v := range t.Values {
			if !isName(v) {
				values = append(values, v)
				continue
			}
			if !may {
				continue
			}
			list, err := s.Sealed.People(ctx, v)
			if err != nil {
				return s.failed(ctx, "people", err)
			}
			values = append(values, list...)
		}
		if len(values) == 0 {
			values = []string{nobody} // a term without values would fit nothing of -user either
		}
		terms[i].Values = values
	}
	q.Filter.Terms = terms
	return nil
}

// nobody is a pseudonym that no name has.
const nobody = "p-nobody"

// isName tells a clear name in user:NAME from a pseudonym or a pattern of some. Names
// of accounts may begin with p- as well.
func isName(v string) bool {
	digits, ok := strings.CutPrefix(v, "p-")
	pattern := ok && strings.Contains(digits, "*") && strings.Trim(digits, "0123456789abcdef*") == ""
	return !seal.IsPseudonym(v) && !pattern && v != "*" && v != "**"
}

// sealedTerms reads the parameter sealed of a search, path:value: equality with
// sealed fields, for those who may open all of them.
func (s *Server) sealedTerms(who rights.Principal, list []string) ([][]string, error) {
	var out [][]string
	for _, text := range list {
		path, value, ok := strings.Cut(text, ":")
		if !ok || value == "" || !sealedPath(path) {
			return nil, &problem{Status: http.StatusBadRequest, Title: "The search is not understood", Detail: "sealed is path:value, such as event_data.device:HMI-4; only equality can be searched"}
		}
		if s.Sealed.Token == nil || !who.MayOpenAll() {
			return nil, &problem{Status: http.StatusForbidden, Title: "Not allowed", Detail: "your roles do not open all sealed fields; ask an administrator"}
		}
		out = append(out, []string{s.Sealed.Token(path, value)})
	}
	return out, nil
}

// sealedPath tells whether a text can be the path of a sealed field. What is none
// may be a name, and stays out of the record.
func sealedPath(path string) bool {
	root, rest, deep := strings.Cut(path, ".")
	return path == seal.UserPath || path == "person" || deep && rest != "" && (root == "event_data" || root == "context")
}

// sealedLabel says for the ledger in which sealed fields was searched; the values
// stay out, for they are what is sealed.
func sealedLabel(list []string) string {
	var b strings.Builder
	for _, text := range list {
		path, _, _ := strings.Cut(text, ":")
		b.WriteString("sealed:" + path + " ")
	}
	return b.String()
}
