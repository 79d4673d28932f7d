package mqtt

import (
	"context"
	"sync"

	"github.com/linewatch/linewatch/agent/source"
)

// item is one entry of the hand-over between the connection and the committer.
type item struct {
	reading source.Reading
	link    *link  // the connection that must acknowledge it, nil for our own occurrences
	id      uint16 // packet id
	qos     byte
	hash    uint64 // of topic and payload
	topic   uint64 // hash of the topic
	size    int
	dropped uint64 // value of the broker's drop counter, used when isDropped
	// isDropped marks a value of $SYS, which is no reading.
	isDropped   bool
	kept        bool // the broker kept that value, it may be old
	quarantined bool
	fresh       bool   // the broker began a new session
	filters     string // what was subscribed, to be stored with the position
}

// queue is the bounded hand-over. A broker sends at most its window of
// unacknowledged messages (65,535 packet ids at the most), so put only blocks
// when the bytes run over, or QoS 0 floods.
type queue struct {
	maxItems, maxBytes int

	mu    sync.Mutex
	items []item // those before first are taken
	first int
	most  int // items that waited at once since the queue was last empty
	bytes int
	some  chan struct{} // has a token while there are items
	room  chan struct{} // has a token after items were taken
}

func newQueue(maxItems, maxBytes int) *queue {
	return &queue{
		maxItems: maxItems, maxBytes: maxBytes,
		some: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

// put appends an item; false when it had to wait and done closed meanwhile.
func (q *queue) put(it item, done <-chan struct{}) bool {
	for {
		q.mu.Lock()
		if n := len(q.items) - q.first; n == 0 || (n < q.maxItems && q.bytes+it.size <= q.maxBytes) {
			q.add(it)
			q.mu.Unlock()
			return true
		}
		q.mu.Unlock()
		select {
		case <-q.room:
		case <-done:
			return false
		}
	}
}

// force appends an item whatever is queued: occurrences of our own, which are few.
func (q *queue) force(it item) {
	q.mu.Lock()
	q.add(it)
	q.mu.Unlock()
}

func (q *queue) add(it item) {
	q.items = append(q.items, it)
	q.most = max(q.most, len(q.items)-q.first)
	q.bytes += it.size
	signal(q.some)
}

// take waits for items and returns up to n of them, up to bytes in all (at least
// one), into buf; nil when ctx ends or wake fires.
func (q *queue) take(ctx context.Context, buf []item, n, bytes int, wake <-chan struct{}) []item {
	select {
	case <-q.some:
	case <-wake:
		return nil
	case <-ctx.Done():
		return nil
	}
	return q.more(buf, n, bytes)
}

// more appends what is there to buf, up to n items and bytes in all (at least one
// item), without waiting.
func (q *queue) more(buf []item, n, bytes int) []item {
	sum := 0
	for i := range buf {
		sum += buf[i].size
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	k, before := 0, sum
	waiting := q.items[q.first:]
	for k < len(waiting) && len(buf)+k < n && (len(buf)+k == 0 || sum+waiting[k].size <= bytes) {
		sum += waiting[k].size
		k++
	}
	buf = append(buf, waiting[:k]...)
	clear(waiting[:k])
	q.first += k
	rest := len(waiting) - k
	q.pack(rest)
	q.bytes -= sum - before
	select { // the token that stands for what was taken
	case <-q.some:
	default:
	}
	if rest > 0 {
		signal(q.some)
	}
	signal(q.room)
	return buf
}

// len returns how many items wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - q.first
}

// pack gives the room of taken items back. It moves the rest only when that is
// the smaller part, so each item is moved once at most on average.
func (q *queue) pack(rest int) {
	if rest == 0 {
		// What a flood needed is given back when it is over, and not between two of
		// its batches: growing anew each time was a twentieth of a drain.
		if q.most < cap(q.items)/8 {
			q.release()
		}
		q.most = 0
	}
	if rest <= q.first {
		copy(q.items, q.items[q.first:])
		clear(q.items[q.first:])
		q.items, q.first = q.items[:rest], 0
	}
}

// keepItems is the room for items that is never given back.
const keepItems = 4096

// release gives back what a flood needed; nothing waits.
func (q *queue) release() {
	if cap(q.items) > keepItems {
		q.items, q.first = nil, 0
	}
}

// quiet is told when nothing has come for a while.
func (q *queue) quiet() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == q.first {
		q.release()
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
