package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	here  = "hamburg/body/line3/st07"
	there = "hamburg/paint/line1/st01"
)

// made is one event of this type on this station.
func made(t testing.TB, typ, station string, data map[string]any) event.Event {
	t.Helper()
	obj, err := event.Object(data)
	require.NoError(t, err)
	return event.Event{Type: typ, Station: station, Data: obj}
}

// scene is an aggregator with one event of each class on two stations.
type scene struct {
	*aggregatortest.Rig
	ids map[string]string // "class station" -> id
	log map[string]string // class -> log id
}

func newScene(t testing.TB) *scene {
	s := &scene{Rig: aggregatortest.New(t), ids: map[string]string{}, log: map[string]string{}}
	for _, station := range []string{here, there} {
		for class, typ := range map[string]string{"security": "config.change", "manufacturing": "equipment.status", "performance": "performance.metric", "debug": "debug.trace"} {
			s.ids[class+" "+station] = s.Commit(made(t, typ, station, map[string]any{"mark": "x-" + class, "status": "running"}))[0]
		}
	}
	for _, r := range s.Rows("data.status:running") {
		s.log[string(r.Class)] = r.Log
	}
	require.Len(t, s.log, 4)
	return s
}

// granted says by hand, apart from the code, what each role may do.
var granted = map[string]struct {
	classes                                         []string
	read, write, stations, agents, metrics, exports bool
}{
	"viewer":        {classes: []string{"manufacturing", "performance"}, read: true, stations: true},
	"operator":      {classes: []string{"manufacturing", "performance"}, read: true, stations: true},
	"quality":       {classes: []string{"manufacturing", "performance"}, read: true, stations: true, exports: true},
	"maintenance":   {classes: []string{"security", "manufacturing", "performance", "debug"}, read: true, stations: true, agents: true, exports: true},
	"security":      {classes: []string{"security", "manufacturing", "performance", "debug"}, read: true, stations: true, agents: true, exports: true},
	"auditor":       {classes: []string{"security", "manufacturing", "performance", "debug"}, read: true, stations: true, agents: true, exports: true},
	"privacy":       {classes: []string{"security"}, read: true, stations: true},
	"integrator":    {write: true, stations: true, metrics: true},
	"administrator": {stations: true, agents: true, metrics: true},
	"root":          {}, // no such role: nothing
}

// allowed is the status of a request that may or may not be made.
func allowed(ok bool, status int) int {
	if ok {
		return status
	}
	return http.StatusForbidden
}

func TestEachRoleReachesWhatItIsGrantedAndNothingElse(t *testing.T) {
	s := newScene(t)
	for role, may := range granted {
		token := s.Token([]string{role})
		expect := func(want int, method, path string, body any) {
			t.Helper()
			status, text := s.Do(nil, method, path, token, body)
			require.Equal(t, want, status, "%s: %s %s: %s", role, method, path, text)
			if want >= 400 {
				require.Contains(t, string(text), `"title"`)
			}
		}
		expect(200, "GET", "/api/v1/me", nil)
		expect(allowed(may.read, 200), "GET", "/api/v1/events", nil)
		expect(allowed(may.read, 200), "GET", "/api/v1/events/histogram", nil)
		expect(allowed(may.stations, 200), "GET", "/api/v1/stations", nil)
		expect(allowed(may.agents, 200), "GET", "/api/v1/agents", nil)
		expect(allowed(may.metrics, 200), "GET", "/metrics", nil)
		expect(allowed(may.write, 201), "POST", "/api/v1/events", map[string]any{"eventType": "x.acme.order", "eventData": map[string]any{"n": 1}})
		expect(allowed(may.read, 426), "GET", "/api/v1/stream", nil)
		expect(allowed(may.exports, 200), "GET", "/api/v1/bundle", nil)
		expect(allowed(may.read, 200), "GET", "/api/v1/trust", nil)
		for _, class := range []string{"security", "manufacturing", "performance", "debug"} {
			want := allowed(may.read, 404)
			if slices.Contains(may.classes, class) {
				want = 200
			}
			one := "/api/v1/events/" + s.ids[class+" "+here]
			expect(want, "GET", one, nil)
			expect(want, "GET", one+"/around", nil)
			expect(want, "GET", one+"/proof", nil)
			expect(want, "GET", one+"/bundle", nil)
			expect(want, "GET", "/api/v1/logs/"+s.log[class], nil)
		}
		if may.read {
			checkRead(t, s, token, may.classes)
		}
	}
}

// checkRead compares lists, counts and what is around with the classes of a role.
func checkRead(t *testing.T, s *scene, token string, classes []string) {
	t.Helper()
	search := "?q=" + url.QueryEscape("data.status:running")
	var list api.Events
	s.Get(token, "/api/v1/events"+search, &list)
	require.Equal(t, 2*len(classes), list.Count)
	require.Len(t, list.Events, list.Count)
	for _, e := range list.Events {
		var leaf struct{ Class string }
		require.NoError(t, json.Unmarshal(e.Leaf, &leaf))
		require.Contains(t, classes, leaf.Class)
	}
	var h api.Histogram
	s.Get(token, "/api/v1/events/histogram"+search, &h)
	require.Equal(t, uint64(list.Count), total(h))
	var near api.Events
	s.Get(token, "/api/v1/events/"+s.ids[classes[0]+" "+here]+"/around", &near)
	require.Len(t, near.Events, len(classes)-1) // without the event itself
}

