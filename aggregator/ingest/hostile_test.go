package ingest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest"
	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

func now() time.Time { return time.Now().UTC() }

func base64Of(key ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(key) }

func TestWithoutACertificateNothingIsTaken(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	a.Client = r.Client("", nil)
	status, _, err := a.Send(t.Context(), l.CommitN(1))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status)
	r.Event("ingest.rejected", func(e map[string]any) bool { return e["reason"] == "identity not accepted" })
}

func TestARevokedAgentIsRefused(t *testing.T) {
	r := ingesttest.New(t)
	a, b := r.Agent("st07"), r.Agent("st08")
	la, lb := r.Log(a, "security", ""), r.Log(b, "security", "")
	require.NoError(t, r.Enrol.Revoke(t.Context(), a.ID, "anna", "stolen"))
	status, _, err := a.Send(t.Context(), la.CommitN(1))
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, wire.ResultStored, r.Send(b, lb.CommitN(1))[0].Result)
	require.Equal(t, "stolen", r.Event("agent.revoked", nil)["reason"])
}

func TestABodyOf100MBIsRefusedAndOthersAreNotDisturbed(t *testing.T) {
	r := ingesttest.New(t)
	bad, good := r.Agent("st07"), r.Agent("st08")
	l := r.Log(good, "security", "")
	status, err := bad.Post(t.Context(), wire.PathSegments, bytes.NewReader(make([]byte, 100<<20)), nil)
	if err == nil { // else the connection was closed under the sender
		require.Equal(t, http.StatusRequestEntityTooLarge, status)
	}
	// The same without an announced length.
	endless := io.MultiReader(strings.NewReader("\x00\x00\x00\x02{}\x00\x00\x00\x00"), io.LimitReader(zeros{}, 100<<20))
	_, err = bad.Post(t.Context(), wire.PathSegments, endless, nil)
	_ = err
	require.Equal(t, wire.ResultStored, r.Send(good, l.CommitN(1))[0].Result)
	e := r.Event("ingest.rejected", func(e map[string]any) bool { return e["reason"] == "body too large" })
	require.Equal(t, bad.ID, e["origin"])
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestASlowBodyIsGivenUpAndOthersAreNotDisturbed(t *testing.T) {
	r := ingesttest.New(t, func(o *ingest.Options) { o.Limits.Stall = 300 * time.Millisecond })
	bad, good := r.Agent("st07"), r.Agent("st08")
	l := r.Log(good, "security", "")
	body, write := io.Pipe()
	defer write.Close()
	answered := make(chan int, 1)
	go func() {
		status, _ := bad.Post(t.Context(), wire.PathSegments, body, nil)
		answered <- status
	}()
	_, err := write.Write([]byte("\x00\x00"))
	require.NoError(t, err)
	require.Equal(t, wire.ResultStored, r.Send(good, l.CommitN(1))[0].Result)
	select {
	case <-answered:
	case <-time.After(10 * time.Second):
		t.Fatal("a body that stalls is waited for")
	}
	e := r.Event("ingest.rejected", func(e map[string]any) bool { return e["reason"] == "body too slow" })
	require.Equal(t, bad.ID, e["origin"])
}

func TestManySlowConnectionsDoNotHoldUpOthers(t *testing.T) {
	r := ingesttest.New(t)
	good := r.Agent("st08")
	l := r.Log(good, "security", "")
	for range 50 {
		c, err := tls.Dial("tcp", strings.TrimPrefix(r.URL, "https://"), &tls.Config{RootCAs: r.CA.Pool()})
		require.NoError(t, err)
		defer c.Close()
		_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", wire.PathEnrol)
		require.NoError(t, err)
	}
	var raw []net.Conn
	for range 50 { // not even a TLS handshake
		c, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "https://"))
		require.NoError(t, err)
		raw = append(raw, c)
	}
	require.Equal(t, wire.ResultStored, r.Send(good, l.CommitN(1))[0].Result)
	for _, c := range raw {
		c.Close()
	}
}

func TestAFloodOfRefusalsDoesNotFloodTheLedger(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	for i := range 300 {
		l := a.Log("security", fmt.Sprint("never registered ", i))
		require.Equal(t, wire.ResultRefused, r.Send(a, l.CommitN(1))[0].Result)
	}
	r.Stop() // the counts are written at the latest now
	r.Start()
	var count float64
	events := r.Events("ingest.rejected")
	for _, e := range events {
		count += e["count"].(float64)
	}
	require.Equal(t, 300.0, count)
	require.LessOrEqual(t, len(events), 260)
}

// trickle begins a request whose body does not end; stop ends it.
func trickle(t *testing.T, a *wiretest.Agent) (stop func()) {
	t.Helper()
	body, write := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+wire.PathSegments, body)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := a.Client.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	return func() { write.Close(); <-done }
}

