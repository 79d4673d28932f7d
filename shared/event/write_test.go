package event_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/stretchr/testify/require"
)

func TestAWriterNamesTheFieldThatIsWrong(t *testing.T) {
	long := strings.Repeat("x", event.MaxText+1)
	for field, change := range map[string]func(*event.Event){
		"id":                        func(e *event.Event) { e.ID = "4711" },
		"event_type":                func(e *event.Event) { e.Type = "Login" },
		"class":                     func(e *event.Event) { e.Class = "" },
		"severity":                  func(e *event.Event) { e.Severity = 6 },
		"timestamp":                 func(e *event.Event) { e.Timestamp = time.Time{} },
		"collected_at":              func(e *event.Event) { e.CollectedAt = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) },
		"station":                   func(e *event.Event) { e.Station = "Hamburg" },
		"equipment":                 func(e *event.Event) { e.Equipment = long },
		"signal":                    func(e *event.Event) { e.Signal = "a\x00b" },
		"correlation_id":            func(e *event.Event) { e.CorrelationID = "\xff" },
		"user_id":                   func(e *event.Event) { e.UserID = long },
		"source_ip":                 func(e *event.Event) { e.SourceIP = "10.0.0.1:80" },
		"source.item":               func(e *event.Event) { e.Source.Item = "\xff" },
		"event_data":                func(e *event.Event) { e.Data = json.RawMessage(`{"a":1,"a":2}`) },
		"event_data: not an object": func(e *event.Event) { e.Data = json.RawMessage(`[]`) },
		"event_data: bytes after":   func(e *event.Event) { e.Data = json.RawMessage(`{}{}`) },
		"event_data: nested": func(e *event.Event) {
			e.Data = json.RawMessage(strings.Repeat(`{"a":`, 15) + `[]` + strings.Repeat(`}`, 15))
		},
		"context":                   func(e *event.Event) { e.Context = json.RawMessage(`{"a": 1}`) },
		"metadata.problems.reason":  func(e *event.Event) { e.Metadata.Problems[0].Reason = "\x00" },
		"curve: min and max":        func(e *event.Event) { e.Curve.Min = nil },
		"curve: step_ms":            func(e *event.Event) { e.Curve.StepMS = 0 },
		"curve: start":              func(e *event.Event) { e.Curve.Start = time.Time{} },
		"curve: larger than 24 KiB": func(e *event.Event) { e.Curve.Min, e.Curve.Max = make([]float32, 2400), make([]float32, 2400) },
		"sealed.key":                func(e *event.Event) { e.Sealed["a"] = event.SealedField{Key: "AB", Text: "AAAA"} },
		"sealed.text":               func(e *event.Event) { e.Sealed["a"] = event.SealedField{Key: strings.Repeat("0f", 32), Text: "?"} },
		"sealed: path":              func(e *event.Event) { e.Sealed["\xff"] = e.Sealed["a"] },
	} {
		t.Run(field, func(t *testing.T) {
			e := sample()
			change(e)
			dst := []byte("before")
			out, err := e.AppendLeaf(dst)
			require.ErrorContains(t, err, field)
			require.Equal(t, "before", string(out), "nothing is left behind")
		})
	}
}

func TestAnEventThatIsTooLargeSaysSo(t *testing.T) {
	e := sample()
	e.Data, _ = event.Object(map[string]any{"text": strings.Repeat("x", event.MaxLeaf)})
	_, err := e.Leaf()
	require.ErrorIs(t, err, event.ErrTooLarge)
}

