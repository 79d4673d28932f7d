package pipeline

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

func FuzzNoReadingStopsThePipeline(f *testing.F) {
	f.Add(`{"a":{"user":"anna"}}`, "x\x00y", uint32(0), int64(1), 1.5, uint8(3))
	f.Add(`[1,2]`, "anna", uint32(0x80000000), int64(-62135596800), math.Inf(1), uint8(255))
	f.Fuzz(func(t *testing.T, text, name string, quality uint32, seconds int64, number float64, mode uint8) {
		p, j := newTest(t)
		point := mqttPoint([]string{"user.login", "equipment.status", "", name}[mode&3])
		if mode&4 != 0 {
			point = opcPoint(point.Event)
		}
		if mode&8 != 0 {
			point.Bits = &source.Bits{}
		}
		if mode&16 != 0 {
			point.Map = map[int64]string{1: name}
		}
		point.Signal, point.Item, point.Equipment = name, name, name
		if mode&32 != 0 {
			point.Station = name
		}
		values := []any{number, name, seconds, nil, true, []any{number, name, map[string]any{name: nil}}, struct{}{}, time.Unix(seconds, 0)}
		if doc, err := event.Normalize([]byte(text)); err == nil {
			values = append(values, json.RawMessage(doc))
		}
		var batch []source.Reading
		for _, v := range values {
			r := reading(point, v)
			r.Quality, r.User, r.OriginalID = quality, name, name
			r.SourceTime = time.Unix(seconds, 0)
			r.Fields = map[string]any{name: v, "value": number}
			r.Problems = []event.Problem{{Field: name, Reason: name}}
			batch = append(batch, r, source.Reading{
				Point: point, ReceivedAt: time.Unix(seconds, 0),
				Occurrence: &source.Occurrence{Type: name, Data: map[string]any{name: v}},
			})
		}
		take(t, p, batch...)
		p.summarise(t.Context())
		if got := len(j.events(t)); point.Event != "" && got < len(values) {
			t.Fatalf("%d events of %d occurrences", got, len(values))
		}
	})
}
