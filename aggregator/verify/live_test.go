package verify_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
)

// growing is a store in use: as soon as the logs are listed more is stored.
type growing struct {
	store.Store
	grow func()
}

func (s *growing) Logs(ctx context.Context) ([]store.Log, error) {
	logs, err := s.Store.Logs(ctx)
	if grow := s.grow; grow != nil {
		s.grow = nil
		grow()
	}
	return logs, err
}

func TestAStoreThatIsInUseVerifiesAsItWasAtTheBegin(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	la := r.Log(a, "manufacturing", "")
	r.Send(a, la.CommitN(5))
	require.NoError(t, r.Ledger.Roots(t.Context()))
	rep := run(t, r, &growing{r.Store, func() {
		r.Send(a, la.CommitN(6), la.CommitN(7))
		b := r.Agent("st08")
		lb := r.Log(b, "security", "")
		r.Send(b, lb.CommitN(3))
		require.NoError(t, r.Ledger.Roots(t.Context()))
		r.Send(a, la.CommitN(8))
	}})
	require.True(t, rep.OK(), "%v", rep.Findings)
	require.EqualValues(t, 1, rep.Roots)
	require.True(t, run(t, r, r.Store).OK())
}

func TestSegmentsBehindAHeadThatWasPutBackAreFound(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	la := r.Log(a, "manufacturing", "")
	r.Send(a, la.CommitN(5))
	o, err := evidence.ParseOrigin(la.Origin)
	require.NoError(t, err)
	was, err := r.Store.Log(t.Context(), o.Log)
	require.NoError(t, err)
	r.Send(a, la.CommitN(6))
	rep := run(t, r, tampered{Store: r.Store, head: func(l *store.Log) {
		if l.ID == o.Log {
			*l = was
		}
	}})
	require.Len(t, rep.Findings, 2)
	require.Contains(t, rep.Findings[0].What, "behind the log's size")
	require.Contains(t, rep.Findings[1].What, "in no log", "their rows")
}
