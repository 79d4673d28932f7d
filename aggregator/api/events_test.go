package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/shared/event"
)

func ask(q string) string { return "/api/v1/events?q=" + url.QueryEscape(q) }

// leafOf is what tests look at in a shown leaf.
type leafOf struct {
	ID            string          `json:"id"`
	Type          string          `json:"event_type"`
	Class         string          `json:"class"`
	Severity      string          `json:"severity"`
	Timestamp     time.Time       `json:"timestamp"`
	Station       string          `json:"station"`
	CorrelationID string          `json:"correlation_id"`
	UserID        string          `json:"user_id"`
	SourceIP      string          `json:"source_ip"`
	Data          json.RawMessage `json:"event_data"`
	Context       json.RawMessage `json:"context"`
	Source        struct {
		Kind, Endpoint, Item string
		OriginalID           string `json:"original_id"`
	} `json:"source"`
	Metadata struct {
		Parser   string
		Problems []event.Problem
	} `json:"metadata"`
}

func parsed(t testing.TB, e api.Event) leafOf {
	t.Helper()
	var l leafOf
	require.NoError(t, json.Unmarshal(e.Leaf, &l), string(e.Leaf))
	return l
}

func TestPagesFollowEachOtherWithoutLossAlsoWhileEventsArrive(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"auditor"})
	for i := range 25 {
		r.Commit(made(t, "quality.check", here, map[string]any{"n": i}))
	}
	for _, q := range []string{"type:quality.check", "type:quality.check since:2h"} {
		for _, order := range []string{"time", "arrival"} {
			path := ask(q) + "&limit=10&order=" + order
			var seen []string
			var page api.Events
			for after := ""; ; after = "&after=" + url.QueryEscape(page.Next) {
				page = api.Events{}
				r.Get(token, path+after, &page)
				for _, e := range page.Events {
					seen = append(seen, string(parsed(t, e).Data))
				}
				if page.Next == "" {
					break
				}
				r.Commit(made(t, "quality.trend", here, nil)) // of another kind, in between
			}
			require.Len(t, seen, 25, "%s %s", q, order)
			for i, data := range seen {
				require.JSONEq(t, fmt.Sprintf(`{"n":%d}`, 24-i), data)
			}
		}
	}
}

func TestACursorFitsOnlyItsOwnSearchAndCaller(t *testing.T) {
	s := newScene(t)
	token := s.Token([]string{"auditor"})
	var page api.Events
	s.Get(token, ask("data.status:running")+"&limit=2", &page)
	require.NotEmpty(t, page.Next)
	refused := func(token, path string) {
		t.Helper()
		status, body := s.Do(nil, "GET", path, token, nil)
		require.Equal(t, 400, status, string(body))
		require.Contains(t, string(body), "cursor")
	}
	cursor := url.QueryEscape(page.Next)
	refused(token, ask("")+"&after="+cursor)
	refused(token, ask("data.status:running")+"&order=arrival&after="+cursor)
	refused(s.Token([]string{"auditor"}, "hamburg/body/**"), ask("data.status:running")+"&after="+cursor)
	refused(s.Token([]string{"viewer"}), ask("data.status:running")+"&after="+cursor)
	for _, bad := range []string{"x", ".", "zz.zz", "1." + strings.Repeat("A", 100), page.Next[:len(page.Next)-1], page.Next + "A", "zzzzzzzzzzzzzzz." + page.Next, "-1." + page.Next, "' OR 1=1 --"} {
		refused(token, ask("data.status:running")+"&after="+url.QueryEscape(bad))
	}
	// The same as canonical text is the same search.
	var second api.Events
	s.Get(token, ask(page.Query)+"&limit=2&after="+cursor, &second)
	require.Len(t, second.Events, 2)
}

