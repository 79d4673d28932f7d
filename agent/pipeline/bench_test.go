package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/source"
)

// nowhere is a journal that takes everything at once.
type nowhere struct{}

func (nowhere) Append(context.Context, []journal.Leaf, []source.Position) (journal.Outcome, error) {
	return journal.Outcome{}, nil
}
func (nowhere) Positions(string) map[string][]byte { return nil }

func bench(b *testing.B, batch func(i int) []source.Reading) {
	b.Helper()
	p := New(Options{Journal: nowhere{}, Station: "a/b/c/d", Version: "1"})
	sink, n := p.Sink("s"), 0
	for b.Loop() {
		list := batch(n)
		if err := sink.Take(b.Context(), list, source.Position{Source: "s"}); err != nil {
			b.Fatal(err)
		}
		n += len(list)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/value")
}

// BenchmarkMessagesToEvents is what an MQTT message costs between the source and the journal.
func BenchmarkMessagesToEvents(b *testing.B) {
	point := mqttPoint("quality.check")
	doc := json.RawMessage(`{"productId":"4711","characteristic":"gap","value":1.25,"result":"pass","by":"robot","note":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`)
	list := make([]source.Reading, 500)
	bench(b, func(int) []source.Reading {
		now := time.Now()
		for i := range list {
			list[i] = source.Reading{Point: point, Value: doc, SourceTime: now, ReceivedAt: now}
		}
		return list
	})
}

// BenchmarkValuesToSummaries is what a watched OPC UA value costs.
func BenchmarkValuesToSummaries(b *testing.B) {
	points := make([]*source.Point, 1000)
	for i := range points {
		points[i] = opcPoint("")
		points[i].Signal = fmt.Sprintf("press.signal.%d", i)
	}
	list := make([]source.Reading, 1000)
	bench(b, func(n int) []source.Reading {
		now := time.Now()
		for i := range list {
			list[i] = source.Reading{Point: points[i], Value: float64(n + i), SourceTime: now, ReceivedAt: now}
		}
		return list
	})
}

// BenchmarkChangesToEvents is what a change of an OPC UA event point costs.
func BenchmarkChangesToEvents(b *testing.B) {
	points := make([]*source.Point, 200)
	for i := range points {
		points[i] = opcPoint("equipment.status")
		points[i].Item = fmt.Sprintf("nsu=urn:v;i=%d", i)
		points[i].Map = map[int64]string{0: "idle", 1: "running"}
	}
	list := make([]source.Reading, 200)
	bench(b, func(n int) []source.Reading {
		now := time.Now()
		for i := range list {
			list[i] = source.Reading{Point: points[i], Value: int64(n / 200 % 2), SourceTime: now, ReceivedAt: now}
		}
		return list
	})
}
