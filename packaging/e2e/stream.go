//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// Live is one event as the live stream delivered it.
type Live struct {
	Event
	Came time.Time
}

// Stream subscribes to the live stream until the test ends and returns what comes.
func (p *Plant) Stream(q string) <-chan Live {
	p.t.Helper()
	conn, _, err := websocket.Dial(p.t.Context(), "wss"+strings.TrimPrefix(p.PeopleURL, "https")+"/api/v1/stream", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: p.API.client.Transport}, HTTPHeader: http.Header{"Authorization": {"Bearer " + p.API.Token}},
	})
	require.NoError(p.t, err)
	conn.SetReadLimit(16 << 20)
	ask, err := json.Marshal(map[string]any{"subscribe": map[string]string{"q": q}})
	require.NoError(p.t, err)
	require.NoError(p.t, conn.Write(p.t.Context(), websocket.MessageText, ask))
	out, done := make(chan Live, 10_000), make(chan struct{})
	subscribed := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			var message struct {
				Events []Event `json:"events"`
			}
			_, data, err := conn.Read(ctx)
			if err != nil || json.Unmarshal(data, &message) != nil {
				return
			}
			if n == 1 { // the second status message: the subscription was read before it
				close(subscribed)
			}
			for _, e := range message.Events {
				out <- Live{e, time.Now()}
			}
		}
	}()
	p.t.Cleanup(func() {
		cancel()
		_ = conn.CloseNow()
		<-done
	})
	select {
	case <-subscribed:
	case <-time.After(Patience):
		p.t.Fatal("the live stream says nothing")
	}
	return out
}

// Next waits for the next live event.
func Next(t testing.TB, live <-chan Live) Live {
	t.Helper()
	select {
	case e := <-live:
		return e
	case <-time.After(Patience):
		t.Fatal("no live event came")
		return Live{}
	}
}