func TestEveryErrorIsAProblemDocument(t *testing.T) {
	s := newScene(t)
	token := s.Token([]string{"auditor", "integrator"})
	for _, c := range []struct {
		method, path string
		body         any
		status       int
		has          string
	}{
		{"GET", ask("severty:high"), nil, 400, `"suggestion"`},
		{"GET", ask(strings.Repeat("a ", 2500)), nil, 422, ""},
		{"GET", ask("x") + "&limit=0", nil, 422, "limit"},
		{"GET", ask("x") + "&limit=1001", nil, 422, "limit"},
		{"GET", ask("x") + "&limit=many", nil, 422, "limit"},
		{"GET", ask("x") + "&order=random", nil, 422, "order"},
		{"GET", "/api/v1/events/histogram?from=yesterday", nil, 422, "from"},
		{"GET", "/api/v1/events/histogram?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", nil, 400, "before"},
		{"GET", "/api/v1/events/histogram?from=0001-01-02T00:00:00Z&to=9999-01-01T00:00:00Z", nil, 400, "1970"},
		{"GET", "/api/v1/events/histogram?buckets=100000", nil, 422, "buckets"},
		{"GET", "/api/v1/events/" + event.NewID(time.Now()), nil, 404, "may see"},
		{"GET", "/api/v1/events/no-uuid", nil, 404, ""},
		{"GET", "/api/v1/events/" + strings.Repeat("a", 65), nil, 422, "id"},
		{"GET", "/api/v1/events/" + s.ids["security "+here] + "/proof?log=0123456789abcdef&index=0", nil, 404, ""},
		{"GET", "/api/v1/logs/none", nil, 404, ""},
		{"GET", "/api/v1/nothing", nil, 404, "openapi"},
		{"PUT", "/api/v1/events", nil, 404, ""},
		{"GET", "/api/v1/session", nil, 404, ""},
		{"POST", "/api/v1/session", []byte("{"), 400, ""},
		{"POST", "/api/v1/session", map[string]any{"name": 1, "password": "x"}, 422, "name"},
		{"POST", "/api/v1/session", map[string]any{"name": "x", "password": strings.Repeat("p", 1001)}, 422, "password"},
		{"POST", "/api/v1/events", []byte(""), 400, ""},
		{"POST", "/api/v1/events", []byte("[]"), 400, "500"},
		{"POST", "/api/v1/events", []byte("[{]"), 400, ""},
		{"POST", "/api/v1/events", []byte(`{"eventType":"User Login"}`), 422, "event 0"},
	} {
		req := s.Request(c.method, c.path, token, c.body)
		resp, body := s.Send(nil, req)
		require.Equal(t, c.status, resp.StatusCode, "%s %s: %s", c.method, c.path, body)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"), "%s %s", c.method, c.path)
		var p struct {
			Status        int
			Title, Detail string
		}
		require.NoError(t, json.Unmarshal(body, &p))
		require.Equal(t, c.status, p.Status)
		require.NotEmpty(t, p.Title)
		require.Contains(t, string(body), c.has)
	}
}

func TestAMistakeInASearchIsShownAtItsPlace(t *testing.T) {
	r := aggregatortest.New(t)
	status, body := r.Do(nil, "GET", ask("type:user.* severty:high"), r.Token([]string{"auditor"}), nil)
	require.Equal(t, 400, status)
	var p struct {
		Pos, Len           int
		Detail, Suggestion string
	}
	require.NoError(t, json.Unmarshal(body, &p))
	require.Equal(t, 12, p.Pos)
	require.Positive(t, p.Len)
	require.Contains(t, p.Suggestion, "severity")
	require.NotEmpty(t, p.Detail)
}