func TestTheStormAfterAnOutageIsHeldInBounds(t *testing.T) {
	r := ingesttest.New(t, func(o *ingest.Options) { o.Limits.Memory = 1 << 20 })
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	stop := trickle(t, a) // takes all that requests which catch up may have
	require.Eventually(t, func() bool { return r.Ingest.Metrics.Waiting.Load() == 1 }, 10*time.Second, time.Millisecond)
	status, err := a.Post(t.Context(), wire.PathSegments, io.LimitReader(zeros{}, 1<<20), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusTooManyRequests, status)
	seg := l.CommitN(1)
	require.Equal(t, wire.ResultStored, r.Send(a, seg)[0].Result, "the usual small request has room of its own")
	stop()
	require.Eventually(t, func() bool { return r.Ingest.Metrics.Waiting.Load() == 0 }, 10*time.Second, time.Millisecond)
	status, err = a.Post(t.Context(), wire.PathSegments, io.LimitReader(zeros{}, 1<<20), nil)
	require.NoError(t, err)
	require.NotEqual(t, http.StatusTooManyRequests, status)
}

func TestOneAgentsManyRequestsDoNotShutOutAnother(t *testing.T) {
	r := ingesttest.New(t)
	bad, good := r.Agent("st07"), r.Agent("st08")
	l := r.Log(good, "security", "")
	for i := range 4 {
		defer trickle(t, bad)()
		require.Eventually(t, func() bool { return r.Ingest.Metrics.Waiting.Load() == int64(i+1) }, 10*time.Second, time.Millisecond)
	}
	status, _, err := bad.Send(t.Context(), bad.Log("security", "").CommitN(1))
	require.NoError(t, err)
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Equal(t, wire.ResultStored, r.Send(good, l.CommitN(1))[0].Result)
}

func TestTooManyConnectionsFromOneAddressAreClosed(t *testing.T) {
	r := ingesttest.New(t, func(o *ingest.Options) { o.Limits.PerAddress = 8 })
	address := strings.TrimPrefix(r.URL, "https://")
	var open []net.Conn
	for range 30 {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		open = append(open, c)
	}
	closed := 0
	for _, c := range open {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
		if _, err := c.Read(make([]byte, 1)); err == io.EOF {
			closed++
		}
		c.Close()
	}
	require.Equal(t, 22, closed)
	a := r.Agent("st07")
	require.NotEmpty(t, a.ID, "when they are gone there is room again")
}

func TestSecurityHasAReserveWhenAnAgentSendsTooMuch(t *testing.T) {
	r := ingesttest.New(t, func(o *ingest.Options) { o.Limits.LeafRate, o.Limits.LeafBurst = 0.001, 100 })
	a := r.Agent("st07")
	m, s := r.Log(a, "manufacturing", ""), r.Log(a, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(a, m.CommitN(85))[0].Result)
	results := r.Send(a, m.CommitN(8), s.CommitN(8))
	require.Equal(t, wire.ResultBusy, results[0].Result)
	require.Equal(t, wire.ResultStored, results[1].Result)
}

func TestAPoisonedLeafIsStoredAsEvidenceAndReported(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "manufacturing", "")
	poison := []byte(`{"id":1,"id":2}`)
	got := r.Send(a, l.Commit(wiretest.Leaf("st07", 1), poison, []byte("\xff\xfe not even text")))[0]
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)
	leaf, err := r.Store.Leaf(t.Context(), logID(t, l.Origin), 1)
	require.NoError(t, err)
	require.Equal(t, poison, leaf)
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(1))[0].Result, "the log goes on")
	e := r.Event("ingest.quarantined", func(e map[string]any) bool { return e["item"] == l.Origin })
	require.Equal(t, a.ID, e["agentId"])
	require.NotEmpty(t, e["detail"])
}

func TestSpeakingForAForeignStationIsKeptAndReported(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "manufacturing", "")
	foreign := bytes.Replace(wiretest.Leaf("st07", 1), []byte("hamburg/body/line3/st07"), []byte("leipzig/paint/line1/st01"), 1)
	require.Equal(t, wire.ResultStored, r.Send(a, l.Commit(foreign))[0].Result)
	e := r.Event("ingest.quarantined", nil)
	require.Equal(t, "station outside of the agent's scope", e["reason"])
	require.Equal(t, "leipzig/paint/line1/st01", e["detail"])
}

func TestStopAnswersWhoWaits(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, _, err := a.Send(ctx, l.CommitN(1)); err != nil {
				return
			}
		}
	}()
	require.Eventually(t, func() bool { return r.Ingest.Metrics.Stored.Load() > 3 }, 10*time.Second, time.Millisecond)
	r.Stop()
	cancel()
	<-done
	r.Start()
	lg, err := r.Store.Log(t.Context(), logID(t, l.Origin))
	require.NoError(t, err)
	require.Positive(t, lg.Size)
}
