// Package live hands newly committed events to whoever watches. One reader
// follows the store's feed into a bounded ring; each watcher walks the ring at
// its own pace. A watcher that falls out of the ring is told so (a gap) instead
// of holding anybody up: it fetches what it missed from the store.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
)

const (
	ringRows  = 20_000 // rows kept for watchers that lag or come back
	pageRows  = 1_000  // rows read from the feed at once
	rateSpan  = 10     // seconds over which the rate is taken
	retryWait = time.Second
	// sleepAfter nobody watches the hub stops reading. A page that is loaded anew
	// within this time finds its place again.
	sleepAfter = time.Minute
	primeLimit = 5 * time.Second
)

// Feed is what the hub needs of the store.
type Feed interface {
	Feed(ctx context.Context, after string, limit int) (store.FeedPage, error)
	Changed() <-chan struct{}
}

// Hub follows the feed. Its methods may be called concurrently.
type Hub struct {
	feed Feed
	log  *slog.Logger

	mu      sync.Mutex
	batches []batch // oldest first
	first   uint64  // number of batches[0]
	rows    int
	cursor  string // behind the newest batch
	before  string // before batches[0]
	more    chan struct{}
	asleep  bool             // reads nothing; cursor and ring mean nothing
	waiting int              // calls of Next under way
	used    time.Time        // when one last began or ended
	seconds [rateSpan]uint64 // rows by second, a ring
	second  int64

	wake  chan struct{}
	prime sync.Mutex // held while a first watcher finds the position
}

type batch struct {
	rows   []store.Row
	cursor string // behind these rows
}

// New makes a hub; Run makes it follow.
func New(feed Feed, log *slog.Logger) *Hub {
	return &Hub{feed: feed, log: log, more: make(chan struct{}), asleep: true, wake: make(chan struct{}, 1)}
}

// Run follows the feed while somebody watches, until ctx ends. Trouble with the
// store is logged once and tried again; no row is skipped meanwhile.
func (h *Hub) Run(ctx context.Context) error {
	failing := false
	for ctx.Err() == nil {
		cursor, awake := h.position()
		if !awake {
			wait(ctx, h.wake, sleepAfter)
			continue
		}
		changed := h.feed.Changed()
		page, err := h.feed.Feed(ctx, cursor, pageRows)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			if !failing {
				h.log.Warn("live feed interrupted, trying again", "error", err)
				failing = true
			}
			wait(ctx, nil, retryWait)
			continue
		}
		failing = false
		if h.publish(page); len(page.Rows) == 0 {
			// The timer is for what a lost notification would delay for ever.
			wait(ctx, changed, 5*retryWait)
		}
	}
	return nil
}

// position returns where to read on, or falls asleep when nobody has watched for
// a while. Only Run calls it, so nothing is published meanwhile.
func (h *Hub) position() (cursor string, awake bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.asleep && h.waiting == 0 && time.Since(h.used) > sleepAfter {
		h.asleep = true
		// Watchers from before are behind the ring: they are told of the gap.
		h.first += uint64(len(h.batches)) + 1
		h.batches, h.rows = nil, 0
	}
	return h.cursor, !h.asleep
}

// rouse makes the hub read again from now on, when it sleeps.
func (h *Hub) rouse() error {
	h.prime.Lock()
	defer h.prime.Unlock()
	h.mu.Lock()
	h.used = time.Now()
	asleep := h.asleep
	h.mu.Unlock()
	if !asleep {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), primeLimit)
	defer cancel()
	page, err := h.feed.Feed(ctx, "now", 1)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.cursor, h.before, h.asleep, h.used = page.Cursor, page.Cursor, false, time.Now()
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
	return nil
}

func wait(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-t.C:
	}
}

func (h *Hub) publish(page store.FeedPage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cursor = page.Cursor
	if len(page.Rows) == 0 {
		return
	}
	h.batches = append(h.batches, batch{page.Rows, page.Cursor})
	h.rows += len(page.Rows)
	for h.rows > ringRows && len(h.batches) > 1 {
		h.rows -= len(h.batches[0].rows)
		h.before = h.batches[0].cursor
		h.batches[0] = batch{}
		h.batches = h.batches[1:]
		h.first++
	}
	h.count(time.Now().Unix(), uint64(len(page.Rows)))
	close(h.more)
	h.more = make(chan struct{})
}

