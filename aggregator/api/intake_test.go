package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/shared/event"
)

// example is the "Event Data Structure" of the requirements, letter for letter
// but for JSON's quotes.
const example = `{
  "id": "uuid",
  "eventType": "user.login",
  "eventData": {
    "userId": "user123",
    "action": "login",
    "success": true,
    "method": "password",
    "device": "web-browser",
    "location": "192.168.1.100"
  },
  "context": {
    "correlationId": "req-456",
    "sessionId": "sess-789",
    "userAgent": "Mozilla/5.0...",
    "timestamp": "2025-08-28T13:30:00Z"
  },
  "metadata": {
    "severity": "info",
    "source": "auth-service",
    "version": "1.0.0"
  }
}`

// post hands events in and returns them as they come back.
func post(t *testing.T, r *aggregatortest.Rig, token, body string) []leafOf {
	t.Helper()
	status, answer := r.Do(nil, "POST", "/api/v1/events", token, []byte(body))
	require.Equal(t, 201, status, string(answer))
	var taken api.Taken
	require.NoError(t, json.Unmarshal(answer, &taken))
	reader := r.Token([]string{"auditor"})
	var out []leafOf
	for _, e := range taken.Events {
		var d api.EventDetail
		r.Get(reader, "/api/v1/events/"+e.ID, &d)
		l := parsed(t, d.Event)
		require.Equal(t, e.Problems, append([]event.Problem{}, l.Metadata.Problems...))
		out = append(out, l)
	}
	return out
}

func TestWhoHandsInAnEventStandsInItAsAPseudonym(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("annegret", []string{"integrator"})
	req := r.Request("POST", "/api/v1/events", "", json.RawMessage(`{"eventType":"x.mes.order","eventData":{"n":1}}`))
	req.Header.Set("Origin", r.People)
	res, text := r.Send(r.SignIn("annegret"), req)
	require.Equal(t, http.StatusCreated, res.StatusCode, string(text))
	row := r.Rows("type:x.mes.order")[0]
	require.NotContains(t, string(row.Leaf), "annegret")
	require.Contains(t, string(row.Leaf), `"endpoint":"`+r.Agg.Pseudonym(t.Context(), "annegret")+`"`)
}

func TestTheExampleOfTheRequirementsComesBackEqual(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"integrator"})
	for _, body := range []string{example, "[" + example + "," + example + "]"} {
		for _, l := range post(t, r, token, body) {
			pseudonym := r.Agg.Pseudonym(t.Context(), "user123")
			require.Regexp(t, `^p-[0-9a-f]{32}$`, pseudonym)
			require.JSONEq(t, fmt.Sprintf(`{"userId":%q,"action":"login","success":true,"method":"password"}`, pseudonym), string(l.Data))
			var opened api.EventDetail
			r.Get(r.Token([]string{"security"}), "/api/v1/events/"+l.ID+"?open=true", &opened)
			require.Equal(t, map[string]any{
				"event_data.userId": "user123", "event_data.device": "web-browser", "event_data.location": "192.168.1.100",
			}, opened.Stored.Opened, "what identifies a person is sealed, and comes back for who may read it")
			require.JSONEq(t, `{"correlationId":"req-456","sessionId":"sess-789","userAgent":"Mozilla/5.0...","timestamp":"2025-08-28T13:30:00Z"}`, string(l.Context))
			require.Equal(t, "user.login", l.Type)
			require.Equal(t, "info", l.Severity)
			require.Equal(t, "security", l.Class)
			require.Equal(t, pseudonym, l.UserID)
			require.Equal(t, "req-456", l.CorrelationID)
			require.Equal(t, "2025-08-28T13:30:00Z", l.Timestamp.Format("2006-01-02T15:04:05Z07:00"))
			require.Equal(t, "auth-service", l.Source.Item)
			require.Equal(t, "auth-service 1.0.0", l.Metadata.Parser)
			require.Equal(t, "uuid", l.Source.OriginalID)
			require.Equal(t, "http", l.Source.Kind)
			require.Equal(t, "test-integrator", l.Source.Endpoint)
			require.Equal(t, "127.0.0.1", l.SourceIP)
			require.Empty(t, l.Metadata.Problems)
		}
	}
	for _, row := range r.Rows("") {
		require.NotContains(t, string(row.Leaf), "user123")
	}
	require.NoError(t, r.Stop())
	rows := r.Rows("type:api.posted")
	require.Len(t, rows, 1, "who handed in how many is in the record")
	require.Contains(t, string(rows[0].Data), `"count":3`)
}

