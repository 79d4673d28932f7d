package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

// memoryJournal keeps what it is given, and refuses while fail is set.
type memoryJournal struct {
	mu     sync.Mutex
	leaves []journal.Leaf
	stored map[string]map[string][]byte
	fail   error
	tries  chan struct{}
	atOnce int // leaves that are taken of an Append that fails
}

func (j *memoryJournal) Append(_ context.Context, leaves []journal.Leaf, at []source.Position) (journal.Outcome, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		select {
		case j.tries <- struct{}{}:
		default:
		}
		n := min(j.atOnce, len(leaves))
		j.leaves = append(j.leaves, leaves[:n]...)
		return journal.Outcome{Taken: n}, j.fail
	}
	j.leaves = append(j.leaves, leaves...)
	for _, p := range at {
		if j.stored[p.Source] == nil {
			j.stored[p.Source] = map[string][]byte{}
		}
		maps.Copy(j.stored[p.Source], p.Set)
		for _, key := range p.Delete {
			delete(j.stored[p.Source], key)
		}
	}
	return journal.Outcome{}, nil
}

func (j *memoryJournal) Positions(name string) map[string][]byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.stored[name])
}

func (j *memoryJournal) setFail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fail = err
}

var clock = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)

func newTest(t testing.TB, change ...func(*Options)) (*Pipeline, *memoryJournal) {
	t.Helper()
	j := &memoryJournal{stored: map[string]map[string][]byte{}, tries: make(chan struct{}, 1)}
	o := Options{Journal: j, Station: "hamburg/body/line3/st07", Version: "1.0", Now: func() time.Time { return clock }}
	for _, c := range change {
		c(&o)
	}
	return New(o), j
}

// events parses what was written since the last call; every leaf must be clean.
func (j *memoryJournal) events(t testing.TB) []*event.Event {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []*event.Event
	for _, leaf := range j.leaves {
		e, problems, err := event.Parse(leaf.Bytes)
		require.NoError(t, err, string(leaf.Bytes))
		require.Empty(t, problems)
		require.Equal(t, e.Class, leaf.Class)
		out = append(out, e)
	}
	j.leaves = nil
	return out
}

func take(t testing.TB, p *Pipeline, batch ...source.Reading) {
	t.Helper()
	require.NoError(t, p.Sink("s").Take(t.Context(), batch, source.Position{Source: "s"}))
}

func mqttPoint(typ string) *source.Point {
	return &source.Point{
		Source: "s", Kind: "mqtt", Endpoint: "tcp://b:1883", Item: "plant/q",
		Station: "hamburg/body/line3/st07", Equipment: "press-12", Event: typ,
	}
}

func opcPoint(typ string) *source.Point {
	p := mqttPoint(typ)
	p.Kind, p.Item, p.Signal = "opcua", "nsu=urn:v;s=State", "press.state"
	return p
}

func reading(p *source.Point, v any) source.Reading {
	return source.Reading{Point: p, Value: v, ReceivedAt: clock, SourceTime: clock.Add(-time.Second)}
}

func TestAnObjectBecomesEventDataAsItCameWithTheFieldsThatWereAsked(t *testing.T) {
	p, j := newTest(t)
	r := reading(mqttPoint("quality.check"), json.RawMessage(`{"result":"fail","productId":"x","z":{"a":[1,2]}}`))
	r.Fields = map[string]any{"productId": json.RawMessage(`"4711"`), "shift": "B"}
	r.Retained = true
	take(t, p, r)
	e := j.events(t)[0]
	require.Equal(t, `{"result":"fail","z":{"a":[1,2]},"productId":"4711","shift":"B","stationId":"hamburg/body/line3/st07"}`, string(e.Data))
	require.Equal(t, event.Manufacturing, e.Class)
	require.Equal(t, clock.Add(-time.Second), e.Timestamp)
	require.Equal(t, clock, e.CollectedAt)
	require.Equal(t, "press-12", e.Equipment)
	require.JSONEq(t, `{"retained":true}`, string(e.Context))
	require.Contains(t, e.Metadata.Problems, event.Problem{Field: "event_data.characteristic", Reason: "required by the catalogue, not given"})
	require.Equal(t, "plant/q", e.Source.Item)
	require.Equal(t, "1.0", e.Metadata.Agent)
}