func total(h api.Histogram) (sum uint64) {
	for _, b := range h.Buckets {
		sum += b.Debug + b.Info + b.Low + b.Medium + b.High + b.Critical
	}
	return sum
}

func TestAStrangerReachesOnlyTheDoor(t *testing.T) {
	s := newScene(t)
	id := s.ids["manufacturing "+here]
	for _, path := range []string{
		"me", "events", "events/histogram", "events/" + id, "events/" + id + "/around", "events/" + id + "/proof", "events/" + id + "/bundle", "bundle", "trust",
		"logs/" + s.log["security"], "stations", "agents", "stream", "nothing",
	} {
		for _, token := range []string{"", "wrong", "lwa_" + strings.Repeat("a", 43)} {
			status, body := s.Do(nil, "GET", "/api/v1/"+path, token, nil)
			require.Equal(t, http.StatusUnauthorized, status, "%s %s", path, body)
		}
	}
	status, _ := s.Do(nil, "GET", "/metrics", "", nil)
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = s.Do(nil, "POST", "/api/v1/events", "", map[string]any{"eventType": "user.login"})
	require.Equal(t, http.StatusUnauthorized, status)
	for _, path := range []string{"/healthz", "/readyz", "/api/v1/about", "/api/v1/openapi.json"} {
		status, body := s.Do(nil, "GET", path, "", nil)
		require.Equal(t, http.StatusOK, status, "%s %s", path, body)
	}
	req := s.Request("GET", "/api/v1/me", "", nil)
	req.Header.Set("Authorization", "Basic YWRtaW46YWRtaW4=")
	resp, _ := s.Send(nil, req)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
}

func TestTheScopeOfATokenHoldsEverywhere(t *testing.T) {
	s := newScene(t)
	token := s.Token([]string{"auditor"}, "hamburg/body/**")
	for class := range s.log {
		mine, theirs := "/api/v1/events/"+s.ids[class+" "+here], "/api/v1/events/"+s.ids[class+" "+there]
		for _, part := range []string{"", "/around", "/proof", "/bundle"} {
			status, body := s.Do(nil, "GET", mine+part, token, nil)
			require.Equal(t, http.StatusOK, status, string(body))
			status, body = s.Do(nil, "GET", theirs+part, token, nil)
			require.Equal(t, http.StatusNotFound, status, string(body))
			require.NotContains(t, string(body), "x-"+class)
		}
	}
	for _, q := range []string{"", "station:" + there, "station:hamburg/**", "id:" + s.ids["security "+there], "-station:" + here} {
		var list api.Events
		s.Get(token, "/api/v1/events?q="+url.QueryEscape(q), &list)
		for _, e := range list.Events {
			require.Contains(t, string(e.Leaf), here, q)
		}
		require.Equal(t, len(list.Events), list.Count, q)
		var h api.Histogram
		s.Get(token, "/api/v1/events/histogram?q="+url.QueryEscape(q), &h)
		require.Equal(t, uint64(list.Count), total(h), q)
	}
	var st api.Stations
	s.Get(token, "/api/v1/stations", &st)
	require.Len(t, st.Stations, 1)
	// A scope begins at the first segment: line3/** is nobody's plant.
	var none api.Events
	s.Get(s.Token([]string{"auditor"}, "line3/**"), "/api/v1/events", &none)
	require.Empty(t, none.Events)
	s.Get(s.Token([]string{"auditor"}, "hamburg/body/line3"), "/api/v1/events", &none)
	require.Empty(t, none.Events)
}

func TestALogIsKnownOnlyToThoseWhoSeeOneOfItsEvents(t *testing.T) {
	s := newScene(t)
	outside := s.Token([]string{"auditor"}, "berlin/**")
	for _, id := range s.log {
		status, _ := s.Do(nil, "GET", "/api/v1/logs/"+id, outside, nil)
		require.Equal(t, http.StatusNotFound, status)
	}
	status, _ := s.Do(nil, "GET", "/api/v1/logs/*", s.Token([]string{"auditor"}), nil)
	require.Equal(t, http.StatusNotFound, status)
}

func TestBearerTokensEndWhenRevokedOrExpiredAndAreOfTheirKind(t *testing.T) {
	s := newScene(t)
	good := s.Token([]string{"auditor"})
	var m api.Me
	s.Get(good, "/api/v1/me", &m)
	require.Equal(t, "api", m.Kind)
	tokens, err := s.Agg.Store.Tokens(t.Context())
	require.NoError(t, err)
	require.Len(t, tokens, 1)
	change := func(f func()) int {
		f()
		_, err := s.Agg.Ledger.Commit(t.Context(), storeTokens(tokens[0]))
		require.NoError(t, err)
		status, _ := s.Do(nil, "GET", "/api/v1/events", good, nil)
		return status
	}
	require.Equal(t, 401, change(func() { tokens[0].Expires = time.Now().Add(-time.Second) }))
	require.Equal(t, 200, change(func() { tokens[0].Expires = time.Now().Add(time.Hour) }))
	require.Equal(t, 401, change(func() { tokens[0].Kind = "agent" }))
	require.Equal(t, 200, change(func() { tokens[0].Kind = "api" }))
	require.NoError(t, s.Agg.Enrol.RevokeToken(t.Context(), tokens[0].Hash, "test"))
	status, _ := s.Do(nil, "GET", "/api/v1/events", good, nil)
	require.Equal(t, 401, status)
}
