//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// TestAHostileAgentIsRefusedAndAnEventSaysSoWhileAGoodOneGoesOn lets an enrolled
// client try everything while a real agent sends 500 events a second.
func TestAHostileAgentIsRefusedAndAnEventSaysSoWhileAGoodOneGoesOn(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	good := p.Station("st07", CountSource(broker.URL))
	good.Start()
	bad := p.Forged("st66")
	messages := Soak(20, 120) * 500
	flooded := make(chan struct{})
	client := Publisher(t, broker.URL)
	go func() {
		defer close(flooded)
		tick := time.NewTicker(time.Second / 500)
		defer tick.Stop()
		for n := range messages {
			<-tick.C
			client.Publish("plant/line3/count", 1, false, fmt.Sprintf(`{"n":%d,"ts":%d}`, n, time.Now().UnixMilli()))
		}
	}()

	log := honest(t, bad)
	for _, attack := range wiretest.Attacks() {
		status, results, err := bad.Send(t.Context(), attack.Make(log))
		require.NoError(t, err, attack.Name)
		if status == http.StatusOK {
			require.Equal(t, attack.Want, results[0].Result, "%s: %s", attack.Name, results[0].Reason)
		} else {
			require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, status, attack.Name)
		}
	}
	require.Equal(t, wire.ResultStored, send(t, bad, log.CommitN(2)).Result, "the honest next commit is stored all the same")
	var st struct {
		Logs []struct{ Origin string }
	}
	goodLogs := good.Command("status", "--json")
	require.NoError(t, json.Unmarshal([]byte(goodLogs), &st))
	for _, l := range st.Logs {
		require.Equal(t, wire.ResultRefused, send(t, bad, bad.Impersonate(l.Origin)).Result, "the log of another station")
	}
	for _, size := range []int64{100 << 20, -1} { // announced, and without end
		body := io.LimitReader(endless{}, 100<<20)
		if size > 0 {
			body = bytes.NewReader(make([]byte, size))
		}
		if status, err := bad.Post(t.Context(), wire.PathSegments, body, nil); err == nil {
			require.Contains(t, []int{http.StatusRequestEntityTooLarge, http.StatusBadRequest}, status)
		}
	}
	stall(t, bad)
	require.Equal(t, wire.ResultFork, send(t, bad, wiretest.Fork(log)).Result)

	reasons := map[string]bool{}
	Until(t, "events that say so", func() bool {
		for _, e := range p.Events("type:ingest.rejected,log.forked") {
			var data struct{ Reason string }
			e.Into(t, &data)
			reasons[e.Leaf.Type+" "+data.Reason] = true
		}
		return len(reasons) >= 5 && p.Count("type:log.forked") == 1
	}, func() any { return reasons })
	t.Log(reasons)

	<-flooded
	require.Len(t, p.WaitCounted(good.Name, messages), messages)
	require.Empty(t, p.Events("type:audit.gap"))
	slowest := time.Duration(0)
	for _, e := range p.Events("type:" + CountType) {
		slowest = max(slowest, e.Stored.ReceivedAt.Sub(e.Leaf.Timestamp))
	}
	t.Logf("slowest of the good agent's events: %s", slowest)
	require.Less(t, slowest, 5*time.Second, "the good agent was not held up")
	out, _, code := Try(t, programAggregator, "verify", "--data", p.Data)
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "quarantined after a fork: "+log.Origin)
}

// honest registers a log of a forged agent and commits to it what is right.
func honest(t *testing.T, a *wiretest.Agent) *wiretest.Log {
	t.Helper()
	log := a.Log("manufacturing", "")
	status, _, err := a.Register(t.Context(), log)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, wire.ResultStored, send(t, a, log.CommitN(3)).Result)
	return log
}

func send(t *testing.T, a *wiretest.Agent, s wiretest.Segment) wire.Result {
	t.Helper()
	status, results, err := a.Send(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Len(t, results, 1)
	return results[0]
}

// stall begins a body and says no more: the aggregator must give it up.
func stall(t *testing.T, a *wiretest.Agent) {
	t.Helper()
	body, write := io.Pipe()
	defer write.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = a.Post(t.Context(), wire.PathSegments, body, nil)
	}()
	_, err := write.Write([]byte("\x00\x00"))
	require.NoError(t, err)
	select {
	case <-answered:
	case <-time.After(Patience):
		t.Fatal("a body that stalls is waited for")
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
