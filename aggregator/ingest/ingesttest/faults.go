package ingesttest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
)

// ErrDown is what a store that is down answers.
var ErrDown = errors.New("the database does not answer")

// Faults is a store that can fail on request.
type Faults struct {
	store.Store
	Down      atomic.Bool  // every commit fails, nothing is stored
	LoseAfter atomic.Int32 // this many commits succeed but answer with an error: killed between commit and answer
	Commits   atomic.Int64 // that succeeded
	Slow      atomic.Int64 // nanoseconds that a commit takes at least, as on a slow disk

	mu sync.Mutex
	// Refuse lets commits fail that touch this log.
	refuse string
}

// RefuseLog lets every commit fail that appends to this log.
func (f *Faults) RefuseLog(log string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = log
}

// Commit fails as told.
func (f *Faults) Commit(ctx context.Context, c store.Change) (store.Committed, error) {
	if f.Down.Load() {
		return store.Committed{}, ErrDown
	}
	f.mu.Lock()
	refuse := f.refuse
	f.mu.Unlock()
	for _, a := range c.Segments {
		if a.Log == refuse {
			return store.Committed{}, errors.New("this log does not fit")
		}
	}
	if slow := f.Slow.Load(); slow > 0 {
		<-time.After(time.Duration(slow))
	}
	done, err := f.Store.Commit(ctx, c)
	if err == nil {
		f.Commits.Add(1)
		if f.LoseAfter.Add(-1) >= 0 {
			return store.Committed{}, ErrDown
		}
	}
	return done, err
}

// Clock is real time with an offset that a test moves.
type Clock struct{ offset atomic.Int64 }

// Now is the time of the rig.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// Move moves the clock on.
func (c *Clock) Move(d time.Duration) { c.offset.Add(int64(d)) }