func TestTheHistogramCountsEachEventOnceInItsStep(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"auditor"})
	start := time.Now().UTC().Add(-time.Hour).Truncate(time.Minute)
	for i := range 6 {
		e := made(t, "quality.check", here, nil)
		e.Severity, e.Timestamp = event.Severity(i), start.Add(time.Duration(i)*time.Minute)
		e.Metadata.Catalogue = event.CatalogueVersion
		r.Commit(e)
	}
	var h api.Histogram
	r.Get(token, fmt.Sprintf("/api/v1/events/histogram?q=%s&from=%s&to=%s&buckets=6", "type:quality.check",
		start.Format(time.RFC3339), start.Add(6*time.Minute).Format(time.RFC3339)), &h)
	require.Equal(t, int64(60_000), h.StepMS)
	require.Len(t, h.Buckets, 6)
	for i, b := range h.Buckets {
		require.Equal(t, start.Add(time.Duration(i)*time.Minute), b.At)
		counts := []uint64{b.Debug, b.Info, b.Low, b.Medium, b.High, b.Critical}
		require.Equal(t, uint64(1), counts[i], "%d: %v", i, counts)
	}
	require.Equal(t, uint64(6), total(h))
	// A range of less than a step for each bucket still has steps of a millisecond.
	r.Get(token, "/api/v1/events/histogram?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00.010Z&buckets=500", &h)
	require.Len(t, h.Buckets, 10)
	require.Equal(t, int64(1), h.StepMS)
}

func TestAroundShowsTheNeighboursOfTheStationInOrder(t *testing.T) {
	r := aggregatortest.New(t)
	var ids []string
	for range 9 {
		ids = append(ids, r.Commit(made(t, "quality.check", here, nil))...)
		r.Commit(made(t, "quality.check", there, nil))
	}
	var near api.Events
	r.Get(r.Token([]string{"viewer"}), "/api/v1/events/"+strings.ToUpper(ids[4])+"/around?before=2&after=3", &near)
	var got []string
	for _, e := range near.Events {
		got = append(got, parsed(t, e).ID)
	}
	require.Equal(t, append(append([]string{}, ids[2:4]...), ids[5:8]...), got)
	// What one may not see does not stand in the way of what one may.
	for range 12 {
		r.Commit(made(t, "debug.trace", here, nil))
	}
	last := r.Commit(made(t, "quality.check", here, nil))[0]
	r.Get(r.Token([]string{"viewer"}), "/api/v1/events/"+last+"/around?before=2&after=3", &near)
	require.Len(t, near.Events, 2)
	require.Equal(t, ids[8], parsed(t, near.Events[1]).ID)
}

func TestSeveralEventsWithOneIDAreAllShown(t *testing.T) {
	r := aggregatortest.New(t)
	id := r.Commit(made(t, "quality.check", here, map[string]any{"n": 1}))[0]
	for _, e := range []event.Event{made(t, "quality.check", here, map[string]any{"n": 2}), made(t, "config.change", there, map[string]any{"n": 3})} {
		e.ID = id
		r.Commit(e)
	}
	var d api.EventDetail
	r.Get(r.Token([]string{"auditor"}), "/api/v1/events/"+id, &d)
	require.Len(t, d.Others, 2)
	for _, e := range append(d.Others, d.Event) {
		status, text := r.Do(nil, "GET", fmt.Sprintf("/api/v1/events/%s/proof?log=%s&index=%d", id, e.Stored.Log, e.Stored.Index), r.Token([]string{"auditor"}), nil)
		require.Equal(t, 200, status)
		require.Contains(t, string(text), fmt.Sprintf("index %d\n", e.Stored.Index))
	}
	// Who may not see one of them does not learn that it is there.
	d = api.EventDetail{}
	r.Get(r.Token([]string{"viewer"}, "hamburg/body/**"), "/api/v1/events/"+id, &d)
	require.Len(t, d.Others, 1)
}

func TestMoreThanAScreenfulNeedsTheRightToExport(t *testing.T) {
	r := aggregatortest.New(t)
	var list []event.Event
	for range 250 {
		list = append(list, made(t, "quality.check", here, nil))
	}
	r.Commit(list...)
	var page api.Events
	r.Get(r.Token([]string{"viewer"}), ask("type:quality.check")+"&limit=1000", &page)
	require.Len(t, page.Events, 200)
	require.NotEmpty(t, page.Next)
	require.Empty(t, r.Rows("type:audit.accessed"))
	r.Get(r.Token([]string{"auditor"}), ask("type:quality.check")+"&limit=1000", &page)
	require.Len(t, page.Events, 250)
	rows := r.Rows("type:audit.accessed data.purpose:export")
	require.Len(t, rows, 1, "an export is in the record at once")
	require.Contains(t, string(rows[0].Data), `"records":250`)
}
