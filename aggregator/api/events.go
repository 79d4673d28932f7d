package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
)

const (
	defaultPage = 100
	maxPage     = 1000
	// countCap bounds the counting of a search: beyond it the list says "more than".
	countCap = 10_000
)

// Stored is what stands beside a leaf.
type Stored struct {
	Log           string          `json:"log"`
	Index         uint64          `json:"index"`
	ID            string          `json:"id" doc:"of the event; made from the leaf's hash where the leaf has none"`
	At            time.Time       `json:"at" doc:"the leaf's timestamp, or received_at when that is absurd"`
	ReceivedAt    time.Time       `json:"received_at"`
	ClockOffsetMS int64           `json:"clock_offset_ms" doc:"the aggregator's clock minus the station's"`
	Problems      []event.Problem `json:"problems"`
	Opened        map[string]any  `json:"opened" doc:"values of sealed fields by path, where they were asked for (open=true) and the caller may read them"`
	// Sealed is filled in for one event, and for lists when open was asked for.
	Sealed map[string]SealedField `json:"sealed,omitempty" doc:"state of the sealed fields by path"`
}

// Event is one event as it is shown: the parsed leaf loses its bytes, /proof has them.
type Event struct {
	Leaf   json.RawMessage `json:"leaf,omitempty" doc:"the signed JSON object"`
	Raw    string          `json:"raw,omitempty" doc:"base64 of a leaf that is no JSON inside the profile"`
	Stored Stored          `json:"stored"`
}

// Events is one page.
type Events struct {
	Events      []Event `json:"events"`
	Next        string  `json:"next" doc:"cursor of the next page, empty at the end"`
	Query       string  `json:"query" doc:"the search as it was understood, times absolute"`
	Count       int     `json:"count"`
	CountCapped bool    `json:"count_capped" doc:"there are at least count"`
}

func shown(r *store.Row) Event {
	e := Event{Stored: Stored{
		Log: r.Log, Index: r.Index, ID: r.ID, At: r.At.UTC(), ReceivedAt: r.ReceivedAt.UTC(),
		ClockOffsetMS: r.Offset.Milliseconds(), Problems: notNil(r.Problems), Opened: map[string]any{},
	}}
	if r.Quarantined || !json.Valid(r.Leaf) {
		e.Raw = base64.StdEncoding.EncodeToString(r.Leaf)
	} else {
		e.Leaf = json.RawMessage(r.Leaf)
	}
	return e
}

func shownAll(rows []store.Row) []Event {
	list := make([]Event, len(rows))
	for i := range rows {
		list[i] = shown(&rows[i])
	}
	return list
}

// restrict makes the query of a search for one caller: scope and readable
// classes are terms that the caller cannot take away.
func restrict(who rights.Principal, text string, now time.Time) (store.EventQuery, error) {
	q, err := query.Parse(text, now)
	if err != nil {
		return store.EventQuery{}, toProblem(err)
	}
	classes := who.Classes()
	if len(classes) == 0 {
		return store.EventQuery{}, &problem{Status: http.StatusForbidden, Title: "Not allowed", Detail: "your roles may read no event"}
	}
	eq := store.EventQuery{Filter: q, Scope: who.Scope}
	if len(classes) < len(event.Classes()) {
		t := query.Term{Field: query.Class, Op: query.Is}
		for _, c := range classes {
			t.Values = append(t.Values, string(c))
		}
		eq.Filter.Terms = append(eq.Filter.Terms[:len(eq.Filter.Terms):len(eq.Filter.Terms)], t)
	}
	return eq, nil
}

// visible reports of one row after the other whether a caller may see it.
func visible(who rights.Principal) func(*store.Row) bool {
	classes := who.Classes()
	return func(r *store.Row) bool {
		// Rights begin at the first segment; a search pattern would not.
		return slices.Contains(classes, r.Class) && store.InScope(who.Scope, r.Station)
	}
}

