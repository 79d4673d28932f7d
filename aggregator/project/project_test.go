package project_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
)

func received() time.Time { return time.Date(2026, 3, 10, 6, 0, 0, 123456789, time.UTC) }

func at() store.LeafAt {
	return store.LeafAt{Log: "l", Index: 7, AgentID: "a1", Class: event.Manufacturing, Received: received(), Offset: 1500 * time.Nanosecond}
}

func ordinary() event.Event {
	return event.Event{
		ID: event.NewID(received()), Type: "quality.check", Class: event.Manufacturing, Severity: event.SeverityLow,
		Timestamp: received().Add(-time.Second), CollectedAt: received(), Station: "hamburg/st01", Equipment: "press",
		Data: []byte(`{"panel":"4711","note":"Grüße an\nalle"}`), SourceIP: "10.4.1.7", Salt: event.NewSalt(),
	}
}

func leafOf(t testing.TB, e event.Event) []byte {
	leaf, err := e.Leaf()
	require.NoError(t, err)
	return leaf
}

func TestAnOrdinaryLeafBecomesARowWithAllItsFields(t *testing.T) {
	e := ordinary()
	leaf := leafOf(t, e)
	row, ok := project.Project(leaf, at())
	require.True(t, ok)
	require.Empty(t, row.Problems)
	require.False(t, row.Quarantined)
	require.Equal(t, evidence.LeafHash(leaf), row.LeafHash)
	require.Equal(t, e.ID, row.ID)
	require.Equal(t, received().Add(-time.Second).Truncate(time.Microsecond), row.At)
	require.Equal(t, received().Truncate(time.Microsecond), row.ReceivedAt)
	require.Equal(t, time.Microsecond, row.Offset)
	require.Equal(t, string(e.Data), string(row.Data))
	require.Equal(t, "10.4.1.7", row.SourceIP)
	require.Contains(t, row.Words, "grüße an alle")
	require.Contains(t, row.Words, "hamburg st01 press")
}

func TestWhatDescribesALogIsNoRow(t *testing.T) {
	for _, typ := range []string{"log.opened", "log.closed", "log.key", "log.heartbeat", "log.registered", "log.roots", "signal.summary"} {
		e := ordinary()
		e.Type = typ
		_, ok := project.Project(leafOf(t, e), at())
		require.False(t, ok, typ)
	}
	for _, typ := range []string{"log.cleared", "log.forked", "audit.gap", "x.acme.thing", "newer.type"} {
		e := ordinary()
		e.Type = typ
		_, ok := project.Project(leafOf(t, e), at())
		require.True(t, ok, typ)
	}
}

func TestATimeFarFromItsArrivalIsFlaggedAndPlacedByArrival(t *testing.T) {
	for offset, placed := range map[time.Duration]bool{
		-project.Past: true, -project.Past - time.Millisecond: false, project.Future: true, project.Future + time.Millisecond: false,
	} {
		e := ordinary()
		e.Timestamp = received().Truncate(time.Microsecond).Add(offset)
		row, _ := project.Project(leafOf(t, e), at())
		require.Equal(t, e.Timestamp, row.Timestamp)
		if placed {
			require.Equal(t, e.Timestamp, row.At)
			require.Empty(t, row.Problems)
		} else {
			require.Equal(t, row.ReceivedAt, row.At)
			require.Equal(t, "timestamp", row.Problems[0].Field)
		}
	}
}

func TestAClassOtherThanTheLogsIsFlagged(t *testing.T) {
	e := ordinary()
	e.Class = event.Security
	row, _ := project.Project(leafOf(t, e), at())
	require.Equal(t, event.Manufacturing, row.Class)
	require.Equal(t, "class", row.Problems[0].Field)
}

