//go:build linux

package bench

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/packaging/e2e"
)

// BenchmarkHTTP is the other way in: a program posts events to the aggregator, at
// 50 a second one by one, at 1,000 a second in lists of 20. The answer comes when
// they are signed and committed in PostgreSQL; the screen as in [BenchmarkLatency].
func BenchmarkHTTP(b *testing.B) {
	for _, c := range []struct{ rate, list int }{{50, 1}, {1000, 20}} {
		b.Run(fmt.Sprint(c.rate), func(b *testing.B) {
			for b.Loop() {
				posts(b, c.rate, c.list)
			}
		})
	}
}

func posts(b *testing.B, rate, list int) {
	warm, n := 2*rate, 10*rate
	p := e2e.New(b, database(b, "postgres"))
	token := strings.TrimSpace(p.Command("token", "api", "--role", "integrator", "--name", "bench"))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.CA().Pool()}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	live := p.Stream("type:" + e2e.CountType)
	sent, answered := make([]time.Time, n), make([]time.Time, n)
	shown, places := make([]time.Time, n), make([]place, n)
	all := make(chan error, 1)
	go func() { all <- watch(b.Context(), live, shown, places) }()
	disk := syncs(b, 200)
	tick := time.NewTicker(time.Second * time.Duration(list) / time.Duration(rate))
	defer tick.Stop()
	for from := 0; from < n; from += list {
		<-tick.C
		var body bytes.Buffer
		for i := from; i < from+list; i++ {
			fmt.Fprintf(&body, `%c{"eventType":%q,"eventData":{"n":%d,"result":"pass"}}`, "[,"[min(i-from, 1)], e2e.CountType, i)
		}
		body.WriteByte(']')
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, p.PeopleURL+"/api/v1/events", &body)
		require.NoError(b, err)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		begin := time.Now()
		resp, err := client.Do(req)
		require.NoError(b, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(b, err)
		resp.Body.Close()
		require.Equal(b, http.StatusCreated, resp.StatusCode, "%s", text)
		end := time.Now()
		for i := from; i < from+list; i++ {
			sent[i], answered[i] = begin, end
		}
	}
	require.NoError(b, <-all)
	disk = append(disk, syncs(b, 200)...)
	var screen, stored []time.Duration
	for i := warm; i < n; i++ {
		screen, stored = append(screen, shown[i].Sub(sent[i])), append(stored, answered[i].Sub(sent[i]))
	}
	report(b, "screen", screen)
	report(b, "commit", stored)
	report(b, "fdatasync", disk)
	b.ReportMetric(0, "ns/op")
}
