// Package replay runs recorded curves through the detectors as if they came live,
// and collects what would have been raised: so that people can try a
// configuration before they trust it.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect/setup"
	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// Event is one event that would have been made.
type Event struct {
	At          time.Time      `json:"at"`
	Type        string         `json:"event_type"`
	Severity    event.Severity `json:"severity"`
	Station     string         `json:"station"`
	Signal      string         `json:"signal,omitempty"`
	Detector    string         `json:"detector"`
	Condition   string         `json:"condition"`
	Correlation string         `json:"correlation_id,omitempty"`
	Data        map[string]any `json:"event_data"`
	Points      int            `json:"curve_points,omitempty"`
}

// Series is one signal as it went by, for a figure.
type Series struct {
	Name  string
	Unit  string
	At    []time.Time
	Low   []float64 // smallest and largest value of each point
	High  []float64
	Bands []Band

	each int // values in a point
	last int // values in the last one
}

// Band is what was usual from a time on.
type Band struct {
	At        time.Time
	Low, High float64
	Known     bool
}

// Result is what a replay has shown.
type Result struct {
	Events  []Event
	Series  []*Series
	Values  uint64
	From    time.Time
	To      time.Time
	Skipped int
	Why     []string // the first lines that could not be read
}

// Options of a replay.
type Options struct {
	Config config.Config
	Names  map[string]string // columns to be called otherwise
	Zone   *time.Location    // of times without one
	Dir    string            // where learnt state is taken from and left in; "" for none
	Figure bool              // keep the curves
	Logger *slog.Logger
}

// maxPoints bounds what is kept of one curve; beyond it neighbours are merged.
const maxPoints = 4000

// Run replays a file. It takes the same way as live values, with the time of the
// file as the clock.
func Run(ctx context.Context, in io.Reader, o Options) (*Result, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	rows, err := NewReader(in, o.Names, o.Zone)
	if err != nil {
		return nil, err
	}
	d, err := setup.New(o.Config, o.Dir, o.Logger)
	if err != nil {
		return nil, err
	}
	p := &player{o: o, w: d.Watch, res: &Result{}, series: map[string]*Series{}, points: map[string]*source.Point{}, from: map[string]bool{}}
	for n := 0; ; n++ {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", n+1, err)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p.row(row)
	}
	p.end()
	p.res.Skipped, p.res.Why = rows.Skipped, rows.Why
	if p.res.Values == 0 {
		return nil, errors.New("the file has no values")
	}
	if o.Dir != "" {
		return p.res, d.Watch.Save(p.now)
	}
	return p.res, nil
}

// player is a replay that goes on.
type player struct {
	o      Options
	w      *watch.Watcher
	res    *Result
	series map[string]*Series
	points map[string]*source.Point
	from   map[string]bool // names of sources
	now    time.Time
}

// sourceName stands for the source of a signal that is not configured.
const sourceName = "replay"

func (p *player) point(signal string) *source.Point {
	if pt := p.points[signal]; pt != nil {
		return pt
	}
	pt := &source.Point{Source: sourceName, Kind: sourceName, Item: signal, Station: p.o.Config.Station, Equipment: sourceName, Signal: signal}
	p.configured(pt)
	p.points[signal], p.from[pt.Source] = pt, true
	return pt
}

// configured takes over what the configuration knows of a signal.
func (p *player) configured(pt *source.Point) {
	for _, s := range p.o.Config.OPCUA {
		for _, g := range s.Groups {
			for _, n := range g.Nodes {
				if n.As == pt.Signal {
					pt.Source, pt.Unit, pt.Map = s.Name, n.Unit, n.Map
				}
			}
		}
	}
	for _, s := range p.o.Config.MQTT {
		for _, t := range s.Topics {
			if before, _, named := strings.Cut(t.As, "{"); t.As == pt.Signal || named && before != "" && strings.HasPrefix(pt.Signal, before) {
				pt.Source, pt.Unit = s.Name, t.Unit
			}
		}
	}
}