func TestAnEventWithTheLeastInItIsSmallAndReadBack(t *testing.T) {
	full := sample()
	e := &event.Event{ID: full.ID, Type: full.Type, Class: full.Class, Timestamp: full.Timestamp, CollectedAt: full.Timestamp, Station: "a"}
	leaf, err := e.AppendLeaf([]byte("x"))
	require.NoError(t, err)
	require.Equal(t, `x{"id":"`+e.ID+`","event_type":"equipment.status","class":"manufacturing","severity":"debug",`+
		`"timestamp":"2026-11-22T04:05:06.789Z","collected_at":"2026-11-22T04:05:06.789Z","station":"a","event_data":{},`+
		`"salt":"AAAAAAAAAAAAAAAAAAAAAA=="}`, string(leaf))
	_, problems, err := event.Parse(leaf[1:])
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestGoValuesBecomeJSONInsideTheProfile(t *testing.T) {
	at := time.Date(2026, 11, 22, 5, 0, 0, 1_000_000, time.FixedZone("", 3600))
	for want, v := range map[string]any{
		`null`: nil, `true`: true, `-5`: int8(-5), `65535`: uint16(65535), `9007199254740992`: int64(1 << 53),
		`"9007199254740993"`: int64(1<<53 + 1), `"-9223372036854775808"`: int64(math.MinInt64), `"18446744073709551615"`: uint64(math.MaxUint64),
		`0.1`: 0.1, `0.2`: float32(0.2), `5e-324`: 5e-324, `1.7976931348623157e+308`: math.MaxFloat64, `1e+21`: 1e21, `9.007199254740994e+15`: float64(1<<53 + 2), `0.000001`: 1e-6,
		`"a\"\\\n\u0001ä🏭"`: "a\"\\\n\x01ä🏭", `"2026-11-22T04:00:00.001Z"`: at,
		`[1,"a",null,[true]]`: []any{1, "a", nil, []any{true}}, `[1.5,2]`: []float64{1.5, 2}, `["a"]`: []string{"a"},
		`{"a":1,"b":{"c":[]}}`: map[string]any{"b": map[string]any{"c": []any{}}, "a": 1},
		`{"x":{"raw":[1]}}`:    map[string]any{"x": json.RawMessage(`{"raw":[1]}`)},
		`{"a":"b"}`:            map[string]string{"a": "b"}, `{"debug":3}`: map[string]uint64{"debug": 3},
	} {
		got, err := event.Value(v)
		require.NoError(t, err, "%v", v)
		require.Equal(t, want, string(got))
		require.NoError(t, event.Check([]byte(`{"v":`+string(got)+`}`)))
	}
}

func TestGoValuesThatHaveNoFormAreErrors(t *testing.T) {
	deep := any(1)
	for range event.ValueDepth + 1 {
		deep = []any{deep}
	}
	for name, v := range map[string]any{
		"NaN": math.NaN(), "infinity": math.Inf(-1), "float32 infinity": float32(math.Inf(1)), "NUL": "a\x00", "UTF-8": "\xff", "deep": deep,
		"year": time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), "key": map[string]any{"\x00": 1}, "inside": []any{map[string]any{"a": math.NaN()}},
		"raw": json.RawMessage(`{"a": 1}`), "raw twice": json.RawMessage(`1 2`), "empty raw": json.RawMessage(nil),
		"type": struct{}{}, "channel": make(chan int), "complex": complex(1, 1),
	} {
		_, err := event.Value(v)
		require.Error(t, err, name)
		_, err = event.Object(map[string]any{"field": v})
		require.ErrorContains(t, err, "field", name)
	}
}

func TestIdentifiersCarryTheirTimeAndAreValid(t *testing.T) {
	at := time.UnixMilli(0x0123456789ab)
	id := event.NewID(at)
	require.True(t, event.ValidID(id), id)
	require.Regexp(t, `^01234567-89ab-7[0-9a-f]{3}-[89ab]`, id)
	require.NotEqual(t, id, event.NewID(at))
	require.True(t, event.ValidID(event.NewID(time.Time{})))
	require.NotEqual(t, event.NewSalt(), event.NewSalt())
}

func TestAPseudonymDependsOnThePersonNotOnTheSpelling(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	p := event.Pseudonym(key, "J\u00f6rg")
	require.Regexp(t, `^p-[0-9a-f]{32}$`, p)
	for _, same := range []string{" j\u00f6rg ", "JO\u0308RG", "jo\u0308rg\n"} {
		require.Equal(t, p, event.Pseudonym(key, same), "%q", same)
	}
	require.NotEqual(t, p, event.Pseudonym(key, "Jorg"))
	require.NotEqual(t, p, event.Pseudonym(key[1:], "J\u00f6rg"))
}

func TestSeveritiesHaveNamesBothWays(t *testing.T) {
	for _, s := range event.Severities() {
		back, err := event.ParseSeverity(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back)
		text, err := json.Marshal(s)
		require.NoError(t, err)
		var again event.Severity
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, s, again)
	}
	_, err := event.ParseSeverity("Warning")
	require.Error(t, err)
	_, err = event.Severity(9).MarshalText()
	require.Error(t, err)
	require.Equal(t, "Severity(9)", event.Severity(9).String())
	for _, c := range event.Classes() {
		require.True(t, c.Valid())
	}
}

func TestTextsFromOutsideAreCleanedAndShortened(t *testing.T) {
	require.Equal(t, "a\uFFFDb\uFFFD", event.Clean("a\x00b\xff"))
	require.Equal(t, "ä", event.Clean("ä"))
	require.Equal(t, "ä", event.Shorten("äö", 3))
	require.Equal(t, "äö", event.Shorten("äö", 4))
	require.Equal(t, "", event.Shorten("🏭", 3))
	require.Equal(t, "", event.Shorten("\xbf\xbf\xbf", 2))
}

func TestValuesAndTextsInsideAnObjectAreFound(t *testing.T) {
	data := []byte(`{"a":{"b\u0063":[1,"x",{"k":"y\n"}]},"t":"z","n":null}`)
	v, ok := event.At(data, []string{"a", "bc"})
	require.True(t, ok)
	require.Equal(t, `[1,"x",{"k":"y\n"}]`, string(v))
	for _, path := range [][]string{nil, {"x"}, {"t", "u"}, {"a", "bc", "0"}} {
		_, ok := event.At(data, path)
		require.False(t, ok, "%v", path)
	}
	var texts []string
	event.Texts(data, func(s string) bool { texts = append(texts, s); return true })
	require.Equal(t, []string{"x", "y\n", "z"}, texts)
	event.Texts([]byte(`{"a":`), func(string) bool { t.Fatal("not sound"); return false })
}
