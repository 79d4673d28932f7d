package api_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/shared/peertest"
)

// onBoth runs a test on each database.
func onBoth(t *testing.T, f func(t *testing.T, r *aggregatortest.Rig)) {
	t.Run("sqlite", func(t *testing.T) { f(t, aggregatortest.New(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, aggregatortest.On(t, peertest.Postgres(t))) })
}

// injections are texts that would mean something to a database, if they got there.
func injections() []string {
	return []string{
		`'`, `''`, `"`, `\`, `\'`, `' OR 1=1 --`, `'; DROP TABLE events; --`, `') OR ('1'='1`, `%`, `_`, `%' OR '%'='`, `$1`, `?1`, `:name`, `@x`,
		`"} OR {"`, `{"$ne":1}`, `$.a`, `$[*]`, `a.b`, `a"."b`, `||pg_sleep(9)||`, `1;SELECT pg_sleep(9)`, `{}`, `[]`, `*`, `**`, `NEAR(a b)`, `a AND b`, `a*b`, `^a`, `-a`,
		`a:b`, `!a`, `a & b | !c`, `a <-> b`, `'a' & 'b'`, `(`, `)`, `((((`, "a\tb", "\u2028", "😀", "\u202e", strings.Repeat("'", 500),
	}
}

// quoted is a text as the search language quotes it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func TestNoSearchSaysAnythingToTheDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, r *aggregatortest.Rig) {
		secret := r.Commit(made(t, "config.change", there, map[string]any{"a": "hidden treasure"}))[0]
		r.Commit(made(t, "config.change", here, map[string]any{"a": "visible"}))
		for i, text := range injections() {
			id := r.Commit(made(t, "x.acme.odd", here, map[string]any{"field": text, text: i}))[0]
			token := r.Token([]string{"auditor"}, "hamburg/body/**") // each has a rate of its own
			searches := []string{
				quoted(text), "data.field:" + quoted(text), "data." + quoted(text) + fmt.Sprint(":", i), "user:" + quoted(text), "-equipment:" + quoted(text),
				"correlation:" + quoted(text), "log:" + quoted(text), "agent:" + quoted(text), "type:" + quoted(text), "station:" + quoted(text), "id:" + quoted(text), "ip:" + quoted(text), text,
			}
			for n, q := range searches {
				start := time.Now()
				resp, body := r.Send(nil, r.Request("GET", ask(q)+"&limit=200", token, nil))
				require.Contains(t, []int{200, 400}, resp.StatusCode, "%q: %s", q, body)
				require.NotContains(t, string(body), "treasure", q)
				require.NotContains(t, string(body), secret, q)
				require.Less(t, time.Since(start), 8*time.Second, q)
				if n == 1 || n == 2 { // exact values are found
					require.Equal(t, 200, resp.StatusCode, "%q: %s", q, body)
					if !strings.ContainsAny(text, "*") {
						require.Contains(t, string(body), id, q)
					}
				}
			}
		}
		var all api.Events
		r.Get(r.Token([]string{"auditor"}), ask("type:config.change"), &all)
		require.Len(t, all.Events, 2, "all tables are there")
		require.NotContains(t, r.Log.String(), "request failed")
	})
}

func TestIDsAndLogsInPathsAreOnlyNames(t *testing.T) {
	onBoth(t, func(t *testing.T, r *aggregatortest.Rig) {
		token := r.Token([]string{"auditor"})
		r.Commit(made(t, "config.change", here, nil))
		for _, text := range injections() {
			name := url.PathEscape(text)
			if len(name) > 64 {
				name = name[:63]
			}
			for _, path := range []string{"/api/v1/events/" + name, "/api/v1/events/" + name + "/proof", "/api/v1/events/" + name + "/bundle", "/api/v1/logs/" + name} {
				status, body := r.Do(nil, "GET", path, token, nil)
				require.Contains(t, []int{404, 400, 422, 429}, status, "%s: %s", path, body)
			}
		}
		require.NotContains(t, r.Log.String(), "request failed")
	})
}

func TestTheSameSearchesFindTheSameOnBothDatabases(t *testing.T) {
	var answers [][]string
	onBoth(t, func(t *testing.T, r *aggregatortest.Rig) {
		token := r.Token([]string{"auditor"})
		for i, text := range injections() {
			r.Commit(made(t, "x.acme.odd", here, map[string]any{"n": i, "text": text, "deep": map[string]any{text: true}}))
		}
		var got []string
		for _, text := range injections() {
			for _, q := range []string{quoted(text), "data.text:" + quoted(text), "data.deep." + quoted(text) + ":true", "-data.text:" + quoted(text)} {
				resp, body := r.Send(nil, r.Request("GET", ask("type:x.acme.odd "+q)+"&limit=200", token, nil))
				require.NotEqual(t, http.StatusTooManyRequests, resp.StatusCode)
				var page api.Events
				if resp.StatusCode == 200 {
					require.NoError(t, json.Unmarshal(body, &page))
				}
				var found []string
				for _, e := range page.Events {
					found = append(found, string(parsed(t, e).Data))
				}
				got = append(got, fmt.Sprint(q, resp.StatusCode, page.Count, found))
			}
		}
		answers = append(answers, got)
	})
	require.Len(t, answers, 2)
	for i := range answers[0] {
		require.Equal(t, answers[0][i], answers[1][i])
	}
}

func TestASlowHeaderIsCutAndHoldsNobodyUp(t *testing.T) {
	r := aggregatortest.New(t)
	config := &tls.Config{RootCAs: r.Agg.CA.Pool()}
	ended := make(chan error, 40)
	for range cap(ended) {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(r.People, "https://"), config)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = io.WriteString(conn, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		require.NoError(t, err)
		go func() {
			_, err := io.Copy(io.Discard, conn)
			ended <- err
		}()
	}
	status, _ := r.Do(nil, "GET", "/healthz", "", nil)
	require.Equal(t, 200, status)
	for range cap(ended) {
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			require.FailNow(t, "a slow header is never cut")
		}
	}
}

func TestHugeHeadersAndAddressesAreRefused(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"auditor"})
	status, _ := r.Do(nil, "GET", ask(strings.Repeat("x", 100_000)), token, nil)
	require.Equal(t, 431, status)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.People, "https://"), &tls.Config{RootCAs: r.Agg.CA.Pool()})
	require.NoError(t, err)
	defer conn.Close()
	go func() {
		for range 100 {
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("y", 8000)+"\r\n"); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		resp.Body.Close()
		require.GreaterOrEqual(t, resp.StatusCode, 400)
	}
}

func TestNobodyForgesLinesOfTheLog(t *testing.T) {
	r := aggregatortest.New(t)
	forged := "x\nlevel=ERROR msg=forged"
	token := r.Token([]string{"auditor", "integrator"})
	r.Do(nil, "GET", "/api/v1/"+url.PathEscape(forged), token, nil)
	r.Do(nil, "GET", ask(forged), token, nil)
	r.Do(nil, "POST", "/api/v1/session", "", map[string]any{"name": forged, "password": forged})
	r.Do(nil, "POST", "/api/v1/events", token, map[string]any{"eventType": forged, "eventData": forged})
	req := r.Request("GET", "/api/v1/me", "", nil)
	req.Header.Set("Authorization", "Bearer level=ERROR msg=forged")
	r.Send(nil, req)
	require.NotContains(t, r.Log.String(), "\nlevel=ERROR msg=forged")
}
