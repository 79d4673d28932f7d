// Package project makes the row of the events table out of a leaf. It decides
// what of a leaf is valid before a database sees it: what does not fit its column
// stays empty and is named under the row's problems, and a leaf outside the
// profile becomes a row in quarantine. It never fails, so one bad leaf holds up
// nothing.
package project

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/query"
)

// Window of Row.At around the time of arrival: stations catch up after weeks
// without a network, clocks run a little ahead, PLCs say 1970 and 1601.
const (
	Past   = 35 * 24 * time.Hour
	Future = 24 * time.Hour
)

// TypeQuarantined is the type of a row whose leaf is outside the profile.
const TypeQuarantined = "ingest.quarantined"

// Project is the store.Projector.
func Project(leaf []byte, at store.LeafAt) (store.Row, bool) {
	row := store.Row{
		Log: at.Log, Index: at.Index, AgentID: at.AgentID, Class: at.Class,
		ReceivedAt: micro(at.Received), Offset: at.Offset.Truncate(time.Microsecond),
		Leaf: leaf, LeafHash: at.Hash,
	}
	if row.LeafHash == (evidence.Hash{}) {
		row.LeafHash = evidence.LeafHash(leaf)
	}
	e, problems, err := event.Parse(leaf)
	if err != nil {
		quarantine(&row, err)
		return row, true
	}
	if !event.IsRow(e.Type) {
		return row, false
	}
	row.Problems = problems
	fill(&row, e)
	place(&row)
	row.Words = words(e)
	return row, true
}

// fill takes the fields over from the event; the parser has left out what breaks
// the rules of the envelope.
func fill(row *store.Row, e *event.Event) {
	row.ID, row.Type, row.Severity, row.Station = e.ID, e.Type, e.Severity, e.Station
	row.Timestamp, row.CollectedAt = micro(e.Timestamp), micro(e.CollectedAt)
	row.Equipment, row.Signal = e.Equipment, e.Signal
	row.CorrelationID, row.UserID = e.CorrelationID, e.UserID
	row.Data, row.Context, row.Sealed = e.Data, e.Context, e.Sealed
	row.Problems = append(row.Problems, e.Metadata.Problems...)
	switch e.Class {
	case row.Class:
	case "":
	default:
		// The log decides how long an event is kept, not the event.
		row.Problems = append(row.Problems, event.Problem{Field: "class", Reason: "is not that of its log"})
	}
	if e.SourceIP != "" {
		ip, err := netip.ParseAddr(e.SourceIP)
		if err != nil || ip.Zone() != "" {
			row.Problems = append(row.Problems, event.Problem{Field: "source_ip", Reason: "no bare address"})
		} else {
			row.SourceIP = ip.String()
		}
	}
	if row.ID == "" {
		row.ID = hashID(row.LeafHash)
	}
	if row.Type == "" {
		row.Type, row.Quarantined = TypeQuarantined, true
		row.Data, row.Context = nil, nil
	}
}

// place gives the row its place in time.
func place(row *store.Row) {
	row.At = row.ReceivedAt
	switch {
	case row.Timestamp.IsZero():
		return // the parser has said so
	case row.Timestamp.Before(row.ReceivedAt.Add(-Past)):
		row.Problems = append(row.Problems, event.Problem{Field: "timestamp", Reason: "more than 35 days before its arrival"})
	case row.Timestamp.After(row.ReceivedAt.Add(Future)):
		row.Problems = append(row.Problems, event.Problem{Field: "timestamp", Reason: "more than a day after its arrival"})
	default:
		row.At = row.Timestamp
	}
}

// quarantine makes the row of a leaf outside the profile. Its station is taken
// over where it can be read, so that those who answer for the station see it.
func quarantine(row *store.Row, err error) {
	row.Quarantined = true
	row.ID, row.Type, row.Severity, row.At = hashID(row.LeafHash), TypeQuarantined, event.SeverityMedium, row.ReceivedAt
	row.Problems = []event.Problem{{Field: "leaf", Reason: event.Clean(err.Error())}}
	var loose struct {
		Station string `json:"station"`
	}
	if json.Unmarshal(row.Leaf, &loose) == nil && event.ValidStation(loose.Station) == nil {
		row.Station = loose.Station
	}
	row.Words = words(&event.Event{Type: row.Type, Station: row.Station})
}

// hashID is a UUID (version 8, RFC 9562) made of the leaf's hash.
func hashID(h evidence.Hash) string {
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	text := hex.EncodeToString(h[:16])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// maxWord is the longest word that can be searched, in bytes: PostgreSQL refuses
// lexemes beyond 2 KiB, and longer ones are encoded data.
const maxWord = 255

// words is the text that a search by free words looks through.
func words(e *event.Event) string {
	text := query.Words(e)
	if len(text) <= maxWord {
		return text
	}
	kept := slices.DeleteFunc(strings.Split(text, " "), func(w string) bool { return len(w) > maxWord })
	return strings.Join(kept, " ")
}

// micro is the precision that both databases keep.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}
