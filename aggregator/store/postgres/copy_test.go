package postgres_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/postgres"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/peertest"
)

// copyRows are a row with all columns, one with the fewest, and addresses of all kinds.
func copyRows(t testing.TB) []store.Row {
	at := time.Date(2026, 3, 10, 6, 0, 0, 123456000, time.UTC)
	full := store.Row{
		Log: "l", Index: 7, At: at, ReceivedAt: at.Add(time.Second), Offset: -1500 * time.Microsecond, ID: event.NewID(at),
		Type: "quality.check", Class: event.Manufacturing, Severity: event.SeverityHigh, Timestamp: at.AddDate(-40, 0, 0),
		CollectedAt: at, Station: "hamburg/st01", Equipment: "press", Signal: "press.temperature", CorrelationID: "c", UserID: "p-1",
		SourceIP: "10.4.1.7", AgentID: "a1", Quarantined: true, Problems: []event.Problem{{Field: "x", Reason: "Grüße\n"}},
		Leaf: bytes.Repeat([]byte("leaf \x00\xff"), 20_000), Data: []byte(`{"a":[1,2.5,"x"]}`), Context: []byte(`{}`), Words: "grüße an alle",
	}
	bare := store.Row{Log: "l", At: at, ReceivedAt: at, ID: event.NewID(at), Type: "a.b", Class: event.Debug, AgentID: "a", Leaf: []byte("{}")}
	rows := []store.Row{full, bare}
	for i, ip := range []string{"::1", "fe80::1", "::ffff:10.1.2.3", "255.255.255.255"} {
		r := bare
		r.Index, r.SourceIP, r.ID = uint64(i+1), ip, event.NewID(at)
		rows = append(rows, r)
	}
	return rows
}

func TestRowsAreCopiedAsTheLibraryOfTheDatabaseWouldDo(t *testing.T) {
	dsn := peertest.Postgres(t)
	s, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	defer s.Close()
	storetest.NewPlant(t, s, 1).Fill(t, s, 1, 1, time.Millisecond) // makes a partition
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `CREATE TABLE events_rest PARTITION OF events DEFAULT`)
	require.NoError(t, err)
	for i, r := range copyRows(t) {
		values, err := postgres.CopyValues(r, 1_000, int64(i))
		require.NoError(t, err)
		_, err = conn.CopyFrom(t.Context(), pgx.Identifier{"events"}, postgres.CopyColumns(), pgx.CopyFromRows([][]any{values}))
		require.NoError(t, err)
		own, err := postgres.CopyBinary(r, 2_000, int64(i))
		require.NoError(t, err)
		_, err = conn.PgConn().CopyFrom(t.Context(), bytes.NewReader(own), postgres.CopyInto())
		require.NoError(t, err)
	}
	var differ, all int
	columns := strings.Join(postgres.CopyColumns()[1:], ", ")
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT `+columns+` FROM events WHERE log = 1000
		EXCEPT SELECT `+columns+` FROM events WHERE log = 2000) x`).Scan(&differ))
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE log >= 1000`).Scan(&all))
	require.Zero(t, differ)
	require.Equal(t, 2*len(copyRows(t)), all)
}

func TestWhatDoesNotFitItsColumnIsRefusedAlone(t *testing.T) {
	s, err := postgres.Open(t.Context(), peertest.Postgres(t), postgres.Options{})
	require.NoError(t, err)
	defer s.Close()
	l := storetest.NewLog("a", event.Manufacturing).Register(t, s)
	events := make([]event.Event, 12)
	for i := range events {
		events[i] = l.Event("hamburg/st01", "quality.check")
	}
	a := l.Append(t, events...)
	a.Rows[1].ID = "no uuid"
	a.Rows[3].ID = "0123456789012345678901234567890123456789"
	a.Rows[5].SourceIP = "10.1.2.3.4"
	a.Rows[7].Equipment = "\xff\xfe"
	a.Rows[9].Words = "a\x00b"
	done := storetest.Commit(t, s, a)
	refused := []uint64{}
	for _, r := range done.Refused {
		refused = append(refused, r.Index)
	}
	require.ElementsMatch(t, []uint64{1, 3, 5, 7, 9}, refused)
}

// BenchmarkCopyRow is what encoding a row for COPY costs.
func BenchmarkCopyRow(b *testing.B) {
	r := copyRows(b)[0]
	r.Leaf = r.Leaf[:600]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := postgres.AppendRow(nil, r); err != nil {
			b.Fatal(err)
		}
	}
}