func TestAScalarIsAValueAndAChangeCarriesThePreviousOne(t *testing.T) {
	p, j := newTest(t)
	take(t, p, reading(mqttPoint("x.acme.speed"), 1.5))
	require.JSONEq(t, `{"value":1.5}`, string(j.events(t)[0].Data))
	point := opcPoint("x.acme.speed")
	take(t, p, reading(point, int64(3)), reading(point, int64(3)), reading(point, int64(4)))
	got := j.events(t)
	require.Len(t, got, 2, "an equal value is no change")
	require.JSONEq(t, `{"value":3,"previous":null}`, string(got[0].Data))
	require.JSONEq(t, `{"value":4,"previous":3}`, string(got[1].Data))
	require.Equal(t, "press.state", got[1].Signal)
}

func TestStatesHaveNamesAndAnUnknownNumberIsKept(t *testing.T) {
	p, j := newTest(t)
	point := opcPoint("equipment.status")
	point.Map = map[int64]string{0: "idle", 1: "running"}
	take(t, p, reading(point, uint64(1)), reading(point, int64(0)), reading(point, int64(9)), reading(point, true))
	got := j.events(t)
	require.JSONEq(t, `{"equipmentId":"press-12","status":"running","previous":null}`, string(got[0].Data))
	require.JSONEq(t, `{"equipmentId":"press-12","status":"idle","previous":"running"}`, string(got[1].Data))
	require.JSONEq(t, `{"equipmentId":"press-12","status":9,"previous":"idle"}`, string(got[2].Data))
	require.Equal(t, "map has no name for 9", got[2].Metadata.Problems[0].Reason)
	require.JSONEq(t, `{"equipmentId":"press-12","status":"running","previous":9}`, string(got[3].Data))
	require.Empty(t, got[0].Metadata.Problems)
}

func TestEachBitOfAFaultWordComesAndGoesByItself(t *testing.T) {
	p, j := newTest(t)
	point := opcPoint("equipment.fault")
	point.Bits = &source.Bits{Texts: map[int]source.BitText{0: {Code: "F1", Text: "door", Severity: "high"}, 2: {Code: "F3", Text: "oil"}}}
	later := reading(point, uint64(4))
	later.SourceTime = clock
	take(t, p, reading(point, uint64(5)), later, reading(point, "no word"))
	got := j.events(t)
	require.Len(t, got, 4)
	since := `"2026-11-22T04:59:59Z"`
	require.JSONEq(t, `{"bit":0,"code":"F1","text":"door","state":"active","since":`+since+`,"equipmentId":"press-12"}`, string(got[0].Data))
	require.Equal(t, event.SeverityHigh, got[0].Severity)
	require.JSONEq(t, `{"bit":2,"code":"F3","text":"oil","state":"active","since":`+since+`,"equipmentId":"press-12"}`, string(got[1].Data))
	require.JSONEq(t, `{"bit":0,"code":"F1","text":"door","state":"cleared","since":`+since+`,"equipmentId":"press-12"}`, string(got[2].Data))
	require.Equal(t, event.SeverityInfo, got[2].Severity)
	require.Equal(t, event.TypeIngestQuarantined, got[3].Type)
}

