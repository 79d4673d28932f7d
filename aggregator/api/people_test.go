package api

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/query"
)

// A database logs what it is asked (PostgreSQL: slow statements with their values).
func TestNoNameThatIsSearchedForReachesTheDatabase(t *testing.T) {
	const pseudonym = "p-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
	s := &Server{Options: Options{Sealed: SealedFields{People: func(_ context.Context, name string) ([]string, error) {
		if name == "p-meier" {
			return []string{pseudonym}, nil
		}
		return nil, nil
	}}}}
	for role, want := range map[string][]string{"viewer": {"p-0a*"}, "security": {pseudonym, "p-0a*"}} {
		q := store.EventQuery{Filter: query.Must(`user:p-meier,"Anna Klar",p-0a* -user:p-ada`, time.Now())}
		require.NoError(t, s.people(t.Context(), rights.Principal{Roles: []string{role}}, &q))
		require.Equal(t, want, q.Filter.Terms[0].Values, role)
		require.Equal(t, []string{nobody}, q.Filter.Terms[1].Values, role)
	}
}
