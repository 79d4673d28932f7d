package station

import (
	"strings"
	"sync"
	"time"
)

// Lines knows which station of a line stopped first, for all stations of one agent: a
// station that waits is attached to it. The nil value knows nothing. It may be used from
// any goroutine.
type Lines struct {
	mu    sync.Mutex
	stops map[string]stopped // by station
}

type stopped struct {
	station   string
	equipment string
	at        time.Time
}

// NewLines makes one for an agent.
func NewLines() *Lines { return &Lines{stops: map[string]stopped{}} }

// lineOf is the path of the line: all but the last level.
func lineOf(station string) string {
	if i := strings.LastIndexByte(station, '/'); i >= 0 {
		return station[:i]
	}
	return ""
}

func (l *Lines) stop(station, equipment string, at time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.stops[station]; !ok {
		l.stops[station] = stopped{station, equipment, at}
	}
}

func (l *Lines) resume(station string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.stops, station)
}

// first is the stop of another station of the line that began first and still lasts.
func (l *Lines) first(station string) (best stopped, ok bool) {
	if l == nil {
		return best, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, s := range l.stops {
		if name == station || lineOf(name) != lineOf(station) {
			continue
		}
		if !ok || s.at.Before(best.at) || s.at.Equal(best.at) && name < best.station {
			best, ok = s, true
		}
	}
	return best, ok
}
