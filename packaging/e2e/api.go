//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// API is the people's listener as one program sees it.
type API struct {
	URL   string
	Token string
	// Cookie of a session, instead of a token.
	Cookie *http.Cookie

	t      testing.TB
	client *http.Client
}

// Event is one stored event.
type Event struct {
	Leaf struct {
		ID        string          `json:"id"`
		Type      string          `json:"event_type"`
		Station   string          `json:"station"`
		Equipment string          `json:"equipment"`
		Signal    string          `json:"signal"`
		User      string          `json:"user_id"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"event_data"`
		Metadata  struct {
			Problems []Problem `json:"problems"`
		} `json:"metadata"`
	} `json:"leaf"`
	Stored struct {
		Log        string    `json:"log"`
		Index      uint64    `json:"index"`
		At         time.Time `json:"at"`
		ReceivedAt time.Time `json:"received_at"`
		OffsetMS   int64     `json:"clock_offset_ms"`
		Problems   []Problem `json:"problems"`
	} `json:"stored"`
}

// Problem is what was found wrong with one field.
type Problem struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// Into decodes event_data.
func (e Event) Into(t testing.TB, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(e.Leaf.Data, v), "%s", e.Leaf.Data)
}

// Get asks for a path and decodes the answer; any but 200 is an error.
func (a *API) Get(path string, into any) error {
	body, err := a.Raw(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// Raw asks for a path and returns the body.
func (a *API) Raw(path string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, a.URL+path, nil)
	if err != nil {
		return nil, err
	}
	if a.Cookie != nil {
		req.AddCookie(a.Cookie)
	} else {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return body, err
}

// Events reads all pages of a search; they must be readable.
func (a *API) Events(q string) (all []Event) {
	a.t.Helper()
	for after := ""; ; {
		var page struct {
			Events []Event `json:"events"`
			Next   string  `json:"next"`
		}
		v := url.Values{"q": {q}, "limit": {"1000"}, "order": {"arrival"}, "after": {after}}
		require.NoError(a.t, a.Get("/api/v1/events?"+v.Encode(), &page))
		all = append(all, page.Events...)
		if after = page.Next; after == "" {
			return all
		}
	}
}

// Count counts what a search finds, at most 10,000; -1 while nothing answers.
func (a *API) Count(q string) int {
	var page struct {
		Count int `json:"count"`
	}
	v := url.Values{"q": {q}, "limit": {"1"}}
	if a.Get("/api/v1/events?"+v.Encode(), &page) != nil {
		return -1
	}
	return page.Count
}

// Wait waits until a search finds at least n events (n ≤ 10,000) and returns them.
func (a *API) Wait(q string, n int) []Event {
	a.t.Helper()
	last := 0
	Until(a.t, fmt.Sprintf("%d × %s", n, q), func() bool {
		last = a.Count(q)
		return last >= n
	}, func() any { return last })
	return a.Events(q)
}

// Agent is one agent of the inventory.
type Agent struct {
	ID          string          `json:"id"`
	Station     string          `json:"station"`
	State       string          `json:"state"`
	Reason      string          `json:"reason"`
	Host        string          `json:"host"`
	Predecessor string          `json:"predecessor"`
	OffsetMS    int64           `json:"clock_offset_ms"`
	Backlog     uint64          `json:"backlog"`
	Sources     json.RawMessage `json:"sources"`
}

// Agents lists the agents by id; nil while nothing answers.
func (a *API) Agents() map[string]Agent {
	var list struct {
		Agents []Agent `json:"agents"`
	}
	if a.Get("/api/v1/agents", &list) != nil {
		return nil
	}
	all := map[string]Agent{}
	for _, g := range list.Agents {
		all[g.ID] = g
	}
	return all
}
