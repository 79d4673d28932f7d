package plant

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

func berlin(t *testing.T, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	require.NoError(t, err)
	return at.UTC()
}

func TestTheCalendarTellsTheState(t *testing.T) {
	p, err := New("a/b", config.Production{Zone: "Europe/Berlin", Outside: "off", Calendar: []config.Shift{
		{Days: "mon-fri", From: "12:00", To: "12:30", State: "break"},
		{Days: "mon-fri", From: "06:00", To: "14:00"},
		{Days: "fri", From: "22:00", To: "04:00", State: "maintenance"},
	}})
	require.NoError(t, err)
	for at, want := range map[string]string{
		"2026-11-23 05:59": "off", "2026-11-23 06:00": "production", "2026-11-23 12:10": "break", "2026-11-23 14:00": "off",
		"2026-11-27 23:00": "maintenance", "2026-11-28 03:59": "maintenance", "2026-11-28 04:00": "off", "2026-11-29 03:00": "off",
		"2026-03-30 06:00": "production", // the day after summer time began
	} {
		c, _ := p.Now(berlin(t, at))
		require.Equal(t, want, c.State, at)
	}
}

func TestACommandCountsMoreThanTheSignalAndTheSignalMoreThanTheCalendar(t *testing.T) {
	p, err := New("a/b", config.Production{
		Signal: "line.state", Map: map[string]string{"1": "production", "3": "changeover"}, Recipe: "line.recipe",
		Calendar: []config.Shift{{From: "00:00", To: "24:00", State: "break"}},
	})
	require.NoError(t, err)
	now := berlin(t, "2026-11-23 08:00")
	tell := func(want, source string) {
		t.Helper()
		c, f := p.Now(now)
		require.Equal(t, want, c.State)
		require.NotNil(t, f)
		require.Equal(t, event.TypeStationProduction, f.Type)
		require.Equal(t, source, f.Data["source"])
		_, f = p.Now(now)
		require.Nil(t, f, "a state is told once")
	}
	tell("break", "calendar")
	p.See("line.state", "3")
	tell("changeover", "signal")
	p.See("line.state", "99")
	p.See("line.recipe", "panel-7")
	c, f := p.Now(now)
	require.Nil(t, f, "a value without a name changes nothing")
	require.Equal(t, "panel-7", c.Recipe)
	require.Error(t, p.Command("lunch", time.Time{}))
	require.NoError(t, p.Command("maintenance", now.Add(time.Hour)))
	tell("maintenance", "command")
	c, _ = p.Now(now)
	require.True(t, c.Suppressed())

	again, err := New("a/b", p.cfg)
	require.NoError(t, err)
	require.NoError(t, again.Restore(p.Save()))
	c, f = again.Now(now)
	require.Nil(t, f)
	require.Equal(t, detect.Context{State: "maintenance", Recipe: "panel-7"}, c)

	now = now.Add(time.Hour)
	tell("changeover", "signal")
}

func TestWithoutAnySourceTheStateIsUnknownAndNothingIsSuppressed(t *testing.T) {
	p, err := New("a/b", config.Production{})
	require.NoError(t, err)
	c, f := p.Now(berlin(t, "2026-11-23 08:00"))
	require.Nil(t, f)
	require.Equal(t, detect.Context{}, c)
	require.False(t, c.Suppressed())
	require.False(t, p.Listens(""))
}

func TestWindowsOfTheWeek(t *testing.T) {
	w, err := NewWindows([]config.Shift{{Days: "sat", From: "06:00", To: "14:00"}}, "Europe/Berlin")
	require.NoError(t, err)
	require.True(t, w.Any())
	require.True(t, w.Contain(berlin(t, "2026-11-28 07:00")))
	require.False(t, w.Contain(berlin(t, "2026-11-27 07:00")))
	_, err = NewWindows([]config.Shift{{Days: "someday", From: "06:00", To: "14:00"}}, "")
	require.Error(t, err)
}