func TestARestartRaisesNothingTwice(t *testing.T) {
	p, j := newTest(t)
	var points []*source.Point
	for i := range 100 {
		point := opcPoint("x.acme.value")
		point.Item = fmt.Sprintf("i=%d", i)
		points = append(points, point)
	}
	word := opcPoint("equipment.fault")
	word.Item, word.Bits = "i=word", &source.Bits{}
	long := opcPoint("x.acme.text")
	long.Item = "i=long"
	values := func(n int64) (out []source.Reading) {
		for i, point := range points {
			out = append(out, reading(point, int64(i)*n))
		}
		return append(out, reading(word, uint64(6)), reading(long, strings.Repeat("x", 5000)))
	}
	take(t, p, values(1)...)
	require.Len(t, j.events(t), 103)
	again := New(p.o)
	take(t, again, values(1)...)
	require.Empty(t, j.events(t))
	take(t, again, reading(points[99], int64(7)), reading(word, uint64(2)))
	got := j.events(t)
	require.JSONEq(t, `{"value":7,"previous":99}`, string(got[0].Data))
	require.Contains(t, string(got[1].Data), `"cleared"`)
	require.Contains(t, string(got[1].Data), `"since":"2026-11-22T04:59:59Z"`, "the time is remembered too")
}

func TestTimesThatCannotBeRightAreFlaggedAndNothingIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		given  time.Time
		want   time.Time
		reason string
	}{
		"1601":       {time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), clock, "1601-01-01T00:00:00Z, which no event can carry"},
		"1970":       {time.Unix(5, 0), time.Unix(5, 0).UTC(), "clock is not set"},
		"far future": {time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC), "ahead of the station"},
		"9999":       {time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), clock, "no event can carry"},
		"zone":       {clock.Add(time.Hour - 3*time.Second), clock.Add(time.Hour - 3*time.Second), "1h0m0s ahead: local time sent as UTC?"},
		"in order":   {clock.Add(-time.Hour), clock.Add(-time.Hour), ""},
		"none":       {time.Time{}, clock, ""},
	} {
		p, j := newTest(t)
		r := reading(mqttPoint("x.acme.t"), int64(1))
		r.SourceTime = c.given
		take(t, p, r)
		e := j.events(t)[0]
		require.Equal(t, c.want, e.Timestamp, name)
		if c.reason == "" {
			require.Empty(t, e.Metadata.Problems, name)
			continue
		}
		require.Len(t, e.Metadata.Problems, 1, name)
		require.Contains(t, e.Metadata.Problems[0].Reason, c.reason, name)
	}
}

func TestASourceThatStaysBehindByATimeZoneIsFlagged(t *testing.T) {
	p, j := newTest(t)
	for i := range 4 {
		r := reading(mqttPoint("x.acme.t"), int64(i))
		r.ReceivedAt = clock.Add(time.Duration(i) * 30 * time.Second)
		r.SourceTime = r.ReceivedAt.Add(-2 * time.Hour)
		take(t, p, r)
	}
	got := j.events(t)
	require.Empty(t, got[1].Metadata.Problems)
	require.Contains(t, got[3].Metadata.Problems[0].Reason, "2h0m0s behind")
}

func TestAUserNameNeverEntersALeafInTheClear(t *testing.T) {
	keys := &Keys{}
	require.NoError(t, keys.Set([]wire.PseudonymKey{{Plant: "hamburg", Year: 2026, Key: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}}))
	for _, withKey := range []bool{true, false} {
		p, j := newTest(t, func(o *Options) {
			if withKey {
				o.Pseudonyms = keys
			}
		})
		r := reading(mqttPoint("user.login"), json.RawMessage(`{"who":" Anna.M ","anna.m":1,"action":"login","success":true,"deep":["anna.m"]}`))
		r.User, r.OriginalID = "anna.M", "Anna.m"
		take(t, p, r)
		j.mu.Lock()
		leaf := string(j.leaves[0].Bytes)
		j.mu.Unlock()
		e := j.events(t)[0]
		require.NotContains(t, leaf, `Anna`)
		require.NotContains(t, leaf, `"anna.m"]`)
		if !withKey {
			require.Empty(t, e.UserID)
			require.Contains(t, e.Metadata.Problems[0].Reason, "no pseudonym key for hamburg in 2026")
			continue
		}
		require.Regexp(t, `^p-[0-9a-f]{32}$`, e.UserID)
		require.Contains(t, string(e.Data), `"userId":"`+e.UserID+`"`)
		require.Contains(t, string(e.Data), `"deep":["`+e.UserID+`"]`)
	}
}

