package ingest

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// FuzzSpecialLeaves: leaves that change a log are read out of foreign bytes.
// Whatever stands in them, nothing panics, a key is a key, and a log.key leaf is
// accepted at the end of a segment only.
func FuzzSpecialLeaves(f *testing.F) {
	f.Add([]byte(`{"event_type":"log.key","event_data":{"publicKey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}`))
	f.Add([]byte(`{"event_type":"log.key","event_data":{"publicKey":5}}`))
	f.Add([]byte(`{"event_type":"log.opened","event_data":{"copies":18446744073709551615}}`))
	f.Add([]byte(`{"event_type":"log.opened","event_data":{"copies":-1}}`))
	f.Add([]byte(`{"event_type":"log.opened","event_data":null}`))
	f.Add([]byte(`{"sealed":{"a":{"key":"","text":""}},"x":"log.key"}`))
	f.Add(wiretest.Leaf("st07", 1))
	f.Add([]byte("\"log.key\"\xff"))
	f.Fuzz(func(t *testing.T, leaf []byte) {
		last := &job{seg: &wire.Segment{Leaves: [][]byte{leaf}}}
		err := last.readSpecial()
		if last.newKey != nil && (err != nil || len(last.newKey) != ed25519.PublicKeySize) {
			t.Fatalf("key %x with %v", last.newKey, err)
		}
		before := &job{seg: &wire.Segment{Leaves: [][]byte{leaf, []byte(`{}`)}}}
		if before.readSpecial() == nil && before.newKey != nil {
			t.Fatal("a key before the end of the segment")
		}
		last.named()
	})
}

// FuzzSegmentBody: a body of foreign bytes ends in results or an error.
func FuzzSegmentBody(f *testing.F) {
	a := wiretest.NewAgent(f, "st07", "", nil)
	l := a.Log("security", "")
	f.Add(wiretest.Body(f, l.CommitN(2), l.CommitN(1)))
	f.Add([]byte("\x00\x00\x00\x02{}\x00\x00\x00\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := wire.NewReader(bytes.NewReader(body))
		for {
			seg, err := r.Next()
			if seg == nil || err != nil {
				return
			}
			j := &job{seg: seg}
			_ = j.readSpecial()
		}
	})
}
