package event_test

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/linewatch/linewatch/shared/event"
)

// benchLeaf is an event of ordinary size without a curve.
func benchLeaf(b *testing.B) []byte {
	e := sample()
	e.Curve, e.Sealed = nil, nil
	leaf, err := e.Leaf()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(leaf)))
	b.ReportAllocs()
	return leaf
}

func BenchmarkParse(b *testing.B) {
	leaf := benchLeaf(b)
	for b.Loop() {
		if _, _, err := event.Parse(leaf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	leaf := benchLeaf(b)
	for b.Loop() {
		if err := event.Check(leaf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNormalize(b *testing.B) {
	leaf := benchLeaf(b)
	for b.Loop() {
		if _, err := event.Normalize(leaf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendLeaf(b *testing.B) {
	benchLeaf(b)
	e := sample()
	e.Curve, e.Sealed = nil, nil
	var buffer []byte
	for b.Loop() {
		var err error
		if buffer, err = e.AppendLeaf(buffer[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStandardUnmarshal is the peer of BenchmarkParse: the same envelope by
// encoding/json, which finds none of the faults of the profile.
func BenchmarkStandardUnmarshal(b *testing.B) {
	leaf := benchLeaf(b)
	for b.Loop() {
		var e struct {
			ID, EventType, Class, Severity, Timestamp, Station string
			EventData, Context, Metadata, Source               json.RawMessage
		}
		if err := json.Unmarshal(leaf, &e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStandardTokens is the other peer: token by token, as duplicate keys
// would have to be found with encoding/json.
func BenchmarkStandardTokens(b *testing.B) {
	leaf := benchLeaf(b)
	for b.Loop() {
		d := json.NewDecoder(bytes.NewReader(leaf))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkParseSealed is BenchmarkParse of an event with a sealed field.
func BenchmarkParseSealed(b *testing.B) {
	e := sample()
	e.Curve = nil
	leaf, err := e.Leaf()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := event.Parse(leaf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMissing is the look for required fields in event_data.
func BenchmarkMissing(b *testing.B) {
	info, _ := event.Lookup("quality.check")
	data := []byte(`{"panel":4711,"result":"pass","characteristic":"gap","value":0.2,"stationId":"a/b","productId":"4711"}`)
	b.ReportAllocs()
	for b.Loop() {
		event.Missing(info, data)
	}
}

// BenchmarkTexts is what the words for the search are read with.
func BenchmarkTexts(b *testing.B) {
	data := []byte(`{"panel":4711,"result":"pass","characteristic":"gap","value":0.2,"stationId":"a/b","note":"nothing to say","list":["a","b"]}`)
	b.ReportAllocs()
	for b.Loop() {
		event.Texts(data, func(string) bool { return true })
	}
}