func TestFaultsOfSingleFieldsAreProblemsAndNothingIsLost(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"integrator"}, "hamburg/body/**")
	for body, want := range map[string]struct{ problem, has string }{
		`{"eventType":"user.login","eventData":{"userId":"a"}}`:                                            {"event_data.action", `"userId":"p-`},
		`{"eventType":"x.acme.o","eventData":{},"metadata":{"severity":"loud"}}`:                           {"severity", `"severity":"loud"`},
		`{"eventType":"x.acme.o","eventData":{},"context":{"timestamp":"yesterday"}}`:                      {"timestamp", "yesterday"},
		`{"eventType":"x.acme.o","eventData":{},"context":{"correlationId":17}}`:                           {"correlation_id", "17"},
		`{"eventType":"x.acme.o","eventData":7}`:                                                           {"event_data", `"value":7`},
		`{"eventType":"x.acme.o"}`:                                                                         {"event_data", ""},
		`{"eventType":"x.acme.o","eventData":{},"station":"Hamburg Mitte"}`:                                {"station", ""},
		`{"eventType":"x.acme.o","eventData":{},"station":"hamburg/paint/line1/st01"}`:                     {"station", `hamburg/paint/line1/st01`},
		`{"eventType":"strange.type","eventData":{}}`:                                                      {"event_type", ""},
		`{"eventType":"x.acme.o","eventData":{"userId":4711}}`:                                             {"", `"userId":"p-`},
		`{"eventType":"x.acme.o","eventData":{"userId":{"name":"anna"}}}`:                                  {"", `"sealed":{"event_data.userId":`},
		`{"eventType":"x.acme.o","eventData":{},"context":{"userId":"anna"}}`:                              {"", `"context":{"userId":"p-`},
		`{"eventType":"x.acme.o","eventData":{},"extra":{"a":1},"metadata":{"host":"h"}}`:                  {"", `"posted":{"extra":{"a":1},"metadata":{"host":"h"}}`},
		`{"eventType":"x.acme.o","eventData":{},"userId":"anna"}`:                                          {"", `"posted":{"userId":"p-`},
		`{"eventType":"x.acme.o","eventData":{},"metadata":{"userId":"anna"}}`:                             {"", `"posted":{"metadata":{"userId":"p-`},
		`{"eventType":"x.acme.o","eventData":{},"EventData":{"a":[{"user_id":"anna"}],"userID":"anna"}}`:   {"", `"posted":{"EventData":{"a":[{"user_id":"p-`},
		`{"eventType":"x.acme.o","eventData":{"actor":{"userId":"anna"}}}`:                                 {"", `"event_data":{"actor":{"userId":"p-`},
		`{"eventType":"x.acme.o","eventData":{},"EventData":{"b":2}}`:                                      {"", `"posted":{"EventData":{"b":2}}`},
		`{"eventType":"x.acme.o","eventData":{"big":12345678901234567890,"q":"\" <script>","u":"\u00fc"}}`: {"", `12345678901234567890`},
		`{"eventType":"x.acme.o","eventData":{},"metadata":{"severity":"debug"}}`:                          {"", `"severity":"debug"`},
		`{"eventType":"x.acme.o","eventData":{},"station":"hamburg/body/line3/st07"}`:                      {"", `"station":"hamburg/body/line3/st07"`},
	} {
		l := post(t, r, token, body)[0]
		leaf := string(r.Rows("id:" + l.ID)[0].Leaf)
		require.Contains(t, leaf, want.has, body)
		require.NotContains(t, leaf, "anna")
		if want.problem == "" {
			require.Empty(t, l.Metadata.Problems, body)
		} else {
			require.Len(t, l.Metadata.Problems, 1+strings.Count(body, "user.login")*2, body)
			require.Equal(t, want.problem, l.Metadata.Problems[0].Field, body)
		}
	}
}

func TestAProgramMayNotSayWhatVerifiersBelieve(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"integrator"})
	before := len(r.Rows(""))
	for _, typ := range []string{
		"log.registered", "log.opened", "log.key", "log.heartbeat", "log.roots", "log.forked", "agent.enrolled", "agent.revoked",
		"audit.gap", "audit.accessed", "ingest.rejected", "key.cosigner", "key.lifecycle", "token.created", "store.rebuilt", "signal.summary", "api.posted", "event.duplicate_id",
	} {
		status, body := r.Do(nil, "POST", "/api/v1/events", token, map[string]any{"eventType": typ, "eventData": map[string]any{"origin": "x", "publicKey": "x"}})
		require.Equal(t, 422, status, typ)
		require.Contains(t, string(body), "only Linewatch itself")
	}
	require.Len(t, r.Rows(""), before)
}

