package seal_test

import (
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// BenchmarkSeal is what one sealed field costs an event.
func BenchmarkSeal(b *testing.B) {
	k := dataKey(b, private(b, seal.MLKEM768P256).Public())
	value := []byte(`"HMI-4"`)
	b.ReportAllocs()
	for b.Loop() {
		k.Seal(eventID, "event_data.device", value)
	}
}

// BenchmarkOpen is what reading one costs.
func BenchmarkOpen(b *testing.B) {
	k := dataKey(b, private(b, seal.MLKEM768P256).Public())
	f := k.Seal(eventID, "event_data.device", []byte(`"HMI-4"`))
	for b.Loop() {
		if _, err := k.Open(eventID, "event_data.device", f); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNewDataKey is what a new person, a new month or a restart costs.
func BenchmarkNewDataKey(b *testing.B) {
	for _, suite := range []seal.Suite{seal.P256, seal.MLKEM768P256} {
		b.Run(string(suite), func(b *testing.B) {
			to := private(b, suite).Public()
			for b.Loop() {
				dataKey(b, to)
			}
		})
	}
}

// BenchmarkPolicy is what looking at an event without anything to seal costs.
func BenchmarkPolicy(b *testing.B) {
	policy, err := seal.NewPolicy(nil)
	if err != nil {
		b.Fatal(err)
	}
	data := []byte(`{"panel":4711,"result":"pass","characteristic":"gap","value":0.2,"stationId":"hamburg/body/line3/st07","productId":"4711","limits":{"lo":0.1,"hi":0.3}}`)
	keep := func(string, string, []byte) seal.Verdict { return seal.Verdict{} }
	b.ReportAllocs()
	for b.Loop() {
		policy.For("quality.check").Apply(data, "event_data", keep)
	}
}

// BenchmarkSealEvent is what the policy costs an event with one person in it.
func BenchmarkSealEvent(b *testing.B) {
	policy, err := seal.NewPolicy(nil)
	if err != nil {
		b.Fatal(err)
	}
	ring := seal.NewRing()
	ring.SetRecipient(private(b, seal.P256).Public())
	s := seal.Sealer{Policy: policy, Keys: ring, Pseudonym: func(*event.Event, string) (string, bool) {
		return "p-00112233445566778899aabbccddeeff", true
	}}
	data := []byte(`{"panel":4711,"result":"pass","characteristic":"gap","value":0.2,"by":"camera 3","note":"nothing to say"}`)
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		e := event.Event{ID: eventID, Type: "quality.check", CollectedAt: at, Data: data}
		s.Event(&e)
	}
}

// BenchmarkKeyIDs is the look for data keys in an ordinary leaf.
func BenchmarkKeyIDs(b *testing.B) {
	at := time.Now()
	e := event.Event{
		ID: event.NewID(at), Type: "quality.check", Class: event.Manufacturing, Timestamp: at, CollectedAt: at, Station: "hamburg/st01",
		Data:   []byte(`{"n":4711,"ts":1763800000000,"result":"pass","characteristic":"gap","value":0.25,"by":"p-00112233445566778899aabbccddeeff","note":"000000000000000000000000000000"}`),
		Sealed: map[string]event.SealedField{"event_data.by": dataKey(b, private(b, seal.P256).Public()).Seal(event.NewID(at), "event_data.by", []byte(`"camera"`))},
	}
	leaf, err := e.Leaf()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		seal.KeyIDs(leaf)
	}
}
