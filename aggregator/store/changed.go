package store

import "sync"

// Changes wakes everybody who waits for the next commit. The zero value is ready.
type Changes struct {
	mu   sync.Mutex
	next chan struct{}
}

// Wait returns a channel that the next Signal closes.
func (c *Changes) Wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	return c.next
}

// Signal wakes all who wait.
func (c *Changes) Signal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}
