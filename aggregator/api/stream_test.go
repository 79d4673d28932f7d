package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

// said is one message of a stream.
type said struct {
	Events []api.Event
	Cursor string
	Gap    *struct{ Reason string }
	Status *struct {
		Now  time.Time
		Rate float64
	}
	Error *struct {
		Status, Pos, Len int
		Suggestion       string
	}
}

type socket struct {
	t    testing.TB
	conn *websocket.Conn
}

// dial opens a stream with a token, or with the cookies of c.
func dial(t testing.TB, r *aggregatortest.Rig, c *http.Client, token string, header http.Header) (*socket, *http.Response) {
	t.Helper()
	if c == nil {
		c = r.Client()
	}
	plain := *c
	plain.Timeout = 0 // the library's wish
	h := header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	conn, resp, err := websocket.Dial(t.Context(), r.People+"/api/v1/stream", &websocket.DialOptions{HTTPClient: &plain, HTTPHeader: h})
	if err != nil {
		return nil, resp
	}
	conn.SetReadLimit(64 << 20)
	t.Cleanup(func() { conn.CloseNow() })
	return &socket{t, conn}, resp
}

func (s *socket) subscribe(q, cursor string) {
	s.t.Helper()
	text, err := json.Marshal(map[string]any{"subscribe": map[string]any{"q": q, "cursor": cursor}})
	require.NoError(s.t, err)
	require.NoError(s.t, s.conn.Write(s.t.Context(), websocket.MessageText, text))
}

// next returns the next message that is no status.
func (s *socket) next() (said, error) {
	for {
		m, err := s.raw()
		// A mark of settled may still be under way when the next subscription holds.
		if err != nil || len(m.Events) == 0 {
			return m, err
		}
		m.Events = slices.DeleteFunc(m.Events, func(e api.Event) bool { return bytes.Contains(e.Leaf, []byte("x.test.settled")) })
		if len(m.Events) > 0 {
			return m, nil
		}
	}
}

// raw returns the next message, marks of settled too, but not the cursor with
// which a subscription begins.
func (s *socket) raw() (said, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, data, err := s.conn.Read(ctx)
		if err != nil {
			return said{}, err
		}
		var m said
		require.NoError(s.t, json.Unmarshal(data, &m), string(data))
		if m.Status == nil && (len(m.Events) > 0 || m.Gap != nil || m.Error != nil) {
			return m, nil
		}
	}
}

// settled subscribes and waits until the subscription holds: marks are committed
// until one arrives.
func (s *socket) settled(r *aggregatortest.Rig, q string) (cursor string) {
	s.t.Helper()
	s.subscribe(q+",x.test.settled", "")
	got := make(chan said, 1)
	go func() {
		m, err := s.raw()
		if err == nil {
			got <- m
		}
		close(got)
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		r.Commit(made(s.t, "x.test.settled", here, nil))
		select {
		case m := <-got:
			s.subscribe(q, m.Cursor)
			return m.Cursor
		case <-tick.C:
		}
	}
	require.FailNow(s.t, "no event arrives")
	return ""
}

func TestAnEventIsOnTheStreamWithinATenthOfASecondOfItsCommit(t *testing.T) {
	r := aggregatortest.New(t)
	s, _ := dial(t, r, nil, r.Token([]string{"viewer"}), nil)
	s.settled(r, "type:quality.check")
	best := time.Hour
	for range 10 { // the machine may be busy with other things: the best of some
		id := r.Commit(made(t, "quality.check", here, nil))[0]
		start := time.Now()
		m, err := s.next()
		require.NoError(t, err)
		best = min(best, time.Since(start))
		require.Equal(t, id, parsed(t, m.Events[0]).ID)
		require.NotEmpty(t, m.Cursor)
	}
	require.Less(t, best, 100*time.Millisecond)
}

func TestAStreamShowsOnlyWhatItsCallerMaySeeAndAsksFor(t *testing.T) {
	r := aggregatortest.New(t)
	s, _ := dial(t, r, nil, r.Token([]string{"viewer"}, "hamburg/body/**"), nil)
	s.settled(r, "type:quality.check,config.change,debug.trace")
	r.Commit(made(t, "config.change", here, nil), made(t, "debug.trace", here, nil), made(t, "quality.check", there, nil), made(t, "quality.trend", here, nil))
	id := r.Commit(made(t, "quality.check", here, nil))[0]
	m, err := s.next()
	require.NoError(t, err)
	require.Len(t, m.Events, 1)
	require.Equal(t, id, parsed(t, m.Events[0]).ID)
	// A mistake is told with its place, and the next subscription holds.
	s.subscribe("severty:high", "")
	m, err = s.next()
	require.NoError(t, err)
	require.Equal(t, 400, m.Error.Status)
	require.Contains(t, m.Error.Suggestion, "severity")
	s.settled(r, "type:quality.check")
}