// OPC UA names who acknowledged only beside the fields of the event.
func TestWhoAcknowledgedIsInTheDataAsAPseudonym(t *testing.T) {
	keys := &Keys{}
	require.NoError(t, keys.Set([]wire.PseudonymKey{{Plant: "hamburg", Year: 2026, Key: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}}))
	for _, by := range []any{nil, "", "absent", "anna.m"} {
		p, j := newTest(t, func(o *Options) { o.Pseudonyms = keys })
		r := reading(opcPoint(""), nil)
		r.User = "anna.m"
		data := map[string]any{"source": "press", "conditionId": "i=1", "comment": "seen", "latencyMs": 1200, "by": by}
		if by == "absent" {
			delete(data, "by")
		}
		r.Occurrence = &source.Occurrence{Type: event.TypeAlarmAcknowledged, Data: data}
		take(t, p, r)
		e := j.events(t)[0]
		require.Regexp(t, `^p-[0-9a-f]{32}$`, e.UserID)
		require.Contains(t, string(e.Data), `"by":"`+e.UserID+`"`, "by was %v", by)
		require.Equal(t, 1, strings.Count(string(e.Data), `"by":`))
		require.Empty(t, e.Metadata.Problems)
	}
}

func TestQualityChangesAreEventsAndABadValueIsNone(t *testing.T) {
	p, j := newTest(t)
	point := opcPoint("equipment.status")
	none := reading(point, nil)
	none.Quality = 0x808C0000
	take(t, p, reading(point, int64(1)), none, none, reading(point, int64(1)))
	got := j.events(t)
	require.Len(t, got, 3)
	require.JSONEq(t, `{"signal":"press.state","quality":"bad","previous":"good"}`, string(got[1].Data))
	require.JSONEq(t, `{"quality":"0x808C0000"}`, string(got[1].Context))
	require.JSONEq(t, `{"signal":"press.state","quality":"good","previous":"bad"}`, string(got[2].Data))
}

func TestReadingsAreSummarisedInPiecesThatFit(t *testing.T) {
	p, j := newTest(t)
	var batch []source.Reading
	for i := range 1000 {
		point := &source.Point{Source: "s", Kind: "mqtt", Item: "i", Station: "a/b", Signal: fmt.Sprintf("signal.with.a.long.name.%04d", i), Unit: "degC"}
		batch = append(batch, reading(point, 1.5), reading(point, int64(4)), reading(point, 2.0))
	}
	other := &source.Point{Source: "s", Kind: "mqtt", Item: "text", Station: "a/c"}
	batch = append(batch, reading(other, "hello"))
	take(t, p, batch...)
	require.Empty(t, j.events(t))
	require.Len(t, p.Signals(), 1001)
	p.summarise(t.Context())
	signals := map[string]json.RawMessage{}
	for _, e := range j.events(t) {
		require.Equal(t, event.Performance, e.Class)
		require.Less(t, len(e.Data), 48<<10)
		var data struct{ Signals map[string]json.RawMessage }
		require.NoError(t, json.Unmarshal(e.Data, &data))
		maps.Copy(signals, data.Signals)
	}
	require.Len(t, signals, 1001)
	require.JSONEq(t, `{"count":3,"min":1.5,"max":4,"mean":2.5,"first":1.5,"last":2,"unit":"degC"}`, string(signals["signal.with.a.long.name.0007"]))
	require.JSONEq(t, `{"count":1,"first":"hello","last":"hello"}`, string(signals["text"]))
	p.summarise(t.Context())
	require.Empty(t, j.events(t), "nothing came, nothing is said")
}