func (p *player) row(row Row) {
	p.advance(row.At)
	p.w.Begin()
	defer p.w.End()
	for _, c := range row.Values {
		s := p.w.Signal(p.point(c.Signal))
		if s == nil {
			continue
		}
		p.res.Values++
		p.take(s.Take(watch.Value{Received: row.At, Value: c.Value}))
		if v, ok := c.Value.(float64); ok && p.o.Figure {
			p.draw(c.Signal, row.At, v, s)
		}
	}
}

// advance lets time pass until the next row, with the ticks that a live agent has;
// over long pauses they are wider apart.
func (p *player) advance(to time.Time) {
	if p.now.IsZero() {
		p.res.From, p.now = to, to
	}
	const ticks = 60
	pause := to.Sub(p.now)
	step := max(time.Second, pause/ticks)
	for at := p.now.Add(step); at.Before(to); at = at.Add(step) {
		p.tick(at)
	}
	if to.After(p.now) {
		p.now, p.res.To = to, to
		p.tick(to)
	}
}

func (p *player) tick(at time.Time) {
	p.w.Begin()
	defer p.w.End()
	for _, name := range slices.Sorted(maps.Keys(p.from)) {
		p.take(p.w.Tick(name, at))
	}
}

func (p *player) end() {
	p.w.Begin()
	defer p.w.End()
	for _, name := range slices.Sorted(maps.Keys(p.from)) {
		p.take(p.w.Flush(name, p.now))
	}
}

func (p *player) take(list []watch.Out) {
	for i := range list {
		o := &list[i]
		_, severity := event.Defaults(o.Finding.Type)
		if o.Finding.Severity != nil {
			severity = *o.Finding.Severity
		}
		e := Event{
			At: o.At, Type: o.Finding.Type, Severity: severity, Station: o.Point.Station, Signal: o.Signal, Detector: o.Finding.Detector,
			Condition: o.Finding.Condition, Correlation: o.Correlation, Data: o.Finding.Data,
		}
		if o.Curve != nil {
			e.Points = len(o.Curve.Min)
		}
		p.res.Events = append(p.res.Events, e)
	}
}

// draw keeps a value for the figure.
func (p *player) draw(name string, at time.Time, v float64, s *watch.Signal) {
	c := p.series[name]
	if c == nil {
		c = &Series{Name: name, Unit: p.points[name].Unit}
		p.series[name] = c
		p.res.Series = append(p.res.Series, c)
	}
	if v != v || v-v != 0 {
		return
	}
	c.add(at, v)
	low, high, known := s.Band()
	if n := len(c.Bands); n == 0 || c.Bands[n-1].Known != known || c.Bands[n-1].Low != low || c.Bands[n-1].High != high {
		c.Bands = append(c.Bands, Band{at, low, high, known})
	}
	if len(c.Bands) > maxPoints {
		half := c.Bands[:0]
		for i := 0; i < len(c.Bands); i += 2 {
			half = append(half, c.Bands[i])
		}
		c.Bands = half
	}
}

// add appends a value. When there are too many points two neighbours become one;
// what was smallest and largest stays.
func (s *Series) add(at time.Time, v float64) {
	if n := len(s.At) - 1; n >= 0 && s.last < s.each {
		s.Low[n], s.High[n] = min(s.Low[n], v), max(s.High[n], v)
		s.last++
		return
	}
	if len(s.At) == maxPoints {
		for i := range maxPoints / 2 {
			s.At[i], s.Low[i], s.High[i] = s.At[2*i], min(s.Low[2*i], s.Low[2*i+1]), max(s.High[2*i], s.High[2*i+1])
		}
		s.At, s.Low, s.High = s.At[:maxPoints/2], s.Low[:maxPoints/2], s.High[:maxPoints/2]
		s.each = 2 * max(s.each, 1)
	}
	s.At, s.Low, s.High = append(s.At, at), append(s.Low, v), append(s.High, v)
	s.last = 1
}
