package guard

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

var monday = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func standard() config.Guard {
	return config.Guard{Learn: 24 * time.Hour, Writes: 5, WriteTime: time.Minute}
}

func newGuard(t *testing.T, cfg config.Guard, state string) *Guard {
	t.Helper()
	g, err := New("a/b/c", cfg, "UTC", func() string { return state })
	require.NoError(t, err)
	return g
}

// happening is one event, some time after Monday morning.
type happening struct {
	after time.Duration
	typ   string
	user  string
	data  string
}

func rules(g *Guard, list []happening) (out []string) {
	for _, h := range list {
		for _, f := range g.Event(detect.Event{At: monday.Add(h.after), Type: h.typ, UserID: h.user, Data: []byte(h.data)}) {
			out = append(out, fmt.Sprint(f.Data["rule"], " ", f.Data["subject"]))
		}
	}
	return out
}

const day = 24 * time.Hour

// TestEachRuleFiresAndKeepsSilent has for each rule what it is for, and what looks
// like it and is none.
func TestEachRuleFiresAndKeepsSilent(t *testing.T) {
	windows := standard()
	windows.Windows = []config.Shift{{Days: "mon-fri", From: "06:00", To: "07:00"}}
	off := windows
	off.Off = []string{outside}
	writes := func(n int, every time.Duration, user string) (list []happening) {
		for i := range n {
			list = append(list, happening{time.Duration(i) * every, event.TypeParameterChange, user, `{}`})
		}
		return list
	}
	for name, c := range map[string]struct {
		cfg   config.Guard
		state string
		list  []happening
		want  []string
	}{
		"a new user after the time of learning": {standard(), "", []happening{
			{0, event.TypeUserLogin, "p-anna", `{}`}, {2 * day, event.TypeUserLogin, "p-anna", `{}`}, {2 * day, event.TypeUserLogin, "p-mallory", `{"success":true}`},
		}, []string{"first_seen_user p-mallory"}},
		"silent: new users while learning, and a failed login": {standard(), "", []happening{
			{0, event.TypeUserLogin, "p-anna", `{}`}, {time.Hour, event.TypeUserLogin, "p-bert", `{}`}, {2 * day, event.TypeUserLogin, "p-mallory", `{"success":false}`},
		}, nil},
		"a new client of the broker": {standard(), "", []happening{
			{0, event.TypeBrokerSession, "", `{"clientId":"gateway","action":"connect"}`}, {2 * day, event.TypeBrokerSession, "", `{"clientId":"laptop","action":"connect"}`},
		}, []string{"first_seen_client laptop"}},
		"silent: the known client again": {standard(), "", []happening{
			{0, event.TypeBrokerSession, "", `{"clientId":"gateway","action":"connect"}`}, {2 * day, event.TypeBrokerSession, "", `{"clientId":"gateway","action":"connect"}`},
		}, nil},
		"a parameter changed outside of the window": {windows, "", []happening{
			{0, event.TypeParameterChange, "p-anna", `{"nodeId":"x"}`},
		}, []string{"change_outside_window p-anna"}},
		"silent: inside the window, in maintenance, or switched off": {windows, detect.Maintenance, []happening{
			{-90 * time.Minute, event.TypeParameterChange, "p-anna", `{}`}, {0, event.TypeParameterChange, "p-anna", `{}`},
		}, nil},
		"silent: the rule is off":                              {off, "", []happening{{0, event.TypeParameterChange, "p-anna", `{}`}}, nil},
		"without windows a new program during production":      {standard(), detect.Production, []happening{{0, event.TypeProgramDownload, "", `{}`}}, []string{"change_outside_window unknown"}},
		"silent: without windows a setpoint during production": {standard(), detect.Production, []happening{{0, event.TypeParameterChange, "", `{}`}}, nil},
		"more writes than a person makes":                      {standard(), "", writes(8, time.Second, "p-anna"), []string{"write_rate p-anna"}},
		"silent: as many over a longer time":                   {standard(), "", writes(40, 15*time.Second, "p-anna"), nil},
		"a change of mode with nobody signed in": {standard(), "", []happening{
			{0, event.TypeUserLogin, "p-anna", `{}`}, {time.Hour, event.TypeUserLogout, "p-anna", `{}`}, {2 * time.Hour, event.TypeStationModeChange, "", `{"from":"auto","to":"manual","by":"unknown"}`},
		}, []string{"mode_change_unattended nobody"}},
		"silent: somebody is signed in, or the event says who": {standard(), "", []happening{
			{0, event.TypeUserLogin, "p-anna", `{}`}, {time.Hour, event.TypeStationModeChange, "", `{}`}, {2 * time.Hour, event.TypeUserLogout, "p-anna", `{}`}, {3 * time.Hour, event.TypeStationModeChange, "p-bert", `{}`},
		}, nil},
		"silent: where nobody ever signs in": {standard(), "", []happening{{0, event.TypeStationModeChange, "", `{}`}}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, rules(newGuard(t, c.cfg, c.state), c.list)) })
	}
}

func TestARuleSpeaksOfASubjectOnceInFiveMinutesAndCountsTheRest(t *testing.T) {
	cfg := standard()
	cfg.Writes = 0
	cfg.Windows = []config.Shift{{Days: "sun", From: "06:00", To: "07:00"}}
	g := newGuard(t, cfg, "")
	var list []detect.Finding
	for i := range 8 {
		list = append(list, g.Event(detect.Event{At: monday.Add(time.Duration(i) * time.Minute), Type: event.TypeParameterChange, UserID: "p-a", Data: []byte(`{}`)})...)
	}
	require.Len(t, list, 2)
	require.Equal(t, 4, list[1].Data["repeatedBefore"])
	require.Equal(t, event.SeverityMedium, *list[0].Severity)
}

func TestWhoIsKnownIsKnownAfterARestart(t *testing.T) {
	g := newGuard(t, standard(), "")
	rules(g, []happening{{0, event.TypeUserLogin, "p-anna", `{}`}})
	again := newGuard(t, standard(), "")
	require.NoError(t, again.Restore(g.Save()))
	require.Equal(t, []string{"first_seen_user p-new"}, rules(again, []happening{{2 * day, event.TypeUserLogin, "p-anna", `{}`}, {2 * day, event.TypeUserLogin, "p-new", `{}`}}))
	require.Error(t, again.Restore([]byte("[]")))
}

func TestMemoryIsBoundedWhateverTheUsersAreCalled(t *testing.T) {
	g := newGuard(t, standard(), "")
	for i := range 3 * maxKnown {
		user := fmt.Sprint("p-", i)
		g.Event(detect.Event{At: monday.Add(time.Duration(i) * time.Second), Type: event.TypeUserLogin, UserID: user, Data: []byte(`{}`)})
		g.Event(detect.Event{At: monday.Add(time.Duration(i) * time.Second), Type: event.TypeParameterChange, UserID: user, Data: []byte(`not json`)})
	}
	require.LessOrEqual(t, len(g.users), maxKnown)
	require.LessOrEqual(t, len(g.writes), maxSubjects)
	require.LessOrEqual(t, len(g.told), maxSubjects+1)
	require.LessOrEqual(t, len(g.signedIn), maxSubjects)
}
