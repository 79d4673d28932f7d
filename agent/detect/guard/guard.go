// Package guard watches what people and programs do at one station, by rules that
// need no statistics: who was never seen before, changes outside of a maintenance
// window, too many writes, a change of mode with nobody signed in. It sees
// pseudonyms only.
package guard

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/plant"
	"github.com/linewatch/linewatch/shared/event"
)

// Names of the rules.
const (
	firstUser   = "first_seen_user"
	firstClient = "first_seen_client"
	outside     = "change_outside_window"
	writeRate   = "write_rate"
	unattended  = "mode_change_unattended"
)

const (
	// maxKnown bounds the users and clients that are remembered; beyond it nobody
	// is new any more, and the rule says nothing.
	maxKnown = 5000
	// quiet is how long the same rule keeps still about the same subject; what
	// happens meanwhile is counted.
	quiet = 5 * time.Minute
	// maxSubjects bounds what is counted per subject.
	maxSubjects = 1000
)

// Guard is the detect.Station of these rules.
type Guard struct {
	cfg     config.Guard
	station string
	windows plant.Windows
	state   func() string // of production

	began    time.Time // first start: learning counts from here
	users    map[string]bool
	clients  map[string]bool
	signedIn map[string]time.Time // by user or session
	attended bool                 // somebody has signed in here before: the plant records it
	writes   map[string][]time.Time
	told     map[string]*repeat
}

// repeat is what a rule has said of a subject.
type repeat struct {
	at    time.Time
	count int
}

var _ detect.Station = (*Guard)(nil)

// New makes the Guard of a station; state tells what the plant is doing, zone is
// that of the windows.
func New(station string, cfg config.Guard, zone string, state func() string) (*Guard, error) {
	w, err := plant.NewWindows(cfg.Windows, zone)
	if err != nil {
		return nil, fmt.Errorf("maintenance windows: %w", err)
	}
	return &Guard{
		cfg: cfg, station: station, windows: w, state: state, users: map[string]bool{}, clients: map[string]bool{},
		signedIn: map[string]time.Time{}, writes: map[string][]time.Time{}, told: map[string]*repeat{},
	}, nil
}

// Name implements detect.Named.
func (g *Guard) Name() string { return "guard" }

// Found implements detect.Station.
func (g *Guard) Found(detect.Signal, time.Time, *detect.Finding) []detect.Finding { return nil }

// Tick implements detect.Station.
func (g *Guard) Tick(time.Time) []detect.Finding { return nil }

// fields are what the rules read of event_data.
type fields struct {
	UserID    string `json:"userId"`
	By        string `json:"by"`
	Success   *bool  `json:"success"`
	SessionID string `json:"sessionId"`
	ClientID  string `json:"clientId"`
	Device    string `json:"device"`
	Action    string `json:"action"`
	NodeID    string `json:"nodeId"`
	From      any    `json:"from"`
	To        any    `json:"to"`
}

// Wants reports whether an event of a type is looked at.
func (g *Guard) Wants(typ string) bool {
	switch typ {
	case event.TypeUserLogin, event.TypeSessionStarted, event.TypeUserLogout, event.TypeSessionTimeout, event.TypeSessionTerminated,
		event.TypeBrokerSession, event.TypeStationModeChange, event.TypeCommandIssued:
		return true
	}
	return change(typ)
}

// change reports whether a type is a change of the control system.
func change(typ string) bool {
	switch typ {
	case event.TypeParameterChange, event.TypeRecipeChange, event.TypeProcessChange, event.TypeProgramDownload, event.TypeFirmwareChange:
		return true
	}
	return false
}

// Event implements detect.Station.
func (g *Guard) Event(e detect.Event) []detect.Finding {
	if !g.Wants(e.Type) {
		return nil
	}
	if g.began.IsZero() {
		g.began = e.At
	}
	var f fields
	if err := json.Unmarshal(e.Data, &f); err != nil {
		f = fields{} // fields of other types say nothing
	}
	user := e.UserID
	if user == "" {
		user = f.UserID
	}
	if user == "" && f.By != "unknown" {
		user = f.By
	}
	var out []detect.Finding
	switch {
	case e.Type == event.TypeUserLogin, e.Type == event.TypeSessionStarted:
		if f.Success == nil || *f.Success {
			out = g.signIn(e, user, f)
		}
	case e.Type == event.TypeUserLogout, e.Type == event.TypeSessionTimeout, e.Type == event.TypeSessionTerminated:
		delete(g.signedIn, user)
	case e.Type == event.TypeBrokerSession && f.Action != "disconnect":
		out = g.first(firstClient, g.clients, f.ClientID, e)
	case e.Type == event.TypeStationModeChange:
		out = g.mode(e, user, f)
	}
	if change(e.Type) {
		out = append(out, g.outside(e, user, f)...)
	}
	if change(e.Type) || e.Type == event.TypeCommandIssued {
		out = append(out, g.rate(e, user)...)
	}
	return out
}

func (g *Guard) signIn(e detect.Event, user string, f fields) []detect.Finding {
	g.attended = true
	if user == "" {
		return nil
	}
	if len(g.signedIn) < maxSubjects {
		g.signedIn[user] = e.At
	}
	out := g.first(firstUser, g.users, user, e)
	if f.Device != "" {
		out = append(out, g.first(firstClient, g.clients, f.Device, e)...)
	}
	return out
}