type listInput struct {
	Q     string `query:"q" maxLength:"4096" doc:"search text, see docs/search-language.md"`
	Order string `query:"order" enum:"time,arrival" default:"time"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	After string `query:"after" maxLength:"2000" doc:"next of the page before"`
	Open  bool   `query:"open" doc:"open the sealed fields that you may read; it is recorded who did"`

	Sealed []string `query:"sealed,explode" maxItems:"4" doc:"path:value, such as event_data.device:HMI-4: events with this value in a sealed field; for those who may open all sealed fields"`
}

type openInput struct {
	ID   string `path:"id" maxLength:"64"`
	Open bool   `query:"open" doc:"open the sealed fields that you may read; it is recorded who did"`
}

type aroundInput struct {
	ID     string `path:"id" maxLength:"64"`
	Before int    `query:"before" minimum:"0" maximum:"200" default:"25"`
	After  int    `query:"after" minimum:"0" maximum:"200" default:"25"`
}

// EventDetail is one event with all that share its id.
type EventDetail struct {
	Event
	Others []Event `json:"others" doc:"other leaves with the same id: a fault of the station, or an attack"`
}

func (s *Server) registerEvents() {
	tag := []string{"events"}
	huma.Register(s.api, huma.Operation{OperationID: "events", Method: http.MethodGet, Path: "/api/v1/events", Summary: "Search events, newest first", Tags: tag}, s.events)
	huma.Register(s.api, huma.Operation{OperationID: "histogram", Method: http.MethodGet, Path: "/api/v1/events/histogram", Summary: "Count events over time by severity", Tags: tag}, s.histogram)
	huma.Register(s.api, huma.Operation{OperationID: "event", Method: http.MethodGet, Path: "/api/v1/events/{id}", Summary: "One event", Tags: tag}, s.event)
	huma.Register(s.api, huma.Operation{OperationID: "around", Method: http.MethodGet, Path: "/api/v1/events/{id}/around", Summary: "What happened around an event on its station", Tags: tag}, s.around)
}

func (s *Server) events(ctx context.Context, in *listInput) (*answer[Events], error) {
	who, err := caller(ctx, rights.EventsRead)
	if err != nil {
		return nil, err
	}
	limit := in.Limit
	if limit == 0 {
		limit = defaultPage
	}
	if limit > defaultPage*2 && !who.May(rights.Export) {
		limit = defaultPage * 2 // more than a screenful at once is an export
	}
	now, after, err := openNext(in.After)
	if err != nil {
		return nil, s.failed(ctx, "events", err)
	}
	q, err := restrict(who, in.Q, now)
	if err != nil {
		return nil, err
	}
	if err := s.people(ctx, who, &q); err != nil {
		return nil, err
	}
	if q.Blind, err = s.sealedTerms(who, in.Sealed); err != nil {
		return nil, err
	}
	q.ByArrival, q.Limit, q.After = in.Order == "arrival", min(limit, maxPage), after
	page, err := s.Store.Events(ctx, q)
	if err != nil {
		return nil, s.failed(ctx, "events", err)
	}
	out := Events{Events: shownAll(page.Rows), Next: sealNext(now, page.Next), Query: canonical(in.Q, now)}
	if out.Count, err = s.Store.Count(ctx, q, countCap); err != nil {
		return nil, s.failed(ctx, "count", err)
	}
	out.CountCapped = out.Count >= countCap
	if in.Open {
		if err := s.unseal(ctx, who, true, page.Rows, out.Events); err != nil {
			return nil, err
		}
	}
	if len(page.Rows) > defaultPage*2 {
		s.accessedNow(ctx, who, sealedLabel(in.Sealed)+s.clean(ctx, out.Query), purposeExport, len(page.Rows))
	} else {
		s.accessed(ctx, who, sealedLabel(in.Sealed)+s.clean(ctx, in.Q), len(page.Rows))
	}
	return &answer[Events]{out}, nil
}

// canonical is the caller's search in canonical form.
func canonical(text string, now time.Time) string {
	q, err := query.Parse(text, now)
	if err != nil {
		return text
	}
	return q.String()
}

// sealNext puts the time of the first page before a store's cursor: since:2h must
// mean the same on every page, or the cursor would belong to another search.
func sealNext(now time.Time, cursor string) string {
	if cursor == "" {
		return ""
	}
	return strconv.FormatInt(now.UnixMilli(), 36) + "." + cursor
}

// openNext undoes sealNext; without a cursor it is now.
func openNext(text string) (now time.Time, cursor string, err error) {
	if text == "" {
		return time.UnixMilli(time.Now().UnixMilli()), "", nil
	}
	ms, cursor, ok := strings.Cut(text, ".")
	n, err := strconv.ParseInt(ms, 36, 64)
	now = time.UnixMilli(n)
	if !ok || err != nil || cursor == "" || !event.ValidTime(now) {
		return now, "", fmt.Errorf("%w: damaged", store.ErrCursor)
	}
	return now, cursor, nil
}

type histogramInput struct {
	Q       string    `query:"q" maxLength:"4096"`
	From    time.Time `query:"from" doc:"default: one hour ago"`
	To      time.Time `query:"to" doc:"default: now"`
	Buckets int       `query:"buckets" minimum:"1" maximum:"500" default:"60"`
}

// HistogramBucket counts the events of one interval.
type HistogramBucket struct {
	At       time.Time `json:"at"`
	Debug    uint64    `json:"debug"`
	Info     uint64    `json:"info"`
	Low      uint64    `json:"low"`
	Medium   uint64    `json:"medium"`
	High     uint64    `json:"high"`
	Critical uint64    `json:"critical"`
}

// Histogram counts events over time.
type Histogram struct {
	From    time.Time         `json:"from"`
	To      time.Time         `json:"to"`
	StepMS  int64             `json:"step_ms"`
	Buckets []HistogramBucket `json:"buckets"`
}

func (s *Server) histogram(ctx context.Context, in *histogramInput) (*answer[Histogram], error) {
	who, err := caller(ctx, rights.EventsRead)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	s.accessed(ctx, who, s.clean(ctx, in.Q), 0) // counts, no event
	if in.To.IsZero() {
		in.To = now
	}
	if in.From.IsZero() {
		in.From = in.To.Add(-time.Hour)
	}
	n := in.Buckets
	if n == 0 {
		n = 60
	}
	if !in.From.Before(in.To) || !event.ValidTime(in.From) || !event.ValidTime(in.To) {
		return nil, &problem{Status: http.StatusBadRequest, Title: "The time range is empty", Detail: "from must be before to, both in the years 1970 to 2199"}
	}
	n = max(1, min(n, int(min(in.To.Sub(in.From).Milliseconds(), int64(n))))) // a step has at least a millisecond
	q, err := restrict(who, in.Q, now)
	if err != nil {
		return nil, err
	}
	if err := s.people(ctx, who, &q); err != nil {
		return nil, err
	}
	buckets, err := s.Store.Histogram(ctx, q, in.From, in.To, n)
	if err != nil {
		return nil, s.failed(ctx, "histogram", err)
	}
	out := Histogram{From: in.From.UTC(), To: in.To.UTC(), StepMS: in.To.Sub(in.From).Milliseconds() / int64(n), Buckets: make([]HistogramBucket, len(buckets))}
	for i, b := range buckets {
		c := b.Counts
		out.Buckets[i] = HistogramBucket{b.At.UTC(), c[0], c[1], c[2], c[3], c[4], c[5]}
	}
	return &answer[Histogram]{out}, nil
}

// rows returns the rows of an id that the caller may see, ErrNotFound without one:
// what may not be seen does not exist.
func (s *Server) rows(ctx context.Context, id string) (rights.Principal, []store.Row, error) {
	who, err := caller(ctx, rights.EventsRead)
	if err != nil {
		return who, nil, err
	}
	all, err := s.Store.Event(ctx, strings.ToLower(id))
	if err != nil {
		return who, nil, s.failed(ctx, "event", err)
	}
	var rows []store.Row
	sees := visible(who)
	for i := range all {
		if sees(&all[i]) {
			rows = append(rows, all[i])
		}
	}
	if len(rows) == 0 {
		return who, nil, toProblem(store.ErrNotFound)
	}
	return who, rows, nil
}

func (s *Server) event(ctx context.Context, in *openInput) (*answer[EventDetail], error) {
	who, rows, err := s.rows(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s.accessed(ctx, who, "id:"+rows[0].ID, len(rows))
	list := shownAll(rows)
	if err := s.unseal(ctx, who, in.Open, rows, list); err != nil {
		return nil, err
	}
	return &answer[EventDetail]{EventDetail{list[0], list[1:]}}, nil
}

// near returns the n nearest rows before (side < 0) or after a row that the caller
// may see, oldest first. Whoever sees only some classes is shown those behind the
// others, up to a bound.
func (s *Server) near(ctx context.Context, who rights.Principal, row store.Row, n, side int) ([]store.Row, error) {
	if n == 0 {
		return nil, nil
	}
	look := n
	if len(who.Classes()) < len(event.Classes()) {
		look = min(8*n, maxPage)
	}
	before, after := look, 0
	if side > 0 {
		before, after = 0, look
	}
	rows, err := s.Store.Around(ctx, row, before, after)
	if err != nil {
		return nil, err
	}
	sees := visible(who)
	rows = slices.DeleteFunc(rows, func(r store.Row) bool { return !sees(&r) })
	if side < 0 {
		return rows[max(0, len(rows)-n):], nil
	}
	return rows[:min(n, len(rows))], nil
}

func (s *Server) around(ctx context.Context, in *aroundInput) (*answer[Events], error) {
	who, rows, err := s.rows(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	before, err := s.near(ctx, who, rows[0], in.Before, -1)
	if err != nil {
		return nil, s.failed(ctx, "around", err)
	}
	after, err := s.near(ctx, who, rows[0], in.After, +1)
	if err != nil {
		return nil, s.failed(ctx, "around", err)
	}
	out := Events{Events: shownAll(slices.Concat(before, after))}
	out.Count = len(out.Events)
	s.accessed(ctx, who, "around id:"+rows[0].ID, out.Count)
	return &answer[Events]{out}, nil
}
