// Package plant knows what the plant is doing: production, break, changeover,
// maintenance or off, and which recipe. It is told by a command, by a signal or
// by the calendar, in this order.
package plant

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

// Sources of a state.
const (
	byCommand  = "command"
	bySignal   = "signal"
	byCalendar = "calendar"
)

// Plant is the state of the line that one station stands in.
type Plant struct {
	cfg     config.Production
	station string
	shifts  []shift
	zone    *time.Location

	state, recipe, phase string // as told by signals
	command              string
	until                time.Time // of the command, zero for no end
	told                 string
	source               string
	checked              time.Time // calendar last looked up
	clock                string    // what it said
}

// shift is a compiled line of the calendar.
type shift struct {
	days     [7]bool
	from, to time.Duration
	state    string
}

// New makes a Plant of a checked configuration.
func New(station string, cfg config.Production) (*Plant, error) {
	p := &Plant{cfg: cfg, station: station, zone: time.Local}
	if cfg.Zone != "" {
		zone, err := time.LoadLocation(cfg.Zone)
		if err != nil {
			return nil, fmt.Errorf("zone of the calendar: %w", err)
		}
		p.zone = zone
	}
	var err error
	if p.shifts, err = compile(cfg.Calendar); err != nil {
		return nil, fmt.Errorf("calendar: %w", err)
	}
	return p, nil
}

func compile(list []config.Shift) ([]shift, error) {
	var out []shift
	for _, c := range list {
		days, err1 := config.Weekdays(c.Days)
		from, err2 := config.Clock(c.From)
		to, err3 := config.Clock(c.To)
		for _, err := range []error{err1, err2, err3} {
			if err != nil {
				return nil, err
			}
		}
		state := c.State
		if state == "" {
			state = detect.Production
		}
		out = append(out, shift{days, from, to, state})
	}
	return out, nil
}

// contains reports whether a time of the zone lies in the shift.
func (s shift) contains(at time.Time) bool {
	clock := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second
	today, yesterday := s.days[at.Weekday()], s.days[(at.Weekday()+6)%7]
	if s.from < s.to {
		return today && clock >= s.from && clock < s.to
	}
	return today && clock >= s.from || yesterday && clock < s.to
}

// Windows tells whether a time lies in one of several times of the week.
type Windows struct {
	shifts []shift
	zone   *time.Location
}

// NewWindows compiles times of the week; zone "" is the station's.
func NewWindows(list []config.Shift, zone string) (Windows, error) {
	p, err := New("", config.Production{Calendar: list, Zone: zone})
	if err != nil {
		return Windows{}, err
	}
	return Windows{p.shifts, p.zone}, nil
}

// Any reports whether there is a window at all.
func (w Windows) Any() bool { return len(w.shifts) > 0 }

// Contain reports whether a time lies in a window.
func (w Windows) Contain(at time.Time) bool {
	local := at.In(w.zone)
	for _, s := range w.shifts {
		if s.contains(local) {
			return true
		}
	}
	return false
}

// Listens reports whether a signal's value tells something.
func (p *Plant) Listens(signal string) bool {
	return signal != "" && (signal == p.cfg.Signal || signal == p.cfg.Recipe || signal == p.cfg.Phase)
}

// See takes the value of a signal as a text, as its map names it or as a number.
// Of a state that the configuration does not name nothing follows.
func (p *Plant) See(signal, value string) {
	switch signal {
	case p.cfg.Recipe:
		p.recipe = value
	case p.cfg.Phase:
		p.phase = value
	}
	if signal != p.cfg.Signal {
		return
	}
	state, ok := p.cfg.Map[value]
	if !ok && p.cfg.Map == nil {
		state = strings.ToLower(value)
		ok = Valid(state)
	}
	if ok {
		p.state = state
	}
}

// Valid reports whether a text is a production state.
func Valid(state string) bool {
	switch state {
	case detect.Production, detect.Break, detect.Changeover, detect.Maintenance, detect.Off:
		return true
	}
	return false
}

// Command sets the state by hand until a time (zero: until taken back); "" takes
// it back. The error names what is wrong.
func (p *Plant) Command(state string, until time.Time) error {
	if state != "" && !Valid(state) {
		return fmt.Errorf("%q is none of production, break, changeover, maintenance, off", state)
	}
	p.command, p.until = state, until
	return nil
}

// Now returns what the plant is doing, and the event of a change, nil for none.
func (p *Plant) Now(at time.Time) (detect.Context, *detect.Finding) {
	state, source := p.decide(at)
	c := detect.Context{State: state, Recipe: p.recipe, Phase: p.phase}
	if state == p.told {
		return c, nil
	}
	from := p.told
	p.told, p.source = state, source
	if from == "" {
		from = "unknown"
	}
	to := state
	if to == "" {
		to = "unknown"
	}
	return c, &detect.Finding{
		Type: event.TypeStationProduction, Condition: "Production", At: at, Detector: "plant",
		Data: map[string]any{
			"stationId": p.station, "from": from, "to": to, "source": source,
			"explanation": fmt.Sprintf("The line went from %s to %s, as told by the %s.", from, to, source),
		},
	}
}

func (p *Plant) decide(at time.Time) (state, source string) {
	if p.command != "" && !p.until.IsZero() && !at.Before(p.until) {
		p.command = ""
	}
	switch {
	case p.command != "":
		return p.command, byCommand
	case p.state != "":
		return p.state, bySignal
	case len(p.shifts) == 0:
		return "", byCommand
	}
	// The calendar knows minutes.
	if minute := at.Truncate(time.Minute); !minute.Equal(p.checked) || p.clock == "" {
		p.checked, p.clock = minute, p.calendar(at)
	}
	return p.clock, byCalendar
}

func (p *Plant) calendar(at time.Time) string {
	local := at.In(p.zone)
	for _, s := range p.shifts {
		if s.contains(local) {
			return s.state
		}
	}
	if p.cfg.Outside == "" {
		return detect.Off
	}
	return p.cfg.Outside
}

// kept is what survives a restart: a command, and what signals told, which a
// server may not repeat.
type kept struct {
	Command string    `json:"command"`
	Until   time.Time `json:"until,omitzero"`
	State   string    `json:"state"`
	Recipe  string    `json:"recipe"`
	Phase   string    `json:"phase"`
	Told    string    `json:"told"`
}

// Save implements detect.Keeper.
func (p *Plant) Save() []byte {
	out, err := json.Marshal(kept{p.command, p.until, p.state, p.recipe, p.phase, p.told})
	if err != nil {
		return nil
	}
	return out
}

// Restore implements detect.Keeper. States that the configuration no longer
// knows are left out.
func (p *Plant) Restore(state []byte) error {
	var k kept
	if err := json.Unmarshal(state, &k); err != nil {
		return fmt.Errorf("state of the plant: %w", err)
	}
	if Valid(k.Command) {
		p.command, p.until = k.Command, k.Until
	}
	if p.cfg.Signal != "" && Valid(k.State) {
		p.state = k.State
	}
	p.recipe, p.phase, p.told = k.Recipe, k.Phase, k.Told
	return nil
}
