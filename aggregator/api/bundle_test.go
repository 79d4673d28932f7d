package api_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// judged verifies a bundle as linewatch-verify does; trusted may be nil.
func judged(t testing.TB, trusted *aggregatortest.Rig, data []byte) bundle.Summary {
	t.Helper()
	var trust bundle.Trust
	if trusted != nil {
		var file bytes.Buffer
		require.NoError(t, trusted.Agg.WriteTrust(t.Context(), &file))
		var err error
		trust, err = bundle.ParseTrust(&file)
		require.NoError(t, err)
	}
	v := bundle.NewVerifier(trust, func(f bundle.Finding) {
		if f.Err != nil {
			t.Log(f.Name, f.Err)
		}
	})
	require.NoError(t, v.Bundle("bundle", bytes.NewReader(data)))
	v.Close()
	return v.Summary()
}

func TestTheBundleOfAnEventIsAlwaysTheSameAndOnlyAnchoredFromOutside(t *testing.T) {
	r, other := aggregatortest.New(t), aggregatortest.New(t)
	token := r.Token([]string{"auditor"})
	id := r.Commit(made(t, "quality.check", here, map[string]any{"ok": true}))[0]
	ask := func() []byte {
		resp, data := r.Send(nil, r.Request("GET", "/api/v1/events/"+id+"/bundle", token, nil))
		require.Equal(t, 200, resp.StatusCode, string(data))
		require.Equal(t, "none", resp.Header.Get("Linewatch-Anchor"))
		require.Contains(t, resp.Header.Get("Content-Disposition"), id+".bundle")
		return data
	}
	first := ask()
	for range 20 {
		r.Commit(made(t, "quality.check", here, nil))
	}
	require.Equal(t, string(first), string(ask()), "the log grew, the bundle did not change")
	require.Equal(t, bundle.Anchored, judged(t, r, first).Verdict())
	require.Equal(t, bundle.NotAnchored, judged(t, nil, first).Verdict())
	require.Equal(t, bundle.NotAnchored, judged(t, other, first).Verdict())
	require.Contains(t, string(first), `"ok":true`, "a person can read the event")
	require.Contains(t, string(first), "NOT ANCHORED")
}

func TestTheAPISaysThatItsOwnKeysAnchorNothing(t *testing.T) {
	s := newScene(t)
	token := s.Token([]string{"auditor"})
	var log api.LogInfo
	s.Get(token, "/api/v1/logs/"+s.log["security"], &log)
	require.Contains(t, log.Anchor, "agrees with itself, not anchored")
	resp, text := s.Send(nil, s.Request("GET", "/api/v1/trust", token, nil))
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "none", resp.Header.Get("Linewatch-Anchor"))
	require.Contains(t, string(text), "not anchored")
	trust, err := bundle.ParseTrust(bytes.NewReader(text))
	require.NoError(t, err)
	require.Len(t, trust.Ledgers, 1)
	require.Empty(t, trust.Cosigners, "the aggregator's word alone is no anchor")
}

func TestABundleOfATimeHoldsWhatTheCallerMaySeeAndNothingElse(t *testing.T) {
	s := newScene(t)
	ask := func(token, station string) (int, []byte) {
		q := url.Values{"station": {station}, "from": {time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}, "to": {time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}}
		return s.Do(nil, "GET", "/api/v1/bundle?"+q.Encode(), token, nil)
	}
	all := s.Token([]string{"auditor"})
	status, data := ask(all, here)
	require.Equal(t, 200, status, string(data))
	require.Contains(t, string(data), here)
	require.NotContains(t, string(data), there)
	require.Equal(t, bundle.Anchored, judged(t, s.Rig, data).Verdict())
	few := s.Token([]string{"quality"}, "hamburg/body/**")
	status, data = ask(few, "hamburg/**")
	require.Equal(t, 200, status, string(data))
	require.NotContains(t, string(data), there)
	require.NotContains(t, string(data), `"class":"security"`)
	require.Equal(t, uint64(2), judged(t, s.Rig, data).Events)
	status, _ = ask(few, there)
	require.Equal(t, 404, status)
	status, body := ask(all, "..")
	require.Less(t, status, 500)
	require.GreaterOrEqual(t, status, 400, string(body))
	status, body = s.Do(nil, "GET", "/api/v1/bundle?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", all, nil)
	require.Equal(t, 400, status, string(body))
	require.NoError(t, s.Stop())
	list := accesses(t, s.Rig)
	require.True(t, strings.HasPrefix(list[0].Query[0], "station:"), "who took evidence is in the record: %v", list)
}
