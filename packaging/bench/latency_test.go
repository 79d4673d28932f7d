//go:build linux

package bench

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/packaging/e2e"
	"github.com/linewatch/linewatch/shared/peertest"
)

// place is where an event stands in the evidence.
type place struct {
	log   string
	index uint64
}

// BenchmarkLatency takes the time from the call that publishes a message (QoS 1)
// to its commit in PostgreSQL and to its arrival at a WebSocket client, with
// default settings of agent, aggregator and broker, at 50 and 1,000 messages a
// second, beside append + fdatasync on the same disk just before and after. The
// generator and the WebSocket client run on the same machine and take their share
// of it. SQLite commits where nobody can look, so only the screen is measured.
func BenchmarkLatency(b *testing.B) {
	for _, db := range []string{"postgres", "sqlite"} {
		for _, rate := range []int{50, 1000} {
			b.Run(fmt.Sprintf("%s/%d", db, rate), func(b *testing.B) {
				for b.Loop() {
					latency(b, db, rate)
				}
			})
		}
	}
}

func latency(b *testing.B, db string, rate int) {
	warm, n := 2*rate, 12*rate
	broker := peertest.Mosquitto(b, peertest.MosquittoConfig{})
	o := database(b, db)
	p := e2e.New(b, o)
	s := p.Station("st07", e2e.CountSource(broker.URL))
	s.Start()
	live := p.Stream("type:" + e2e.CountType)
	var commits *commits
	if o.Store != "" {
		commits = listen(b, o.Store)
	}
	client := e2e.Publisher(b, broker.URL)
	pid, server := agent(b, s), aggregator(b, p)
	disk := syncs(b, 200)
	sent, shown, places := make([]time.Time, n), make([]time.Time, n), make([]place, n)
	all := make(chan error, 1)
	go func() { all <- watch(b.Context(), live, shown, places) }()
	paced(b, client, 0, warm, rate, sent)
	memory := pid.peak()
	used, served, began := pid.cpu(b), server.cpu(b), time.Now()
	paced(b, client, warm, n, rate, sent)
	took := time.Since(began)
	used, served = pid.cpu(b)-used, server.cpu(b)-served
	require.NoError(b, <-all)
	resident, own := memory()
	disk = append(disk, syncs(b, 200)...)

	var screen, stored []time.Duration
	for i := warm; i < n; i++ {
		screen = append(screen, shown[i].Sub(sent[i]))
	}
	report(b, "screen", screen)
	if commits != nil {
		at := commits.times(b, places)
		for i := warm; i < n; i++ {
			stored = append(stored, at[i].Sub(sent[i]))
		}
		report(b, "commit", stored)
	}
	report(b, "fdatasync", disk)
	b.ReportMetric(resident, "agent-MB")
	b.ReportMetric(own, "agent-own-MB")
	b.ReportMetric(100*used.Seconds()/took.Seconds(), "agent-cpu%")
	b.ReportMetric(100*served.Seconds()/took.Seconds(), "aggregator-cpu%")
	b.ReportMetric(0, "ns/op")
}

// report gives median and 99th percentile of a list, and of a long one the worst.
func report(b *testing.B, name string, list []time.Duration) {
	b.Helper()
	b.ReportMetric(quantile(list, 0.5), name+"-p50-ms")
	b.ReportMetric(quantile(list, 0.99), name+"-p99-ms")
}

// watch notes when each number comes to the screen, until all have come.
func watch(ctx context.Context, live <-chan e2e.Live, shown []time.Time, places []place) error {
	limit := time.After(e2e.Patience)
	for left := len(shown); left > 0; {
		select {
		case e := <-live:
			n, err := number(e.Event)
			if err != nil {
				return err
			}
			if n >= len(shown) || !shown[n].IsZero() {
				return fmt.Errorf("number %d came twice or was never sent", n)
			}
			shown[n], places[n] = e.Came, place{e.Stored.Log, e.Stored.Index}
			left--
		case <-limit:
			return fmt.Errorf("%d of %d messages did not come to the screen", left, len(shown))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// commits notes when each transaction of the store is seen committed by another
// connection: PostgreSQL sends a notification once the commit is on the disk.
type commits struct {
	dsn  string
	conn *pgx.Conn
	stop context.CancelFunc
	done chan struct{}
	at   map[int64]time.Time
}

func listen(b *testing.B, dsn string) *commits {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), dsn)
	require.NoError(b, err)
	_, err = conn.Exec(b.Context(), "LISTEN linewatch")
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	c := &commits{dsn: dsn, conn: conn, stop: cancel, done: make(chan struct{}), at: map[int64]time.Time{}}
	go func() {
		defer close(c.done)
		for {
			n, err := conn.WaitForNotification(ctx)
			if err != nil {
				return // ended by stop, or times will miss what is lost
			}
			if xid, err := strconv.ParseInt(n.Payload, 10, 64); err == nil {
				c.at[xid] = time.Now()
			}
		}
	}()
	b.Cleanup(func() {
		cancel()
		<-c.done
		_ = conn.Close(context.Background()) // broken by stop already
	})
	return c
}

// times returns for each place when its segment was seen committed.
func (c *commits) times(b *testing.B, places []place) []time.Time {
	b.Helper()
	c.stop()
	<-c.done
	conn, err := pgx.Connect(b.Context(), c.dsn)
	require.NoError(b, err)
	defer conn.Close(b.Context())
	rows, err := conn.Query(b.Context(), `SELECT l.log, s.first, s.count, s.pos & ((1::bigint << 48) - 1) FROM segments s JOIN logs l ON l.n = s.log`)
	require.NoError(b, err)
	at := map[place]time.Time{}
	for rows.Next() {
		var log string
		var first, count, xid int64
		require.NoError(b, rows.Scan(&log, &first, &count, &xid))
		for i := first; i < first+count; i++ {
			at[place{log, uint64(i)}] = c.at[xid]
		}
	}
	require.NoError(b, rows.Err())
	out := make([]time.Time, len(places))
	for i, p := range places {
		out[i] = at[p]
		require.False(b, out[i].IsZero(), "no commit was seen of %v", p)
	}
	return out
}
