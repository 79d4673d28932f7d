package agent

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/detect/spc"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// part is the message of one measured part.
func part(n int, width float64) source.Reading {
	p := &source.Point{Source: "tester", Kind: "mqtt", Item: "plant/quality", Station: "hamburg/body/line3/st07", Equipment: "tester", Event: event.TypeQualityCheck}
	at := time.Now().Add(time.Duration(n-100) * time.Second)
	text := fmt.Sprintf(`{"productId":"p%d","characteristic":"seal.width","value":%.3f,"result":"pass","by":"line"}`, n, width)
	return source.Reading{Point: p, Value: json.RawMessage(text), ReceivedAt: at, SourceTime: at}
}

func TestABaselineThatAPersonFrozeIsRecordedAndWatchesTheParts(t *testing.T) {
	m := newMachine(t, false)
	cfg, err := config.Parse("agent.yaml", []byte("station: a/b\ndata_dir: x\nquality: {seal.width: {unit: mm, spc: {low: 4.5, high: 6.5}}}\n"), "")
	require.NoError(t, err)
	m.cfg.Quality, m.cfg.Alerting = cfg.Quality, cfg.Alerting
	r := rand.New(rand.NewPCG(1, 1))
	h := &hand{name: "tester", end: []source.Reading{part(60, 9.9)}}
	for n := range 26 {
		h.begin = append(h.begin, part(n, 5.3+.1*r.NormFloat64()))
	}
	stop := m.start(h)
	m.until("it forwards", func(st Status) bool { return forwarded(st) && st.Pseudonyms })
	var list []spc.Shown
	require.Eventually(t, func() bool {
		err := control.Get(t.Context(), m.cfg.DataDir, "/spc/baselines", url.Values{"name": {"seal.width"}}, &list)
		return err == nil && len(list) == 1 && list[0].State == "waiting"
	}, 10*time.Second, 5*time.Millisecond)
	var change spc.Change
	ask := url.Values{"name": {"seal.width"}, "by": {"Anna Muster"}}
	ask.Set("action", "freeze")
	require.ErrorContains(t, control.Post(t.Context(), m.cfg.DataDir, "/spc/baseline", ask, &change), "approve one first")
	for _, action := range []string{"approve", "freeze"} {
		ask.Set("action", action)
		require.NoError(t, control.Post(t.Context(), m.cfg.DataDir, "/spc/baseline", ask, &change))
	}
	require.Equal(t, spc.Frozen, change.Entry.State)
	require.NoError(t, stop())

	var states []string
	trends := 0
	for _, e := range m.recorded() {
		var data map[string]any
		require.NoError(t, json.Unmarshal(e.Data, &data))
		switch e.Type {
		case event.TypeSpcBaseline:
			for _, p := range e.Metadata.Problems { // this office hands out no key to seal the clear name with
				require.Equal(t, "user_id", p.Field)
			}
			require.Equal(t, event.Security, e.Class)
			require.NotContains(t, string(e.Data), "Anna")
			states = append(states, data["state"].(string))
			if data["state"] != "proposed" {
				require.Equal(t, e.UserID, data["by"], "the pseudonym of who did it")
				require.Regexp(t, "^p-[0-9a-f]{32}$", e.UserID)
			}
		case event.TypeQualityTrend:
			trends++
			require.Empty(t, e.Metadata.Problems)
			require.Equal(t, event.Manufacturing, e.Class)
			require.Contains(t, data["explanation"], "seal.width is 9.9 mm, above the control limit of 5.")
			require.Equal(t, "nelson 1", data["rule"])
		}
	}
	require.Equal(t, []string{"proposed", "approved", "frozen"}, states)
	require.Equal(t, 1, trends)
}
