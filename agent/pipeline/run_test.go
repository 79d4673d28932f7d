package pipeline

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

func TestSummariesComeEveryTenSecondsAndALastOneAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, j := newTest(t, func(o *Options) { o.Now = time.Now })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		point := mqttPoint("")
		point.Signal = "n"
		count := func() (n int) {
			for _, e := range j.events(t) {
				require.Equal(t, event.TypeSignalSummary, e.Type)
				n++
			}
			return n
		}
		for range 25 {
			r := reading(point, int64(1))
			r.ReceivedAt = time.Now()
			r.SourceTime = r.ReceivedAt
			take(t, p, r)
			<-time.After(time.Second)
		}
		synctest.Wait()
		require.Equal(t, 2, count())
		require.InDelta(t, 1, p.Signals()[0].Rate, 0.2)
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, 1, count())
	})
}

func TestMoreSignalsThanAreRememberedAreCountedTogether(t *testing.T) {
	p, j := newTest(t)
	batch := make([]source.Reading, 0, maxSeries+10)
	for i := range maxSeries + 10 {
		batch = append(batch, reading(&source.Point{Source: "s", Kind: "mqtt", Item: fmt.Sprint(i), Station: "a/b"}, int64(1)))
	}
	take(t, p, batch...)
	require.Len(t, p.Signals(), maxSeries+1)
	require.EqualValues(t, 10, p.Signals()[0].Count, otherSeries)
	p.summarise(t.Context())
	require.NotEmpty(t, j.events(t))
}