func TestALeafOutsideTheProfileGoesToQuarantineWithItsReason(t *testing.T) {
	for _, leaf := range []string{"", "{", `{"a":1,"a":2}`, "\x00\xff", `{"event_data":{"n":1e999}}`} {
		row, ok := project.Project([]byte(leaf), at())
		require.True(t, ok)
		require.True(t, row.Quarantined)
		require.Equal(t, project.TypeQuarantined, row.Type)
		require.NotEmpty(t, row.Problems)
		require.Equal(t, row.ReceivedAt, row.At)
		require.Len(t, row.ID, 36)
	}
	row, _ := project.Project([]byte(`{"station":"hamburg/st01", "x":1}`), at()) // a space is outside the profile
	require.True(t, row.Quarantined)
	require.Equal(t, "hamburg/st01", row.Station)
}

func TestAnEnvelopeWithFaultsIsARowWithProblems(t *testing.T) {
	row, ok := project.Project([]byte(`{"id":"no","event_type":"quality.check","severity":"loud","station":"UPPER","source_ip":"10.1.2.3.4","event_data":[1],"new_key":1}`), at())
	require.True(t, ok)
	require.False(t, row.Quarantined)
	require.Equal(t, "quality.check", row.Type)
	require.Equal(t, event.SeverityInfo, row.Severity)
	require.Empty(t, row.Station)
	require.Empty(t, row.SourceIP)
	require.Nil(t, row.Data)
	require.Len(t, row.ID, 36)
	require.GreaterOrEqual(t, len(row.Problems), 6)
}

// sameKeys: a row without problems has all data keys that its leaf names.
func sameKeys(t *testing.T, leaf []byte, row store.Row) {
	if row.Quarantined || len(row.Problems) > 0 {
		return
	}
	ids := map[string]bool{}
	for _, f := range row.Sealed {
		ids[f.Key] = true
	}
	named := seal.KeyIDs(leaf)
	require.Len(t, ids, len(named))
	for _, id := range named {
		require.True(t, ids[id], id)
	}
}

func TestARowWithoutProblemsHasAllDataKeysOfItsLeaf(t *testing.T) {
	one, other := event.SealedField{Key: strings.Repeat("ab", 32), Text: "AAAA"}, event.SealedField{Key: strings.Repeat("0f", 32), Text: "AAAA"}
	for _, sealed := range []map[string]event.SealedField{nil, {"a": one}, {"a": one, "event_data.b[0].\"c": other, "d": one}} {
		e := ordinary()
		e.Sealed = sealed
		leaf := leafOf(t, e)
		row, _ := project.Project(leaf, at())
		require.Empty(t, row.Problems)
		sameKeys(t, leaf, row)
		broken := bytes.Replace(leaf, []byte(`"AAAA"`), []byte(`"A"`), 1)
		row, _ = project.Project(broken, at())
		require.Equal(t, len(sealed) > 0, len(row.Problems) > 0, "what is left out of Sealed is a problem")
	}
}

func TestAHashThatIsKnownIsNotMadeAgain(t *testing.T) {
	known := at()
	known.Hash = evidence.LeafHash([]byte("x"))
	row, _ := project.Project(leafOf(t, ordinary()), known)
	require.Equal(t, known.Hash, row.LeafHash)
}

// FuzzProject: whatever a leaf holds, the row is one that both databases take.
func FuzzProject(f *testing.F) {
	e := ordinary()
	leaf, err := e.Leaf()
	require.NoError(f, err)
	for _, seed := range []string{string(leaf), "{}", "{", `{"event_type":"a.b","timestamp":"1601-01-01T00:00:00Z"}`, `{"source_ip":"fe80::1%eth0"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, leaf []byte) {
		row, ok := project.Project(leaf, at())
		if !ok {
			return
		}
		require.Len(t, row.ID, 36)
		require.NotEmpty(t, row.Type)
		require.LessOrEqual(t, int(row.Severity), 5)
		sameKeys(t, leaf, row)
		require.WithinRange(t, row.At, received().Add(-project.Past-time.Second), received().Add(project.Future+time.Second))
		for _, s := range []string{row.Type, row.Station, row.Equipment, row.Signal, row.CorrelationID, row.UserID, row.Words, row.SourceIP} {
			require.True(t, utf8.ValidString(s))
			require.NotContains(t, s, "\x00")
		}
	})
}
