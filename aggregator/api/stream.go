package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
)

const (
	streamRows   = 500              // rows of one message, about
	streamWrite  = 10 * time.Second // a client that takes longer is gone
	statusEvery  = time.Second
	recheckEvery = 5 * time.Second // rights taken away end a stream within this time
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

// trustedOrigin tells whether a stream may be opened from where it is asked for:
// our own pages, or programs, which have no Origin but a bearer token.
func trustedOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return r.Header.Get("Authorization") != ""
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "https" && strings.EqualFold(u.Host, r.Host)
}

// stream serves one WebSocket. A GET is not covered by the cross-origin
// protection, so the check of Origin is what keeps other pages out.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	who, err := caller(r.Context(), rights.EventsRead)
	if err != nil {
		writeProblem(w, toProblem(err))
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		writeProblem(w, &problem{Status: http.StatusUpgradeRequired, Title: "A WebSocket is needed", Detail: "this address speaks WebSocket only"})
		return
	}
	if !trustedOrigin(r) {
		writeProblem(w, &problem{Status: http.StatusForbidden, Title: "Refused", Detail: "a stream needs an Origin of this application or a bearer token"})
		return
	}
	ctx, end, ok := s.streams.begin(r.Context(), who.Key())
	if !ok {
		w.Header().Set("Retry-After", "5")
		writeProblem(w, &problem{Status: http.StatusTooManyRequests, Title: "Too many streams", Detail: fmt.Sprintf("at most %d at once for one name", maxStreams)})
		return
	}
	defer end()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxFrame)
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	st := &streamer{s: s, conn: conn, who: who, user: s.Pseudonym(ctx, who.Name), request: r}
	if err := st.run(ctx); err != nil && websocket.CloseStatus(err) == -1 {
		s.Log.Debug("stream ended", "error", err)
	}
}

type streamer struct {
	s       *Server
	conn    *websocket.Conn
	who     rights.Principal
	user    string // their pseudonym
	request *http.Request
}

// errRights ends a stream whose caller may no longer read.
var errRights = errors.New("the rights changed or the session ended")

// closing is how a stream ends, for the other side to know whether to come back.
func closing(err error) (websocket.StatusCode, string) {
	switch {
	case errors.Is(err, errStopping):
		return websocket.StatusGoingAway, errStopping.Error()
	case errors.Is(err, errRights):
		return websocket.StatusPolicyViolation, errRights.Error()
	}
	return websocket.StatusInternalError, "the stream failed; come back"
}

// run reads subscriptions and writes what they ask for; one goroutine each, and
// the writer alone writes. The reader's context outlives ctx: the library cuts a
// connection whose reader is cancelled, and nobody would learn why it ended.
func (st *streamer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	reading, stopReading := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReading()
	asked := make(chan subscribe)
	done := make(chan struct{})
	go func() {
		defer close(done)
		cancel(st.read(reading, ctx.Done(), asked))
	}()
	err := st.write(ctx, asked)
	cancel(err)
	if websocket.CloseStatus(err) == -1 {
		st.conn.Close(closing(err))
	}
	stopReading()
	<-done
	return err
}

func (st *streamer) read(ctx context.Context, ended <-chan struct{}, asked chan<- subscribe) error {
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
		case <-ended: // go on reading: the answer to our close frame comes here
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
			var begin string
			if next, begin, bad = st.subscribe(sub); bad != nil {
				err = st.send(ctx, message{Error: bad})
				break
			}
			wait()
			if begin != "" { // who is cut off before the first event comes back with it
				err = st.send(ctx, message{Cursor: begin})
			}
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
			if !st.still() {
				return errRights
			}
		}
		if err != nil {
			return err
		}
	}
}

// still asks whether the caller may go on as before; changed rights end the
// stream, and the client comes back with the new ones. While the database does
// not answer nothing is shown anyway.
func (st *streamer) still() bool {
	// The request's own context holds the session as it was.
	ctx, cancel := context.WithTimeout(context.Background(), recheckEvery)
	defer cancel()
	who, err := st.s.Gate.Again(ctx, st.request)
	if errors.Is(err, rights.ErrNobody) {
		return false
	}
	return err != nil || who.May(rights.EventsRead) && slices.Equal(who.Roles, st.who.Roles) && slices.Equal(who.Scope, st.who.Scope)
}

func (st *streamer) subscribe(sub subscribe) (next Next, begin string, bad *problem) {
	q, err := restrict(st.who, sub.Subscribe.Q, time.Now())
	if err == nil {
		err = st.s.people(st.request.Context(), st.who, &q)
	}
	if err != nil {
		return nil, "", toProblem(err)
	}
	sees := visible(st.who)
	next, begin = st.s.Live.Watch(sub.Subscribe.Cursor, func(r *store.Row) bool { return sees(r) && q.Filter.Match(r.Fields()) })
	return next, begin, nil
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
	shown := 0
	for i := range d.page.Rows {
		if !ownAccess(&d.page.Rows[i], st.user) {
			shown++
		}
	}
	if shown > 0 {
		st.s.accessed(st.request.Context(), st.who, "live stream", shown)
	}
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