func TestALimitThatIsPassedIsAnAlarmAndAlsoWithoutANewValue(t *testing.T) {
	now := clock
	p, j := newTest(t, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Signals = map[string]config.Signal{"press.temperature": {Limits: &config.Limits{HiHi: new(95.0), Deadband: new(0.0), OnDelay: new(2 * time.Second), OffDelay: new(time.Duration(0))}}}
	})
	point := mqttPoint("")
	point.Signal, point.Unit = "press.temperature", "degC"
	take(t, p, reading(point, 99.5))
	require.Empty(t, j.events(t))
	now = clock.Add(2 * time.Second)
	p.tick(t.Context(), now)
	e := j.events(t)[0]
	require.Equal(t, event.TypeAlarmState, e.Type)
	require.Equal(t, event.SeverityHigh, e.Severity)
	require.JSONEq(t, `{"signal":"press.temperature","source":"plant/q","condition":"HighHigh","conditionId":"press.temperature/HighHigh",
		"state":"active","severity":800,"value":99.5,"extreme":99.5,"limit":95,"since":"2026-11-22T05:00:00Z","unit":"degC",
		"alarmType":"NonExclusiveLevelAlarmType","deadband":0,"limits":{"hihi":95},
		"explanation":"press.temperature is 99.5 degC, above its HighHigh limit of 95 for longer than 2s."}`, string(e.Data))
	require.Equal(t, []float32{99.5}, e.Curve.Max)
	require.NotEmpty(t, e.CorrelationID)
}

func TestWhatDoesNotFitALeafIsQuarantinedAlone(t *testing.T) {
	p, j := newTest(t)
	big := json.RawMessage(`{"a":"` + strings.Repeat("x", 70000) + `"}`)
	strange := reading(mqttPoint("x.acme.v"), math.NaN())
	wrong := reading(mqttPoint("no type"), int64(1))
	take(t, p, reading(mqttPoint("x.acme.v"), big), strange, wrong, reading(mqttPoint("x.acme.v"), int64(1)))
	got := j.events(t)
	require.Len(t, got, 4)
	require.Equal(t, event.TypeIngestQuarantined, got[0].Type)
	require.Contains(t, string(got[0].Data), "event larger than 64 KiB")
	require.JSONEq(t, `{"value":"NaN"}`, string(got[1].Data))
	require.NotEmpty(t, got[1].Metadata.Problems)
	require.Equal(t, event.TypeIngestQuarantined, got[2].Type)
	require.JSONEq(t, `{"value":1}`, string(got[3].Data))
}

// A topic of an MQTT message may have 64 KiB, and a control character takes six
// bytes in a leaf.
func TestWhateverASourceHandsOverIsAtLeastQuarantined(t *testing.T) {
	p, j := newTest(t)
	for _, topic := range []string{strings.Repeat("t", 65535), strings.Repeat("\x01", 65535), strings.Repeat("\xff", 65535)} {
		point := mqttPoint("x.acme.v")
		point.Item = topic
		take(t, p, reading(point, int64(1)), reading(point, json.RawMessage(`{"a":"`+strings.Repeat("x", 70000)+`"}`)))
		got := j.events(t)
		require.Len(t, got, 2)
		require.Equal(t, "x.acme.v", got[0].Type, "a long topic alone is no reason")
		require.LessOrEqual(t, len(got[0].Source.Item), maxItem)
		require.Equal(t, "source.item", got[0].Metadata.Problems[0].Field)
		require.Equal(t, event.TypeIngestQuarantined, got[1].Type)
	}
	for _, typ := range []string{"no type", event.TypeLogKey} {
		take(t, p, reading(mqttPoint(typ), json.RawMessage(`{"a":"`+strings.Repeat("x", 70000)+`"}`)))
		got := j.events(t)
		require.Len(t, got, 1, "a refused type and too large at once")
		require.Contains(t, string(got[0].Data), "event larger than 64 KiB")
		require.Contains(t, string(got[0].Data), typ)
	}
}