func TestAStreamGoesOnBehindItsCursorOrSaysThatThereIsAGap(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"viewer"})
	s, _ := dial(t, r, nil, token, nil)
	cursor := s.settled(r, "type:quality.check")
	s.conn.CloseNow()
	ids := r.Commit(made(t, "quality.check", here, nil), made(t, "quality.check", here, nil))
	again, _ := dial(t, r, nil, token, nil)
	again.subscribe("type:quality.check", cursor)
	var got []string
	for len(got) < 2 {
		m, err := again.next()
		require.NoError(t, err)
		for _, e := range m.Events {
			got = append(got, parsed(t, e).ID)
		}
	}
	require.Equal(t, ids, got)
	for _, forged := range []string{"forged", cursor + "x", "now"} {
		again.subscribe("", forged)
		m, err := again.next()
		require.NoError(t, err)
		require.NotNil(t, m.Gap, forged)
		require.NotEmpty(t, m.Gap.Reason)
	}
}

func TestAStreamThatIsCutBeforeItsFirstEventMissesNothing(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"viewer"})
	s, _ := dial(t, r, nil, token, nil)
	s.subscribe("type:quality.check", "")
	var m said
	for m.Cursor == "" { // statuses come before it
		_, data, err := s.conn.Read(t.Context())
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &m))
		require.Empty(t, m.Events)
	}
	s.conn.CloseNow()
	ids := r.Commit(made(t, "quality.check", here, nil))
	r.Commit(made(t, "quality.check", there, nil))
	again, _ := dial(t, r, nil, token, nil)
	again.subscribe("type:quality.check", m.Cursor)
	got, err := again.next()
	require.NoError(t, err)
	require.Nil(t, got.Gap)
	require.Equal(t, ids[0], parsed(t, got.Events[0]).ID)
}

func TestOnlyOurOwnPagesAndProgramsWithATokenGetAStream(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"})
	c := r.SignIn("anna")
	for _, origin := range []string{"https://evil.example", "null", "http://" + r.People[len("https://"):], ""} {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		s, resp := dial(t, r, c, "", h)
		require.Nil(t, s, origin)
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
	}
	s, _ := dial(t, r, c, "", http.Header{"Origin": {r.People}})
	require.NotNil(t, s)
	_, resp := dial(t, r, nil, "", http.Header{"Origin": {r.People}})
	require.Equal(t, 401, resp.StatusCode)
	for range 30 { // and not without bound
		s, resp = dial(t, r, c, "", http.Header{"Origin": {r.People}})
	}
	require.Nil(t, s)
	require.Equal(t, 429, resp.StatusCode)
}

func TestAStreamEndsWhenItsRightsDo(t *testing.T) {
	r := aggregatortest.New(t)
	origin := http.Header{"Origin": {r.People}}
	ends := map[string]func(c *http.Client){
		"disabled": func(*http.Client) { require.NoError(t, r.Agg.SetDisabled(t.Context(), "disabled", true, "test")) },
		"signed-out": func(c *http.Client) {
			status, _ := r.Do(c, "DELETE", "/api/v1/session", "", nil)
			require.Equal(t, 204, status)
		},
		"narrowed": func(*http.Client) {
			u, err := r.Agg.Store.User(t.Context(), "narrowed")
			require.NoError(t, err)
			u.Scope = []string{"berlin/**"}
			_, err = r.Agg.Store.Commit(t.Context(), store.Change{Users: []store.User{u}})
			require.NoError(t, err)
		},
	}
	var wg sync.WaitGroup
	for name, end := range ends {
		r.User(name, []string{"maintenance"})
		c := r.SignIn(name)
		s, _ := dial(t, r, c, "", origin)
		s.settled(r, "type:quality.check")
		end(c)
		wg.Go(func() {
			_, err := s.next()
			if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
}

func TestASlowClientHoldsNobodyUpAndLearnsOfItsGap(t *testing.T) {
	r := aggregatortest.New(t)
	slow, _ := dial(t, r, nil, r.Token([]string{"maintenance"}), nil)
	slow.settled(r, "type:quality.check")
	quick, _ := dial(t, r, nil, r.Token([]string{"viewer"}), nil)
	quick.settled(r, "type:quality.check")
	const events = 21_000 // more than the hub remembers
	var list []event.Event
	for range 500 {
		list = append(list, made(t, "quality.check", here, map[string]any{"fill": "x"}))
	}
	seen := make(chan int, 1)
	go func() {
		n := 0
		for n < events {
			m, err := quick.next()
			if err != nil || m.Gap != nil {
				break
			}
			n += len(m.Events)
		}
		seen <- n
	}()
	for range events / len(list) {
		for i := range list {
			list[i].ID = ""
		}
		r.Commit(list...)
	}
	select {
	case n := <-seen:
		require.Equal(t, events, n, "the quick one got them all while the slow one read nothing")
	case <-time.After(30 * time.Second):
		require.FailNow(t, "the slow client holds the quick one up")
	}
	n, gap := 0, false
	for n < events && !gap {
		m, err := slow.next()
		if err != nil {
			gap = true // cut after its time: it comes back with its cursor
			break
		}
		n, gap = n+len(m.Events), gap || m.Gap != nil
	}
	require.True(t, gap || n == events)
}
