package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/query"
	"github.com/linewatch/linewatch/shared/seal"
)

// notUnderstood stands in the record for a text that is no search: nobody can tell
// what of it may stay.
const notUnderstood = "(a text that is no search)"

// clean is a search text for the ledger, where it stays for ever: operators and
// fields as they were, but of what may name or describe a person only a mark.
// A clear name in user:NAME becomes a pseudonym. Free words and values in
// event_data become marks, all of them: which fields hold what is sealed, each
// station's own policy says, and the aggregator does not have it.
func (s *Server) clean(ctx context.Context, text string) string {
	// A page that asks again every few seconds shall not make a new text each time.
	q, err := query.Parse(text, time.Now().Truncate(flushEvery))
	if err != nil {
		return notUnderstood
	}
	changed := false
	for i, t := range q.Terms {
		values := slices.Clone(t.Values)
		for j, v := range values {
			switch {
			case t.Field == query.User && isName(v):
				values[j] = s.pseudonym(ctx, v)
			case t.Field == query.Word || t.Field == query.Data && v != "*":
				values[j] = s.mark(ctx, strings.Join(t.Path, "."), v)
			}
			changed = changed || values[j] != v
		}
		q.Terms[i].Values = values
	}
	if !changed {
		return text
	}
	return q.String()
}

// pseudonym is a name as the record may hold it.
func (s *Server) pseudonym(ctx context.Context, name string) string {
	if s.Pseudonym != nil {
		if p := s.Pseudonym(ctx, name); p != "" {
			return p
		}
	}
	return seal.Removed
}

// markDigits is the length of a mark: enough to tell searches apart.
const markDigits = 16

// mark stands for a value that was searched for: # and 16 hex digits of a keyed
// hash. The same value in the same field gives the same mark for a year; who holds
// the year's pseudonym key can test a guess, until that key is destroyed.
func (s *Server) mark(ctx context.Context, field, value string) string {
	digits, ok := strings.CutPrefix(s.pseudonym(ctx, "searched\n"+field+"\n"+value), "p-")
	if !ok || len(digits) < markDigits {
		return "#" + seal.Removed
	}
	return "#" + digits[:markDigits]
}
