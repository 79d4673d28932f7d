package pipeline

import (
	"fmt"
	"time"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	// futureLimit is how far a source may be ahead before it is flagged.
	futureLimit = 5 * time.Minute
	// zoneStep and zoneSlack recognise local time sent as UTC: zones differ from
	// UTC by multiples of 15 minutes.
	zoneStep  = 15 * time.Minute
	zoneSlack = 30 * time.Second
	zoneMax   = 14 * time.Hour
	firstYear = 2000 // what says it is older comes from a clock that was never set
)

// times sets both times of the event. The source's time is kept whenever a leaf
// can carry it, and flagged when it can't be right; nothing is ever refused for it.
func (d *draft) times(now time.Time, r *source.Reading) {
	collected := r.ReceivedAt
	if collected.IsZero() {
		collected = now
	}
	collected = collected.UTC().Round(0)
	if !event.ValidTime(collected) {
		d.problem("collected_at", "the station's clock says "+collected.Format(time.RFC3339))
		collected = time.Unix(0, 0).UTC()
	}
	d.ev.CollectedAt, d.ev.Timestamp = collected, collected
	given := r.SourceTime
	if given.IsZero() {
		given = r.ServerTime
	}
	if given.IsZero() {
		return
	}
	given = given.UTC().Round(0)
	if !event.ValidTime(given) {
		d.problem("timestamp", "the source says "+given.Format(time.RFC3339)+", which no event can carry: the agent's time stands instead")
		return
	}
	d.ev.Timestamp = given
	switch ahead := given.Sub(collected); {
	case given.Year() < firstYear:
		d.problem("timestamp", "the source's clock is not set: it says "+given.Format(time.RFC3339))
	case ahead > futureLimit && zone(ahead):
		d.problem("timestamp", fmt.Sprintf("the source is %s ahead: local time sent as UTC?", ahead.Round(zoneStep)))
	case ahead > futureLimit:
		d.problem("timestamp", fmt.Sprintf("the source is %s ahead of the station", ahead.Round(time.Second)))
	}
}

// zone reports whether a difference looks like that of a time zone.
func zone(d time.Duration) bool {
	rest := (d - d.Round(zoneStep)).Abs()
	return d.Abs() <= zoneMax+zoneSlack && rest <= zoneSlack
}

// zoneWatch notices a source that is behind by a time zone. One old value proves
// nothing (it may have waited in a queue), the same difference for a while does.
type zoneWatch struct {
	behind time.Duration
	since  time.Time
}

const zonePatience = time.Minute

// check returns the suspected offset, 0 for none.
func (z *zoneWatch) check(given, received time.Time) time.Duration {
	behind := received.Sub(given)
	if given.IsZero() || behind < zoneStep || !zone(behind) {
		z.since = time.Time{}
		return 0
	}
	rounded := behind.Round(zoneStep)
	if z.since.IsZero() || z.behind != rounded {
		z.behind, z.since = rounded, received
		return 0
	}
	if received.Sub(z.since) < zonePatience {
		return 0
	}
	return rounded
}
