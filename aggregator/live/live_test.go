package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
)

// feed is the store's feed in memory: cursor = number of rows before it.
type feed struct {
	mu      sync.Mutex
	rows    []store.Row
	changed chan struct{}
	fail    bool
	reads   int
}

func newFeed() *feed { return &feed{changed: make(chan struct{})} }

func (f *feed) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.rows = append(f.rows, store.Row{ID: strconv.Itoa(len(f.rows))})
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *feed) read() int { f.mu.Lock(); defer f.mu.Unlock(); return f.reads }

func (f *feed) setFail(fail bool) { f.mu.Lock(); f.fail = fail; f.mu.Unlock() }

func (f *feed) Feed(_ context.Context, after string, limit int) (store.FeedPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.fail {
		return store.FeedPage{}, errors.New("database is away")
	}
	from, err := strconv.Atoi(after)
	if after == "now" {
		from, err = len(f.rows), nil
	}
	if err != nil {
		return store.FeedPage{}, err
	}
	to := min(from+limit, len(f.rows))
	return store.FeedPage{Rows: f.rows[from:to], Cursor: strconv.Itoa(to)}, nil
}

func (f *feed) Changed() <-chan struct{} { f.mu.Lock(); defer f.mu.Unlock(); return f.changed }

// start runs a hub in the bubble of the test.
func start(t *testing.T, f *feed) *Hub {
	h := New(f, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	synctest.Wait()
	return h
}

func collect(t *testing.T, w *Watcher, n int) (ids []string, last store.FeedPage) {
	for len(ids) < n {
		d, gap, err := w.Next(t.Context(), 100)
		require.NoError(t, err)
		require.Empty(t, gap)
		for _, r := range d.Rows {
			ids = append(ids, r.ID)
		}
		last = d
	}
	return ids, last
}

func TestAWatcherGetsEachRowOnceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.add(5) // before: not live
		h := start(t, f)
		w := h.Watch("", nil)
		for range 20 {
			f.add(7)
		}
		ids, _ := collect(t, w, 140)
		for i, id := range ids {
			require.Equal(t, fmt.Sprint(i+5), id)
		}
	})
}

func TestTheFilterDecidesAndTheCursorResumesWithoutLossOrRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		h := start(t, f)
		even := func(r *store.Row) bool { n, _ := strconv.Atoi(r.ID); return n%2 == 0 }
		w := h.Watch("", even)
		f.add(10)
		ids, last := collect(t, w, 5)
		require.Equal(t, []string{"0", "2", "4", "6", "8"}, ids)
		f.add(4) // while nobody watches
		synctest.Wait()
		ids, _ = collect(t, h.Watch(last.Cursor, even), 2)
		require.Equal(t, []string{"10", "12"}, ids)
	})
}

func TestTheCursorOfTheBeginResumesAlsoBeforeTheFirstRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.add(3)
		h := start(t, f)
		begin := h.Watch("", nil).Begin
		require.NotEmpty(t, begin)
		f.add(2)
		synctest.Wait()
		w := h.Watch(begin, nil)
		require.Equal(t, begin, w.Begin)
		ids, _ := collect(t, w, 2)
		require.Equal(t, []string{"3", "4"}, ids)
		f.add(ringRows)
		f.add(1)
		synctest.Wait()
		require.Empty(t, h.Watch(begin, nil).Begin, "a gap: it is no longer in the ring")
	})
}

func TestAStoreThatIsAwayDelaysButLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		h := start(t, f)
		w := h.Watch("", nil)
		f.setFail(true)
		f.add(3)
		synctest.Wait()
		f.setFail(false)
		ids, _ := collect(t, w, 3)
		require.Equal(t, []string{"0", "1", "2"}, ids)
	})
}

func TestASlowWatcherIsToldOfTheGapAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		h := start(t, f)
		slow := h.Watch("", nil)
		for range 3 * ringRows / pageRows {
			f.add(pageRows)
			synctest.Wait()
		}
		_, gap, err := slow.Next(t.Context(), 100)
		require.NoError(t, err)
		require.NotEmpty(t, gap)
		f.add(1)
		ids, _ := collect(t, slow, 1)
		require.Equal(t, []string{strconv.Itoa(3 * ringRows)}, ids)
		_, gap, err = h.Watch("17", nil).Next(t.Context(), 100)
		require.NoError(t, err)
		require.Equal(t, "away for too long", gap)
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newFeed())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := h.Watch("", nil).Next(ctx, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestTheRateCountsTheLastTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		h := start(t, f)
		h.Watch("", nil)
		for range 10 {
			f.add(50)
			synctest.Wait()
			<-time.After(time.Second)
		}
		require.InDelta(t, 50, h.Rate(), 6)
		<-time.After(time.Minute)
		require.Zero(t, h.Rate())
	})
}

func TestNothingIsReadWhileNobodyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		h := start(t, f)
		f.add(3)
		synctest.Wait()
		require.Zero(t, f.read())
		w := h.Watch("", nil)
		f.add(2)
		ids, last := collect(t, w, 2)
		require.Equal(t, []string{"3", "4"}, ids, "from Watch on, nothing before and nothing missed")

		// The page is closed: after a minute the hub sleeps again.
		<-time.After(3 * sleepAfter)
		before := f.read()
		f.add(4)
		<-time.After(sleepAfter)
		require.Equal(t, before, f.read())

		// Whoever comes back is told, and goes on.
		back := h.Watch(last.Cursor, nil)
		_, gap, err := back.Next(t.Context(), 100)
		require.NoError(t, err)
		require.NotEmpty(t, gap)
		f.add(1)
		ids, _ = collect(t, back, 1)
		require.Equal(t, []string{"9"}, ids)
		_, gap, err = w.Next(t.Context(), 100)
		require.NoError(t, err)
		require.NotEmpty(t, gap, "a watcher from before the sleep")
	})
}

func TestAWatcherThatWaitsKeepsTheHubAwake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		w := start(t, f).Watch("", nil)
		go func() {
			<-time.After(10 * sleepAfter)
			f.add(1)
		}()
		ids, _ := collect(t, w, 1)
		require.Equal(t, []string{"0"}, ids)
	})
}

func TestAWatcherBeginsWithAGapWhenTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		h := start(t, f)
		f.setFail(true)
		w := h.Watch("", nil)
		f.setFail(false)
		_, gap, err := w.Next(t.Context(), 100)
		require.NoError(t, err)
		require.NotEmpty(t, gap)
		f.add(1)
		ids, _ := collect(t, w, 1)
		require.Equal(t, []string{"0"}, ids)
	})
}
