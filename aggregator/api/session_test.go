package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/aggregator/auth"
)

func signIn(r *aggregatortest.Rig, c *http.Client, name, password string) (*http.Response, []byte) {
	return r.Send(c, r.Request("POST", "/api/v1/session", "", map[string]any{"name": name, "password": password}))
}

func TestSigningInSetsACookieThatOnlyThisHostOverTLSGets(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"}, "hamburg/body/**")
	c := r.Client()
	resp, body := signIn(r, c, "anna", aggregatortest.Password)
	require.Equal(t, 200, resp.StatusCode, string(body))
	var m api.Me
	require.NoError(t, json.Unmarshal(body, &m))
	require.Equal(t, []string{"hamburg/body/**"}, m.Scope)
	require.Contains(t, m.Permissions, "events.read")
	require.NotContains(t, string(body), "$schema")
	cookies := resp.Cookies()
	require.Len(t, cookies, 1)
	k := cookies[0]
	require.Equal(t, "__Host-linewatch", k.Name)
	require.True(t, k.Secure)
	require.True(t, k.HttpOnly)
	require.Equal(t, "/", k.Path)
	require.Empty(t, k.Domain)
	require.Equal(t, http.SameSiteLaxMode, k.SameSite)
	status, _ := r.Do(c, "GET", "/api/v1/me", "", nil)
	require.Equal(t, 200, status)
	require.NotContains(t, r.Log.String(), aggregatortest.Password)
	require.NotContains(t, r.Log.String(), k.Value)
}

func TestAWrongNameAndAWrongPasswordLookAlike(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"})
	r.User("bert", []string{"maintenance"})
	require.NoError(t, r.Agg.SetDisabled(t.Context(), "bert", true, "test"))
	var bodies []string
	for _, try := range [][2]string{{"anna", "not the password"}, {"nobody", aggregatortest.Password}, {"bert", aggregatortest.Password}, {"anna", ""}, {"", ""}} {
		resp, body := signIn(r, r.Client(), try[0], try[1])
		require.Equal(t, 401, resp.StatusCode, string(body))
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		require.Empty(t, resp.Cookies())
		bodies = append(bodies, string(body))
	}
	for _, b := range bodies {
		require.Equal(t, bodies[0], b)
	}
}

func TestASessionThatSomebodyElseChoseIsNotTaken(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"})
	c := r.Client()
	home, err := url.Parse(r.People)
	require.NoError(t, err)
	chosen := strings.Repeat("A", 43)
	c.Jar.SetCookies(home, []*http.Cookie{{Name: auth.CookieName, Value: chosen, Path: "/", Secure: true}})
	signIn(r, c, "anna", aggregatortest.Password)
	first := c.Jar.Cookies(home)[0].Value
	require.NotEqual(t, chosen, first)
	// Signing in again makes a new session; the old one is over.
	signIn(r, c, "anna", aggregatortest.Password)
	require.NotEqual(t, first, c.Jar.Cookies(home)[0].Value)
	old := r.Client()
	old.Jar.SetCookies(home, []*http.Cookie{{Name: auth.CookieName, Value: first, Path: "/", Secure: true}})
	status, _ := r.Do(old, "GET", "/api/v1/me", "", nil)
	require.Equal(t, 401, status)
	old.Jar.SetCookies(home, []*http.Cookie{{Name: auth.CookieName, Value: chosen, Path: "/", Secure: true}})
	status, _ = r.Do(old, "GET", "/api/v1/me", "", nil)
	require.Equal(t, 401, status)
}

func TestSigningOutEndsTheSessionForEverybodyWhoHasTheCookie(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"})
	c := r.SignIn("anna")
	home, err := url.Parse(r.People)
	require.NoError(t, err)
	thief := r.Client()
	thief.Jar.SetCookies(home, c.Jar.Cookies(home))
	status, _ := r.Do(thief, "GET", "/api/v1/me", "", nil)
	require.Equal(t, 200, status)
	var wg sync.WaitGroup
	for range 8 { // a page that goes on asking must not bring the session back
		wg.Go(func() { r.Do(thief, "GET", "/api/v1/events", "", nil) })
	}
	status, _ = r.Do(c, "DELETE", "/api/v1/session", "", nil)
	require.Equal(t, 204, status)
	wg.Wait()
	require.Empty(t, c.Jar.Cookies(home))
	status, _ = r.Do(thief, "GET", "/api/v1/me", "", nil)
	require.Equal(t, 401, status)
	status, _ = r.Do(c, "DELETE", "/api/v1/session", "", nil)
	require.Equal(t, 204, status, "signing out twice is no fault")
	out, in := r.Rows("type:user.logout"), r.Rows("type:user.login")
	require.Len(t, out, 1)
	require.Len(t, in, 1)
	var left, came struct{ SessionID string }
	require.NoError(t, json.Unmarshal(out[0].Data, &left))
	require.NoError(t, json.Unmarshal(in[0].Data, &came))
	require.Regexp(t, "^[0-9a-f]{16}$", left.SessionID, "the id of a session, never its token")
	require.Equal(t, came.SessionID, left.SessionID)
}

func TestADisabledPersonIsOutWithTheNextRequest(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"})
	c := r.SignIn("anna")
	require.NoError(t, r.Agg.SetDisabled(t.Context(), "anna", true, "test"))
	status, _ := r.Do(c, "GET", "/api/v1/events", "", nil)
	require.Equal(t, 401, status)
	require.NoError(t, r.Agg.SetDisabled(t.Context(), "anna", false, "test"))
	status, _ = r.Do(c, "GET", "/api/v1/events", "", nil)
	require.Equal(t, 200, status)
}

func TestGuessingIsSlowedDownAndCountedInTheRecordWithoutFillingIt(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"})
	for i := range 5 {
		resp, _ := signIn(r, nil, "anna", fmt.Sprint("guess number ", i))
		require.Equal(t, 401, resp.StatusCode)
	}
	resp, body := signIn(r, nil, "anna", aggregatortest.Password)
	require.Equal(t, 429, resp.StatusCode, "even the right password waits now")
	require.Contains(t, string(body), "wait")
	for i := range 100 {
		resp, _ = signIn(r, nil, fmt.Sprint("unknown-", i, "\nlevel=ERROR msg=forged"), "some password here")
		require.Contains(t, []int{401, 429}, resp.StatusCode)
	}
	single := r.Rows("type:user.login data.success:false")
	require.Less(t, len(single), 40, "most are only counted; how many are told alone grows with the time that this takes")
	require.NotContains(t, r.Log.String(), "\nlevel=ERROR msg=forged")
	require.NoError(t, r.Stop())
	var total float64
	for _, row := range r.Rows("type:user.login data.success:false") {
		require.NotContains(t, string(row.Leaf), "unknown-")
		var data struct{ Attempts float64 }
		require.NoError(t, json.Unmarshal(row.Data, &data))
		total += max(data.Attempts, 1)
	}
	require.EqualValues(t, 106, total, "each attempt is in the record, alone or counted")
}

func TestANewPasswordHoldsAndTheOldOneIsOverWithItsSessions(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"})
	before := r.SignIn("anna")
	require.NoError(t, r.Agg.SetPassword(t.Context(), "anna", "another long secret", "test"))
	status, _ := r.Do(before, "GET", "/api/v1/me", "", nil)
	require.Equal(t, 401, status, "sessions of the old password are over too")
	resp, _ := signIn(r, nil, "anna", aggregatortest.Password)
	require.Equal(t, 401, resp.StatusCode)
	resp, _ = signIn(r, r.Client(), "anna", "another long secret")
	require.Equal(t, 200, resp.StatusCode)
}

func TestAChangeMayNotComeFromAnotherSite(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"integrator"})
	c := r.SignIn("anna")
	for _, header := range []http.Header{
		{"Origin": {"https://evil.example"}},
		{"Origin": {"null"}},
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://other.plant"}},
	} {
		for _, method := range []string{"POST", "DELETE"} {
			path := map[string]string{"POST": "/api/v1/events", "DELETE": "/api/v1/session"}[method]
			req := r.Request(method, path, "", []byte(`{"eventType":"x.acme.order","eventData":{}}`))
			for k, v := range header {
				req.Header[k] = v
			}
			resp, body := r.Send(c, req)
			require.Equal(t, 403, resp.StatusCode, "%v %s", header, body)
			require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		}
	}
	req := r.Request("POST", "/api/v1/events", "", []byte(`{"eventType":"x.acme.order","eventData":{}}`))
	req.Header.Set("Origin", r.People)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, body := r.Send(c, req)
	require.Equal(t, 201, resp.StatusCode, string(body))
}