// count adds n rows to the current second and clears those that passed.
func (h *Hub) count(now int64, n uint64) {
	if now-h.second > rateSpan {
		h.second = now - rateSpan
	}
	for ; h.second < now; h.second++ {
		h.seconds[(h.second+1)%rateSpan] = 0
	}
	h.seconds[now%rateSpan] += n
}

// Rate returns the rows per second over the last ten seconds, as far as somebody
// watched.
func (h *Hub) Rate() float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count(time.Now().Unix(), 0)
	var sum uint64
	for _, n := range h.seconds {
		sum += n
	}
	return float64(sum) / rateSpan
}

// Watcher is one place in the ring. It is used by one goroutine.
type Watcher struct {
	// Begin is the cursor of the place where it began, "" when that is a gap:
	// given to Watch again, nothing committed in between is missed.
	Begin string

	hub    *Hub
	filter func(*store.Row) bool
	next   uint64 // number of the next batch
	gap    string
}

// Watch starts behind cursor, or at now when it is "". A cursor that is no
// longer in the ring begins with a gap. When Watch returns, every row committed
// from then on will come, or a gap.
func (h *Hub) Watch(cursor string, filter func(*store.Row) bool) *Watcher {
	err := h.rouse()
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &Watcher{hub: h, filter: filter, next: h.first + uint64(len(h.batches))}
	if err != nil {
		h.log.Warn("a watcher begins with a gap", "error", err)
		w.gap = "the database did not answer"
		return w
	}
	if cursor == "" || cursor == h.cursor {
		w.Begin = h.cursor
		return w
	}
	w.Begin = cursor
	if cursor == h.before {
		w.next = h.first
		return w
	}
	for i, b := range h.batches {
		if b.cursor == cursor {
			w.next = h.first + uint64(i) + 1
			return w
		}
	}
	w.Begin = ""
	w.gap = "away for too long"
	return w
}

// Next waits for rows that pass the filter, or for a gap, and returns them,
// oldest first, with the cursor behind them (give it to Watch to go on later)
// and the reason of a gap before them, "" for none. It returns ctx's error when
// ctx ends. maxRows bounds one answer; a batch is never split.
func (w *Watcher) Next(ctx context.Context, maxRows int) (store.FeedPage, string, error) {
	w.hub.watching(1)
	defer w.hub.watching(-1)
	if err := w.hub.rouse(); err != nil {
		w.gap = "the database did not answer"
		wait(ctx, nil, retryWait)
	}
	for {
		page, gap, more := w.take(maxRows)
		if len(page.Rows) > 0 || gap != "" {
			return page, gap, nil
		}
		if more == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return store.FeedPage{}, "", fmt.Errorf("live: %w", context.Cause(ctx))
		case <-more:
		}
	}
}

// watching counts calls of Next under way.
func (h *Hub) watching(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting += n
	h.used = time.Now()
}

// take collects what is there. A nil channel means: there is more, call again.
func (w *Watcher) take(maxRows int) (store.FeedPage, string, <-chan struct{}) {
	h := w.hub
	h.mu.Lock()
	var batches []batch
	if w.next < h.first {
		w.gap, w.next = "this connection was too slow", h.first+uint64(len(h.batches))
	}
	for n := 0; w.next < h.first+uint64(len(h.batches)) && n < maxRows; w.next++ {
		b := h.batches[w.next-h.first]
		batches = append(batches, b)
		n += len(b.rows)
	}
	page, gap, more := store.FeedPage{Cursor: h.cursor}, w.gap, h.more
	if w.next < h.first+uint64(len(h.batches)) {
		more = nil
	}
	w.gap = ""
	h.mu.Unlock()
	// Rows in a batch never change, so the filter runs without the lock.
	for _, b := range batches {
		page.Cursor = b.cursor
		for i := range b.rows {
			if w.filter == nil || w.filter(&b.rows[i]) {
				page.Rows = append(page.Rows, b.rows[i])
			}
		}
	}
	return page, gap, more
}
