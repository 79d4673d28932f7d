package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/query"
)

const (
	streamRows   = 500              // rows of one message, about
	streamWrite  = 10 * time.Second // a client that takes longer is gone
	statusEvery  = time.Second
	recheckEvery = 30 * time.Second // rights taken away end a stream within this time
	maxFrame     = 16 << 10
)

// subscribe is what a client sends; each one replaces the one before.
type subscribe struct {
	Subscribe *struct {
		Q      string `json:"q"`
		Cursor string `json:"cursor"`
	} `json:"subscribe"`
}

// message is what the server sends: one of its members besides the cursor.
type message struct {
	Events []Event  `json:"events,omitempty"`
	Cursor string   `json:"cursor,omitempty"`
	Gap    *gap     `json:"gap,omitempty"`
	Status *status  `json:"status,omitempty"`
	Error  *problem `json:"error,omitempty"`
}

type gap struct {
	Reason string `json:"reason"`
}

type status struct {
	Now  time.Time `json:"now"`
	Rate float64   `json:"rate"`
}

// stream serves one WebSocket. A GET is not covered by the cross-origin
// protection, so the library's own check of Origin against Host is what keeps
// other pages out; programs without an Origin come with a bearer token.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	who, err := caller(r.Context(), rights.EventsRead)
	if err != nil {
		writeProblem(w, toProblem(err))
		return
	}
	if r.Header.Get("Origin") == "" && r.Header.Get("Authorization") == "" {
		writeProblem(w, &problem{Status: http.StatusForbidden, Title: "Refused", Detail: "a stream needs an Origin of this application or a bearer token"})
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxFrame)
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	st := &streamer{s: s, conn: conn, who: who, request: r}
	if err := st.run(r.Context()); err != nil && websocket.CloseStatus(err) == -1 && r.Context().Err() == nil {
		s.Log.Debug("stream ended", "error", err)
	}
	conn.Close(websocket.StatusNormalClosure, "")
}

type streamer struct {
	s       *Server
	conn    *websocket.Conn
	who     rights.Principal
	request *http.Request
}

// errRights ends a stream whose caller may no longer read.
var errRights = errors.New("the right to read events was taken away")

// run reads subscriptions and writes what they ask for; one goroutine each, and
// the writer alone writes.
func (st *streamer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	asked := make(chan subscribe)
	done := make(chan struct{})
	go func() {
		defer close(done)
		cancel(st.read(ctx, asked))
	}()
	err := st.write(ctx, asked)
	cancel(err)
	st.conn.CloseNow() // wakes the reader
	<-done
	return err
}

func (st *streamer) read(ctx context.Context, asked chan<- subscribe) error {
	for {
		_, data, err := st.conn.Read(ctx)
		if err != nil {
			return err
		}
		var sub subscribe
		if json.Unmarshal(data, &sub) != nil || sub.Subscribe == nil {
			continue // unknown messages of newer clients are no fault
		}
		select {
		case asked <- sub:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// delivery is what the waiting goroutine hands to the writer.
type delivery struct {
	page store.FeedPage
	gap  string
	err  error
}

// write sends until ctx ends. While the socket is busy deliveries gather in the
// hub, so a slow client gets fewer, larger messages, and at last a gap.
func (st *streamer) write(ctx context.Context, asked <-chan subscribe) error {
	tick, check := time.NewTicker(statusEvery), time.NewTicker(recheckEvery)
	defer tick.Stop()
	defer check.Stop()
	var (
		next    Next
		pending chan delivery
		stop    = func() {}
	)
	defer func() { stop() }()
	wait := func() {
		wctx, cancel := context.WithCancel(ctx)
		out := make(chan delivery, 1)
		n := next
		go func() {
			page, gap, err := n(wctx, streamRows)
			out <- delivery{page, gap, err}
		}()
		pending, stop = out, cancel
	}
	if err := st.send(ctx, st.status()); err != nil {
		return err
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case sub := <-asked:
			stop()
			pending = nil
			var bad *problem
			if next, bad = st.subscribe(sub); bad != nil {
				err = st.send(ctx, message{Error: bad})
				break
			}
			wait()
		case d := <-pending:
			stop()
			if d.err != nil {
				return d.err
			}
			err = st.deliver(ctx, d)
			wait()
		case <-tick.C:
			err = st.send(ctx, st.status())
		case <-check.C:
			if who, err := st.s.Gate.Who(st.request); err != nil || !who.May(rights.EventsRead) {
				return errRights
			}
		}
		if err != nil {
			return err
		}
	}
}

func (st *streamer) subscribe(sub subscribe) (Next, *problem) {
	q, err := restrict(st.who, sub.Subscribe.Q, time.Now())
	if err != nil {
		return nil, toProblem(err)
	}
	return st.s.Live.Watch(sub.Subscribe.Cursor, func(r *store.Row) bool {
		return sees(st.who, r) && q.Filter.Match(query.Event{
			ID: r.ID, Type: r.Type, Class: r.Class, Severity: r.Severity, Station: r.Station, Equipment: r.Equipment,
			Signal: r.Signal, Correlation: r.CorrelationID, User: r.UserID, IP: r.SourceIP, Log: r.Log, Agent: r.AgentID,
			At: r.At, Words: r.Words, Data: r.Data,
		})
	}), nil
}

func (st *streamer) deliver(ctx context.Context, d delivery) error {
	if d.gap != "" {
		if err := st.send(ctx, message{Gap: &gap{d.gap}, Cursor: d.page.Cursor}); err != nil {
			return err
		}
	}
	if len(d.page.Rows) == 0 {
		return nil
	}
	st.s.metrics.streamed.Add(float64(len(d.page.Rows)))
	st.s.accessed(st.request.Context(), st.who, "live stream", len(d.page.Rows))
	return st.send(ctx, message{Events: shownAll(d.page.Rows), Cursor: d.page.Cursor})
}

func (st *streamer) status() message {
	return message{Status: &status{time.Now().UTC(), math.Round(st.s.Live.Rate()*10) / 10}}
}

func (st *streamer) send(ctx context.Context, m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, streamWrite)
	defer cancel()
	return st.conn.Write(ctx, websocket.MessageText, text)
}
