package query_test

import (
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/query"
	"github.com/stretchr/testify/require"
)

func now() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }

func TestTheExampleOfTheDesignParses(t *testing.T) {
	q, err := query.Parse(`station:line3/** severity>=medium type:access.* -user:p-9f type:a.b,c.d data.panel:4711 "free words" since:2h`, now())
	require.NoError(t, err)
	require.Equal(t, `station:line3/** severity>=medium type:access.* -user:p-9f type:a.b,c.d data.panel:4711 "free words" since:2026-11-22T08:00:00Z`, q.String())
}
