package spc

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/recorder"
	"github.com/linewatch/linewatch/agent/source/rawjson"
	"github.com/linewatch/linewatch/shared/stats"
)

// Quality watches the characteristics of one station's parts: what its quality events
// measure or judge. It is a detect.Station.
type Quality struct {
	station string
	parts   []*part
}

// part is one characteristic.
type part struct {
	name  string
	cfg   config.Characteristic
	pass  map[string]bool
	chart *Chart
	ring  *recorder.Ring // of the values, part by part
}

// curvePoints is the length of the curve that comes with a finding.
const curvePoints = 200

var (
	_ detect.Station    = (*Quality)(nil)
	_ detect.Contextual = (*Quality)(nil)
	_ detect.Keeper     = (*Quality)(nil)
	_ detect.Named      = (*Quality)(nil)
)

// NewQuality makes the charts of a station's characteristics and enters them in the
// book.
func NewQuality(cfg map[string]config.Characteristic, station string, book *Book) *Quality {
	q := &Quality{station: station}
	for _, name := range slices.Sorted(maps.Keys(cfg)) {
		c := cfg[name]
		s := c.SPC
		if s.Subgroup == 0 && s.Values == 0 {
			s.Values = 1
			if Base(s.Chart) == Share {
				s.Values = defaultParts
			}
		}
		p := &part{name: name, cfg: c, pass: map[string]bool{}, ring: recorder.New()}
		for _, word := range c.Pass {
			p.pass[strings.ToLower(word)] = true
		}
		p.chart = newChart(s, detect.Signal{Station: station, Name: name, Unit: c.Unit}, book)
		q.parts = append(q.parts, p)
	}
	return q
}

// Name implements detect.Named.
func (q *Quality) Name() string { return "quality" }

// SetContext implements detect.Contextual.
func (q *Quality) SetContext(ctx detect.Context) {
	for _, p := range q.parts {
		if p.cfg.Recipe != "" { // the event itself names the product
			ctx.Recipe = p.chart.recipe()
		}
		p.chart.SetContext(ctx)
	}
}

// Found implements detect.Station: what signals show is not its business.
func (q *Quality) Found(detect.Signal, time.Time, *detect.Finding) []detect.Finding { return nil }

// Event implements detect.Station: it takes the values out of quality events.
func (q *Quality) Event(e detect.Event) (out []detect.Finding) {
	for _, p := range q.parts {
		if p.cfg.Event != e.Type {
			continue
		}
		v, recipe, ok := p.read(e.Data)
		if !ok {
			continue
		}
		if p.cfg.Recipe != "" {
			p.chart.setRecipe(recipe)
		}
		p.ring.Add(e.At, v)
		out = append(out, p.named(p.chart.Observe(detect.Sample{At: e.At, Value: v}), e.At)...)
	}
	return out
}

// Tick implements detect.Station.
func (q *Quality) Tick(now time.Time) (out []detect.Finding) {
	for _, p := range q.parts {
		out = append(out, p.named(p.chart.Tick(now), now)...)
	}
	return out
}

// named makes the conditions of several characteristics differ, and adds the curve of
// the values; there is no signal that could bring it.
func (p *part) named(list []detect.Finding, now time.Time) []detect.Finding {
	for i := range list {
		if name, ok := list[i].Data["characteristic"].(string); ok {
			list[i].Condition = name + "/" + list[i].Condition
		}
		if list[i].Curve {
			list[i].Curve, list[i].Recorded = false, p.ring.Before(now, curvePoints, p.cfg.Unit)
		}
	}
	return list
}

// maxText is the longest text that is taken for a number, a result or a product.
const maxText = 200

// read takes value and product out of event_data; ok is false when the event is not of
// this characteristic, or holds nothing that can be used.
func (p *part) read(data json.RawMessage) (v float64, recipe string, ok bool) {
	field := p.cfg.Field
	share := p.chart.base() == Share
	if share {
		field = p.cfg.Result
	}
	fits := true
	for key, value := range rawjson.Members(data) {
		switch {
		case rawjson.Is(key, "characteristic"):
			fits = p.isMine(text(value))
		case p.cfg.Recipe != "" && rawjson.Is(key, p.cfg.Recipe):
			recipe = text(value)
		}
		if !rawjson.Is(key, field) {
			continue
		}
		if share {
			result := strings.ToLower(text(value))
			if ok = result != "" && result != "null"; ok && !p.pass[result] {
				v = 1
			}
		} else {
			v, ok = number(value)
		}
	}
	return v, recipe, ok && fits
}

// isMine compares the characteristic that an event names. One that takes a field of its
// own name need not be named in the event.
func (p *part) isMine(characteristic string) bool {
	switch {
	case p.cfg.Where != "":
		return characteristic == p.cfg.Where
	case p.chart.base() != Share && p.cfg.Field != "value":
		return true
	}
	return characteristic == p.name
}

// text is a scalar as a text: strings without quotes, numbers and truths as written.
func text(value []byte) string {
	if len(value) > maxText {
		return ""
	}
	if s, ok := rawjson.Text(value); ok {
		return strings.TrimSpace(s)
	}
	return string(value)
}

func number(value []byte) (float64, bool) {
	v, err := strconv.ParseFloat(text(value), 64)
	return v, err == nil && stats.Finite(v)
}

func (c *Chart) recipe() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.key.Recipe
}

func (c *Chart) setRecipe(recipe string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if recipe != c.key.Recipe {
		c.choose(recipe)
	}
}

// Save implements detect.Keeper.
func (q *Quality) Save() []byte {
	all := map[string]json.RawMessage{}
	for _, p := range q.parts {
		if s := p.chart.Save(); s != nil {
			all[p.name] = s
		}
	}
	if len(all) == 0 {
		return nil
	}
	out, err := json.Marshal(all)
	if err != nil {
		return nil
	}
	return out
}

// Restore implements detect.Keeper. A characteristic whose part is damaged begins anew;
// the others go on.
func (q *Quality) Restore(state []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(state, &all); err != nil {
		return fmt.Errorf("spc state of %s: %w", q.station, err)
	}
	var first error
	for _, p := range q.parts {
		s, ok := all[p.name]
		if !ok {
			continue
		}
		if err := p.chart.Restore(s); err != nil && first == nil {
			first = err
		}
	}
	return first
}
