package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
)

func TestTheDocumentOfTheAPIIsTheOneInTheFolderOfDocuments(t *testing.T) {
	want, err := api.Document()
	require.NoError(t, err)
	got, err := os.ReadFile("../../docs/openapi.json")
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "docs/openapi.json is old: go generate ./aggregator/api")
}

func TestEveryDocumentedPathAnswers(t *testing.T) {
	s := newScene(t)
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]any
		}
	}
	status, text := s.Do(nil, "GET", "/api/v1/openapi.json", "", nil)
	require.Equal(t, 200, status)
	require.NoError(t, json.Unmarshal(text, &doc))
	require.Greater(t, len(doc.Paths), 10)
	token := s.Token([]string{"auditor", "integrator", "administrator"})
	bodies := map[string]any{"/api/v1/events": json.RawMessage(`{"eventType":"x.acme.o","eventData":{}}`), "/api/v1/session": map[string]any{"name": "admin", "password": aggregatortest.Password}}
	for path, methods := range doc.Paths {
		real := strings.NewReplacer("{id}", s.ids["security "+here], "{log}", s.log["security"]).Replace(path)
		for method, op := range methods {
			var body any
			if method == "post" {
				body = bodies[path]
			}
			if path == "/api/v1/stream" {
				c, resp := dial(t, s.Rig, nil, token, nil)
				require.NotNil(t, c)
				require.Contains(t, op.Responses, "101")
				require.Equal(t, 101, resp.StatusCode)
				continue
			}
			status, answer := s.Do(nil, strings.ToUpper(method), real, token, body)
			require.Less(t, status, 300, "%s %s: %s", method, path, answer)
			require.Contains(t, op.Responses, strconv.Itoa(status), "%s %s", method, path)
		}
	}
}

func TestHealthAndReadinessTellADeadDatabaseFromADeadProgram(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"})
	c := r.SignIn("anna")
	token := r.Token([]string{"auditor"})
	require.NoError(t, r.Agg.Store.Close())
	status, _ := r.Do(nil, "GET", "/healthz", "", nil)
	require.Equal(t, 200, status)
	for _, try := range []*http.Request{
		r.Request("GET", "/readyz", "", nil),
		r.Request("GET", "/api/v1/events", token, nil),
		r.Request("GET", "/api/v1/events", "", nil),
		r.Request("POST", "/api/v1/session", "", map[string]any{"name": "anna", "password": aggregatortest.Password}),
	} {
		browser := c
		if try.Header.Get("Authorization") != "" {
			browser = nil
		}
		resp, body := r.Send(browser, try)
		require.GreaterOrEqual(t, resp.StatusCode, 500, "%s: %s", try.URL, body)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"), try.URL)
		require.NotContains(t, string(body), "sql")
	}
}

func TestMetricsCountRequestsWithoutTheirPaths(t *testing.T) {
	r := aggregatortest.New(t)
	r.Do(nil, "GET", "/api/v1/about?secret=1", "", nil)
	req := r.Request("BREW", "/api/v1/about", "", nil)
	r.Send(nil, req)
	status, text := r.Do(nil, "GET", "/metrics", r.Token([]string{"administrator"}), nil)
	require.Equal(t, 200, status)
	require.Contains(t, string(text), `linewatch_http_request_seconds_count{method="GET",status="200"}`)
	require.Contains(t, string(text), `method="other"`)
	require.Contains(t, string(text), "linewatch_ingest_")
	require.NotContains(t, string(text), "BREW")
	require.NotContains(t, string(text), "secret")
}

func TestRequestsInFlightEndBeforeTheAggregatorDoes(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"integrator"})
	s, _ := dial(t, r, nil, r.Token([]string{"viewer"}), nil)
	s.settled(r, "type:x.acme.o")
	body, pipe := io.Pipe()
	req := r.Request("POST", "/api/v1/events", token, nil)
	req.Body, req.ContentLength = body, -1
	// The body is asked for once the request is being handled.
	req.Header.Set("Expect", "100-continue")
	client := r.Client()
	client.Transport.(*http.Transport).ExpectContinueTimeout = 20 * time.Second
	answered := make(chan int, 1)
	go func() {
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	_, err := pipe.Write([]byte(`{"eventType":"x.acme.o",`))
	require.NoError(t, err)
	r.Cancel()
	_, err = s.next()
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), "%v", err)
	_, err = pipe.Write([]byte(`"eventData":{}}`))
	require.NoError(t, err)
	require.NoError(t, pipe.Close())
	require.Equal(t, 201, <-answered, r.Log)
	require.NoError(t, r.Stop())
	require.Len(t, r.Rows("type:x.acme.o"), 1)
	require.NotEmpty(t, r.Rows("type:audit.stopped"))
	_, err = r.Client().Get(r.People + "/healthz")
	require.Error(t, err)
}