func TestOneBadEventOfAListTakesNone(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"integrator"})
	good := `{"eventType":"x.acme.o","eventData":{}}`
	deep := strings.Repeat(`{"a":`, 14) + "1" + strings.Repeat("}", 14)
	for name, bad := range map[string]string{
		"null": `null`, "number": `7`, "no type": `{}`, "NUL": `{"eventType":"x.acme.o","eventData":{"a":"\u0000"}}`,
		"surrogate": `{"eventType":"x.acme.o","eventData":{"a":"\ud800"}}`, "duplicate keys": `{"eventType":"x.acme.o","eventData":{"a":1,"a":2}}`,
		"deep":                       `{"eventType":"x.acme.o","eventData":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"deep only where it is kept": `{"eventType":"x.acme.o","eventData":{},"extra":` + deep + `}`,
		"huge":                       `{"eventType":"x.acme.o","eventData":{"a":"` + strings.Repeat("x", 70_000) + `"}}`,
		"huge once escaped":          `{"eventType":"x.acme.o","eventData":{"a":"` + strings.Repeat(`\u0001`, 10_500) + `"}}`,
	} {
		status, body := r.Do(nil, "POST", "/api/v1/events", token, []byte("["+good+","+bad+"]"))
		require.Equal(t, 422, status, "%s: %s", name, body)
		require.Contains(t, string(body), "event 1", name)
	}
	require.Empty(t, r.Rows("type:x.acme.o"))
}

func TestBodiesAndListsAreBounded(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"integrator"})
	one := `{"eventType":"x.acme.o","eventData":{}}`
	status, _ := r.Do(nil, "POST", "/api/v1/events", token, []byte("["+strings.Repeat(one+",", 500)+one+"]"))
	require.Equal(t, 400, status)
	status, body := r.Do(nil, "POST", "/api/v1/events", token, []byte(`{"eventType":"x.acme.o","eventData":{"a":"`+strings.Repeat("x", 1<<20)+`"}}`))
	require.Equal(t, 413, status, string(body))
	status, body = r.Do(nil, "POST", "/api/v1/events", token, []byte("["+strings.Repeat(one+",", 499)+one+"]"))
	require.Equal(t, 201, status, string(body))
	require.Len(t, r.Rows("type:x.acme.o"), 500)
}

func TestACallerHasSoManyRequestsUnderWayAndNoMore(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"integrator"})
	var held []*io.PipeWriter
	done := make(chan int, 16)
	for range cap(done) {
		body, pipe := io.Pipe()
		held = append(held, pipe)
		req := r.Request("POST", "/api/v1/events", token, nil)
		req.Body, req.ContentLength = body, -1
		req.Header.Set("Expect", "100-continue") // the body is asked for once the request is being handled
		c := r.Client()
		c.Transport.(*http.Transport).ExpectContinueTimeout = 20 * time.Second
		go func() {
			resp, err := c.Do(req)
			if err != nil {
				done <- 0
				return
			}
			resp.Body.Close()
			done <- resp.StatusCode
		}()
		_, err := pipe.Write([]byte(`{"eventType":"x.acme.o",`))
		require.NoError(t, err)
	}
	status, body := r.Do(nil, "GET", "/api/v1/me", token, nil)
	require.Equal(t, 429, status, string(body))
	status, _ = r.Do(nil, "GET", "/api/v1/me", r.Token([]string{"integrator"}), nil)
	require.Equal(t, 200, status, "others are not held up")
	for _, pipe := range held {
		_, err := pipe.Write([]byte(`"eventData":{}}`))
		require.NoError(t, err)
		require.NoError(t, pipe.Close())
	}
	for range held {
		require.Equal(t, 201, <-done)
	}
	status, _ = r.Do(nil, "GET", "/api/v1/me", token, nil)
	require.Equal(t, 200, status)
}

func TestACallerThatAsksTooOftenIsSlowedDownAlone(t *testing.T) {
	r := aggregatortest.New(t)
	token, other := r.Token([]string{"viewer"}), r.Token([]string{"auditor"})
	slowed := 0
	for range 400 {
		resp, _ := r.Send(nil, r.Request("GET", "/api/v1/me", token, nil))
		if resp.StatusCode == 429 {
			slowed++
			require.Equal(t, "1", resp.Header.Get("Retry-After"))
		}
	}
	require.Positive(t, slowed)
	status, _ := r.Do(nil, "GET", "/api/v1/me", other, nil)
	require.Equal(t, 200, status)
}
