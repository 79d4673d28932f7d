//go:build linux

package bench

import (
	"fmt"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/packaging/e2e"
	"github.com/linewatch/linewatch/shared/peertest"
)

// limitless lifts the broker's limits, as the budget of the whole path says.
const limitless = "max_queued_messages 0\nmax_inflight_messages 5000\nmax_queued_bytes 0\nset_tcp_nodelay true\n"

const (
	clientID = "bench"
	topic    = "plant/line3/count"
)

// database is a fresh store: PostgreSQL flushes to the disk as in a plant, what
// [peertest.Postgres] for tests does not.
func database(b *testing.B, name string) (o e2e.Options) {
	b.Helper()
	if name == "postgres" {
		o.Store = peertest.StartPostgres(b, peertest.PostgresConfig{Fsync: true}).Database(b)
	}
	return o
}

// agent finds the agent's process.
func agent(b *testing.B, s *e2e.Station) process {
	b.Helper()
	return child(b, "run", s.Config())
}

// aggregator finds the aggregator's process.
func aggregator(b *testing.B, p *e2e.Plant) process {
	b.Helper()
	return child(b, "run", p.Data)
}

// message is what a machine sends: a result of some 160 bytes with its number.
func message(n int) string {
	return fmt.Sprintf(`{"n":%d,"ts":%d,"result":"pass","characteristic":"gap","value":%d.25,"by":"camera","note":"%060d"}`,
		n, time.Now().UnixMilli(), n%7, n)
}

// paced publishes the numbers [from, to) evenly at a rate per second and notes
// when each was handed to the client. It returns when the broker has them all.
func paced(b *testing.B, client paho.Client, from, to, rate int, sent []time.Time) {
	b.Helper()
	tokens := make([]paho.Token, 0, to-from)
	begin := time.Now()
	tick := time.NewTicker(min(time.Second/time.Duration(rate), time.Millisecond))
	defer tick.Stop()
	for n := from; n < to; {
		<-tick.C
		for due := from + int(time.Since(begin).Seconds()*float64(rate)); n < min(due, to); n++ {
			text := message(n)
			sent[n] = time.Now()
			tokens = append(tokens, client.Publish(topic, 1, false, text))
		}
	}
	taken(b, tokens)
}

func taken(b *testing.B, tokens []paho.Token) {
	b.Helper()
	for _, token := range tokens {
		require.True(b, token.WaitTimeout(e2e.Patience))
		require.NoError(b, token.Error())
	}
}

// fill makes a persistent session, leaves it, and queues n messages for it.
func fill(b *testing.B, url string, n int) {
	b.Helper()
	keeper := paho.NewClient(paho.NewClientOptions().AddBroker(url).SetClientID(clientID).SetCleanSession(false))
	taken(b, []paho.Token{keeper.Connect()})
	taken(b, []paho.Token{keeper.Subscribe(topic, 1, nil)})
	keeper.Disconnect(100)
	client := e2e.Publisher(b, url)
	const window = 10_000
	for from := 0; from < n; from += window {
		var tokens []paho.Token
		for i := from; i < min(from+window, n); i++ {
			tokens = append(tokens, client.Publish(topic, 1, false, message(i)))
		}
		taken(b, tokens)
	}
}
