//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"
)

// CountType is the type of the events that [Flood] causes with [CountSource].
const CountType = "x.test.count"

// CountSource is the part of an agent.yaml that makes an event of each message
// of [Flood].
func CountSource(broker string) string {
	return fmt.Sprintf("mqtt:\n  - name: uns\n    broker: %s\n    topics:\n"+
		"      - {match: \"plant/${station.line}/count\", payload: json, event: %s, time: $.ts}\n", broker, CountType)
}

// Publisher is a client that writes to a broker until the test ends.
func Publisher(t testing.TB, broker string) paho.Client {
	t.Helper()
	o := paho.NewClientOptions().AddBroker(broker).SetClientID(fmt.Sprintf("pub-%d", time.Now().UnixNano())).SetMessageChannelDepth(10000)
	client := paho.NewClient(o)
	token := client.Connect()
	require.True(t, token.WaitTimeout(Patience))
	require.NoError(t, token.Error())
	t.Cleanup(func() { client.Disconnect(100) })
	return client
}

// Publish writes one message and waits until the broker has it.
func Publish(t testing.TB, client paho.Client, topic, payload string) {
	t.Helper()
	token := client.Publish(topic, 1, false, payload)
	require.True(t, token.WaitTimeout(Patience))
	require.NoError(t, token.Error())
}

// Flood publishes the numbers [from, to) at a rate per second and does what at
// says before some of them; it returns when the broker has them all.
func Flood(t testing.TB, broker string, from, to, rate int, at map[int]func()) {
	t.Helper()
	client := Publisher(t, broker)
	var tokens []paho.Token
	begin := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := from; n < to; {
		<-tick.C
		for due := from + int(time.Since(begin).Seconds()*float64(rate)); n < min(due, to); n++ {
			if act := at[n]; act != nil {
				act()
			}
			payload := fmt.Sprintf(`{"n":%d,"ts":%d}`, n, time.Now().UnixMilli())
			tokens = append(tokens, client.Publish("plant/line3/count", 1, false, payload))
		}
	}
	for _, token := range tokens {
		require.True(t, token.WaitTimeout(Patience))
		require.NoError(t, token.Error())
	}
}

// Counted reads all stored numbers of a station and fails when one is there
// twice or, within its log, out of order.
func (p *Plant) Counted(station string) map[int]bool {
	p.t.Helper()
	events := p.Events("type:" + CountType + " station:" + station)
	slices.SortFunc(events, func(a, b Event) int {
		if a.Stored.Log != b.Stored.Log {
			return int(a.Stored.ReceivedAt.Compare(b.Stored.ReceivedAt))
		}
		return int(a.Stored.Index) - int(b.Stored.Index)
	})
	seen, last := map[int]bool{}, map[string]int{}
	for _, e := range events {
		var data struct{ N int }
		require.NoError(p.t, json.Unmarshal(e.Leaf.Data, &data))
		require.False(p.t, seen[data.N], "message %d is stored twice", data.N)
		seen[data.N] = true
		if before, ok := last[e.Stored.Log]; ok {
			require.Greater(p.t, data.N, before, "message %d stands behind a later one", data.N)
		}
		last[e.Stored.Log] = data.N
	}
	return seen
}

// WaitCounted waits until n numbers of a station are stored, then returns them.
func (p *Plant) WaitCounted(station string, n int) map[int]bool {
	p.t.Helper()
	stored := 0
	Until(p.t, fmt.Sprintf("%d numbers of %s", n, station), func() bool {
		stored = p.stationEvents(station)
		return stored >= n
	}, func() any { return stored })
	// The station has other events too.
	var counted map[int]bool
	Until(p.t, fmt.Sprintf("%d numbers of %s", n, station), func() bool {
		counted = p.Counted(station)
		return len(counted) >= n
	}, func() any { return len(counted) })
	return counted
}

// stationEvents is the number of rows of one station; -1 while nothing answers.
func (p *Plant) stationEvents(station string) int {
	var list struct {
		Stations []struct {
			Station string `json:"station"`
			Events  int    `json:"events"`
		} `json:"stations"`
	}
	if p.Get("/api/v1/stations", &list) != nil {
		return -1
	}
	for _, s := range list.Stations {
		if s.Station == station {
			return s.Events
		}
	}
	return 0
}
