package api_test

import (
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
)

// curl runs one line of the documentation as curl would.
func curl(t *testing.T, r *aggregatortest.Rig, browser *http.Client, words []string) (int, string) {
	t.Helper()
	method, target, body, query := http.MethodGet, "", "", url.Values{}
	header, get := http.Header{}, false
	c := (*http.Client)(nil)
	for i := 1; i < len(words); i++ {
		value := func() string { i++; return words[i] }
		switch words[i] {
		case "--cacert", "-o":
			value()
		case "-b", "-c":
			value()
			c = browser
		case "-X":
			method = value()
		case "-G":
			get = true
		case "-H":
			k, v, _ := strings.Cut(value(), ": ")
			header.Set(k, v)
		case "-d", "--data-urlencode":
			body = value()
			k, v, _ := strings.Cut(body, "=")
			query.Set(k, v)
			method = http.MethodPost
		default:
			require.False(t, strings.HasPrefix(words[i], "-"), "curl option %s is not known here", words[i])
			target = words[i]
		}
	}
	if get {
		method, body, target = http.MethodGet, "", target+"?"+query.Encode()
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	require.NoError(t, err)
	req.Header = header
	resp, text := r.Send(c, req)
	return resp.StatusCode, string(text)
}

func TestTheLinesOfTheDocumentationWork(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"maintenance"})
	token := r.Token([]string{"auditor", "integrator"})
	id := r.Commit(made(t, "quality.check", here, nil))[0]
	text, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	now := time.Now().UTC()
	given := strings.NewReplacer("$LW", r.People, "$CA", "ca.pem", "$TOKEN", token, "$ID", id,
		"2026-01-05T00:00:00Z", now.Add(-time.Hour).Format(time.RFC3339), "2026-01-12T00:00:00Z", now.Add(time.Hour).Format(time.RFC3339))
	word := regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`)
	browser, lines := r.Client(), 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		lines++
		words := word.FindAllString(given.Replace(line), -1)
		for i := range words {
			words[i] = strings.Trim(words[i], `'"`)
		}
		status, answer := curl(t, r, browser, words)
		require.Less(t, status, 300, "%s\n%s", line, answer)
	}
	require.Equal(t, 17, lines)
	require.Len(t, r.Rows("type:user.login data.success:true"), 2, "one signed in, one handed in")
	require.Len(t, r.Rows("type:user.logout"), 1)
}