// The last way out carries nothing that could keep it from being written.
func TestAQuarantineEventThatCannotBeWrittenIsWrittenWithoutItsSample(t *testing.T) {
	p, j := newTest(t)
	p.o.Version = strings.Repeat("v", event.MaxLeaf) // stands for whatever nobody thought of
	take(t, p, reading(mqttPoint("x.acme.v"), int64(1)))
	got := j.events(t)
	require.Len(t, got, 1)
	require.Equal(t, event.TypeIngestQuarantined, got[0].Type)
	require.Equal(t, "plant/q", got[0].Source.Item)
	require.NotContains(t, string(got[0].Data), "sample")
}

func TestABatchIsTriedAgainAndGivenUpOnlyWhenTheContextEnds(t *testing.T) {
	p, j := newTest(t)
	point := opcPoint("x.acme.v")
	j.setFail(errors.New("disk full"))
	done := make(chan error, 1)
	go func() {
		done <- p.Sink("s").Take(t.Context(), []source.Reading{reading(point, int64(1))}, source.Position{Source: "s"})
	}()
	<-j.tries
	j.setFail(nil)
	require.NoError(t, <-done)
	require.Len(t, j.events(t), 1)

	j.setFail(errors.New("disk full"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		done <- p.Sink("s").Take(ctx, []source.Reading{reading(point, int64(2))}, source.Position{Source: "s"})
	}()
	<-j.tries
	cancel()
	require.Error(t, <-done)
	j.setFail(nil)
	take(t, p, reading(point, int64(2)))
	require.Len(t, j.events(t), 1, "what was not taken is no previous value")
}

func TestWhatIsInTheJournalAlreadyIsNotWrittenTwiceWhenTheRestIsTriedAgain(t *testing.T) {
	p, j := newTest(t)
	j.atOnce = 2
	j.setFail(errors.New("disk full"))
	done := make(chan error, 1)
	batch := make([]source.Reading, 5)
	for i := range batch {
		batch[i] = reading(opcPoint("x.acme.v"), int64(i))
	}
	go func() { done <- p.Sink("s").Take(t.Context(), batch, source.Position{Source: "s"}) }()
	<-j.tries
	j.setFail(nil)
	require.NoError(t, <-done)
	ids := map[string]bool{}
	for _, e := range j.events(t) {
		require.False(t, ids[e.ID], "twice")
		ids[e.ID] = true
	}
	require.Len(t, ids, 5)
}

func TestTheAgentsOwnEventsAreDurableWhenEmitReturns(t *testing.T) {
	p, j := newTest(t)
	require.NoError(t, p.Emit(t.Context(), event.TypeAuditStarted, nil, map[string]any{"component": "agent", "version": "1", "lastSeq": 0}))
	e := j.events(t)[0]
	require.Equal(t, "hamburg/body/line3/st07", e.Station)
	require.Equal(t, event.Security, e.Class)
	require.Empty(t, e.Metadata.Problems)
	p.clock(t.Context(), time.Second, time.Second, clock)
	require.Empty(t, j.events(t))
	p.clock(t.Context(), -time.Hour, time.Second, clock)
	e = j.events(t)[0]
	require.Equal(t, event.TypeTimeDrift, e.Type)
	require.Contains(t, string(e.Data), `"offsetMs":-3601000`)
}

// The aggregator obeys a leaf log.key: whoever may publish must not make one.
func TestNoMessageBecomesALeafThatChangesTheLogsKey(t *testing.T) {
	p, j := newTest(t)
	take(t, p, reading(mqttPoint(event.TypeLogKey), json.RawMessage(`{"origin":"linewatch/a/security/l","publicKey":"AAAA"}`)))
	got := j.events(t)
	require.Len(t, got, 1)
	require.Equal(t, event.TypeIngestQuarantined, got[0].Type)
}