// first tells of a user or client that was never seen before.
func (g *Guard) first(rule string, known map[string]bool, who string, e detect.Event) []detect.Finding {
	if who == "" || known[who] || len(known) >= maxKnown {
		return nil
	}
	known[who] = true
	if e.At.Sub(g.began) < g.cfg.Learn {
		return nil
	}
	what := "user"
	if rule == firstClient {
		what = "client"
	}
	return g.tell(rule, who, event.SeverityLow, e, fmt.Sprintf("%s %s was never seen at this station before (%d are known).", what, who, len(known)-1), nil)
}

// outside tells of a change outside of the windows. Without windows only a new
// program or firmware during production counts: setpoints are daily work then.
func (g *Guard) outside(e detect.Event, user string, f fields) []detect.Finding {
	heavy := e.Type == event.TypeProgramDownload || e.Type == event.TypeFirmwareChange
	state := g.state()
	switch {
	case state == detect.Maintenance, g.windows.Contain(e.At):
		return nil
	case !g.windows.Any() && !(heavy && state == detect.Production):
		return nil
	}
	severity := event.SeverityMedium
	if heavy {
		severity = event.SeverityHigh
	}
	where := "outside of the maintenance windows"
	if !g.windows.Any() {
		where = "during production"
	}
	return g.tell(outside, subject(user), severity, e, fmt.Sprintf("%s by %s %s.", e.Type, subject(user), where), map[string]any{"nodeId": f.NodeID, "production": state})
}

// rate tells of too many writes of one subject.
func (g *Guard) rate(e detect.Event, user string) []detect.Finding {
	if g.cfg.Writes <= 0 {
		return nil
	}
	who := subject(user)
	list, known := g.writes[who]
	if !known && len(g.writes) >= maxSubjects {
		g.forget(e.At)
	}
	list = slices.DeleteFunc(list, func(t time.Time) bool { return e.At.Sub(t) > g.cfg.WriteTime })
	if len(list) <= g.cfg.Writes {
		list = append(list, e.At)
	}
	g.writes[who] = list
	if len(list) <= g.cfg.Writes {
		return nil
	}
	return g.tell(writeRate, who, event.SeverityMedium, e, fmt.Sprintf("%s wrote more than %d times within %s.", who, g.cfg.Writes, g.cfg.WriteTime), nil)
}

// forget makes room where nobody wrote lately.
func (g *Guard) forget(now time.Time) {
	for who, list := range g.writes {
		if len(list) == 0 || now.Sub(list[len(list)-1]) > g.cfg.WriteTime {
			delete(g.writes, who)
		}
	}
	if len(g.writes) >= maxSubjects {
		clear(g.writes)
	}
}

// mode tells of a change of mode with nobody signed in, where people sign in at all.
func (g *Guard) mode(e detect.Event, user string, f fields) []detect.Finding {
	if user != "" || !g.attended || len(g.signedIn) > 0 {
		return nil
	}
	return g.tell(unattended, "nobody", event.SeverityHigh, e,
		fmt.Sprintf("The mode changed from %v to %v with nobody signed in.", f.From, f.To), map[string]any{"from": f.From, "to": f.To})
}

func subject(user string) string {
	if user == "" {
		return "unknown"
	}
	return user
}

// tell makes the event, unless the rule has just spoken of the subject.
func (g *Guard) tell(rule, who string, severity event.Severity, e detect.Event, text string, more map[string]any) []detect.Finding {
	if slices.Contains(g.cfg.Off, rule) {
		return nil
	}
	if len(g.told) > maxSubjects {
		clear(g.told)
	}
	key := rule + "/" + who
	r := g.told[key]
	if r != nil && e.At.Sub(r.at) < quiet {
		r.count++
		return nil
	}
	repeated := 0
	if r != nil {
		repeated = r.count
	}
	g.told[key] = &repeat{at: e.At}
	evidence := map[string]any{"eventType": e.Type, "equipment": e.Equipment}
	for k, v := range more {
		if v != nil && v != "" {
			evidence[k] = v
		}
	}
	data := map[string]any{"rule": rule, "subject": who, "evidence": evidence, "station": g.station, "explanation": text}
	if repeated > 0 {
		data["repeatedBefore"] = repeated
	}
	return []detect.Finding{{Type: event.TypeSecurityViolation, Severity: &severity, Condition: rule, Data: data, At: e.At, Detector: "guard"}}
}

// kept is what survives a restart.
type kept struct {
	Began    time.Time            `json:"began"`
	Users    map[string]bool      `json:"users"`
	Clients  map[string]bool      `json:"clients"`
	SignedIn map[string]time.Time `json:"signed_in"`
	Attended bool                 `json:"attended"`
}

// Save implements detect.Keeper.
func (g *Guard) Save() []byte {
	out, err := json.Marshal(kept{g.began, g.users, g.clients, g.signedIn, g.attended})
	if err != nil {
		return nil
	}
	return out
}

// Restore implements detect.Keeper.
func (g *Guard) Restore(state []byte) error {
	var k kept
	if err := json.Unmarshal(state, &k); err != nil {
		return fmt.Errorf("known users of %s: %w", g.station, err)
	}
	if len(k.Users) > maxKnown || len(k.Clients) > maxKnown || len(k.SignedIn) > maxSubjects {
		return fmt.Errorf("known users of %s: more than there can be", g.station)
	}
	g.began, g.attended = k.Began, k.Attended
	for who := range k.Users {
		g.users[who] = true
	}
	for who := range k.Clients {
		g.clients[who] = true
	}
	for who, at := range k.SignedIn {
		g.signedIn[who] = at
	}
	return nil
}
