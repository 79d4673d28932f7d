package postgres_test

import (
	"context"
	"net"
	"net/url"
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

const station = "hamburg/body/line3/st07"

func openAt(t testing.TB, dsn string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func TestTheViewHasTheColumnsAndTypesOfTheRequirements(t *testing.T) {
	dsn := peertest.Postgres(t)
	s, conn := openAt(t, dsn), connect(t, dsn)
	l := storetest.NewLog("a", event.Security).Register(t, s)
	e := l.Event(station, "user.login", func(e *event.Event) {
		e.Severity, e.UserID, e.CorrelationID, e.SourceIP = event.SeverityHigh, "p-1", "req-456", "192.168.1.100"
		e.Context = []byte(`{"sessionId":"sess-789"}`)
	})
	storetest.Commit(t, s, l.Append(t, e))
	for range 2 { // as it is, and after a rebuild
		rows, err := conn.Query(t.Context(), `SELECT column_name || ' ' || upper(data_type) || coalesce('(' || character_maximum_length || ')', '')
			FROM information_schema.columns WHERE table_name = 'security_events' ORDER BY ordinal_position`)
		require.NoError(t, err)
		columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.Equal(t, []string{
			"id UUID", "event_type CHARACTER VARYING(100)", "event_data JSONB", "context JSONB",
			"timestamp TIMESTAMP WITH TIME ZONE", "correlation_id CHARACTER VARYING(100)", "user_id CHARACTER VARYING(100)",
			"source_ip INET", "severity CHARACTER VARYING(20)", "processed BOOLEAN", "created_at TIMESTAMP WITH TIME ZONE",
		}, columns)
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM security_events WHERE id = $1 AND event_type = 'user.login'
			AND event_data @> '{"result":"pass"}' AND context->>'sessionId' = 'sess-789' AND timestamp = $2 AND correlation_id = 'req-456'
			AND user_id = 'p-1' AND source_ip = '192.168.1.100' AND severity = 'high' AND NOT processed AND created_at > timestamp`,
			e.ID, e.Timestamp).Scan(&n))
		require.Equal(t, 1, n)
		require.NoError(t, s.Rebuild(t.Context(), storetest.Projector(), nil))
	}
}

// TestTheFeedWaitsForASlowWriter: a commit with a smaller transaction id ends
// after one with a larger; a reader that had gone on would never see it.
func TestTheFeedWaitsForASlowWriter(t *testing.T) {
	dsn := peertest.Postgres(t)
	s, conn := openAt(t, dsn), connect(t, dsn)
	l, m := storetest.NewLog("slow", event.Manufacturing).Register(t, s), storetest.NewLog("fast", event.Manufacturing).Register(t, s)
	storetest.Commit(t, s, m.Append(t, m.Event("hamburg/fast", "quality.check"))) // makes the partitions
	start, err := s.Feed(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, start.Rows, 1)
	// The slow commit is held up at the head of its log, after it took its position.
	lock, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), `SELECT 1 FROM logs WHERE log = $1 FOR UPDATE`, l.ID)
	require.NoError(t, err)
	slow := make(chan error, 1)
	a := l.Append(t, l.Event("hamburg/slow", "quality.check"))
	go func() {
		_, err := s.Commit(t.Context(), store.Change{Segments: []store.Append{a}})
		slow <- err
	}()
	watch := connect(t, dsn)
	require.Eventually(t, func() bool {
		var waiting int
		err := watch.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE logs%'`).Scan(&waiting)
		return err == nil && waiting > 0
	}, 20*time.Second, 5*time.Millisecond)
	storetest.Commit(t, s, m.Append(t, m.Event("hamburg/fast", "quality.check")))
	page, err := s.Events(t.Context(), storetest.All(""))
	require.NoError(t, err)
	require.Len(t, page.Rows, 2, "lists show the fast one")
	feed, err := s.Feed(t.Context(), start.Cursor, 10)
	require.NoError(t, err)
	require.Empty(t, feed.Rows, "the feed waits")
	changed := s.Changed()
	require.NoError(t, lock.Commit(t.Context()))
	require.NoError(t, <-slow)
	var order []string
	for len(order) < 2 {
		page, err := s.Feed(t.Context(), feed.Cursor, 10)
		require.NoError(t, err)
		for _, r := range page.Rows {
			order = append(order, r.Log)
		}
		feed.Cursor = page.Cursor
		if len(order) == 2 {
			break
		}
		select {
		case <-changed:
			changed = s.Changed()
		case <-time.After(20 * time.Second):
			require.Fail(t, "nobody said that the feed goes on")
		}
	}
	require.Equal(t, []string{l.ID, m.ID}, order)
}

func TestAnotherAggregatorsCommitIsNoticed(t *testing.T) {
	dsn := peertest.Postgres(t)
	one, two := openAt(t, dsn), openAt(t, dsn)
	l := storetest.NewLog("a", event.Manufacturing).Register(t, one)
	cursor := ""
	for i := range 5 {
		storetest.Commit(t, one, l.Append(t, l.Event(station, "quality.check")))
		require.Eventually(t, func() bool {
			changed := two.Changed()
			page, err := two.Feed(t.Context(), cursor, 10)
			require.NoError(t, err)
			cursor = page.Cursor
			if len(page.Rows) == 1 {
				require.Equal(t, uint64(i), page.Rows[0].Index)
				return true
			}
			select {
			case <-changed:
			case <-time.After(5 * time.Second):
			}
			return false
		}, 20*time.Second, time.Millisecond)
	}
}

func TestADatabaseThatIsAwayIsAnErrorAndComesBack(t *testing.T) {
	server := peertest.StartPostgres(t, peertest.PostgresConfig{})
	s, err := postgres.Open(t.Context(), server.Database(t), postgres.Options{Timeout: 5 * time.Second})
	require.NoError(t, err)
	defer s.Close()
	l := storetest.NewLog("a", event.Manufacturing).Register(t, s)
	storetest.Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	server.Kill(t)
	a := l.Append(t, l.Event(station, "quality.check"))
	began := time.Now()
	_, err = s.Commit(t.Context(), store.Change{Segments: []store.Append{a}})
	require.Error(t, err)
	_, err = s.Events(t.Context(), storetest.All(""))
	require.Error(t, err)
	require.Error(t, s.Ping(t.Context()))
	require.Less(t, time.Since(began), 20*time.Second)
	server.Start(t)
	require.Eventually(t, func() bool { return s.Ping(t.Context()) == nil }, 30*time.Second, 50*time.Millisecond)
	changed := s.Changed()
	storetest.Commit(t, s, a)
	select {
	case <-changed:
	case <-time.After(20 * time.Second):
		require.Fail(t, "nobody listens any more")
	}
	rows, err := s.Events(t.Context(), storetest.All(""))
	require.NoError(t, err)
	require.Len(t, rows.Rows, 2)
}

// TestADatabaseThatDoesNotAnswerIsAnError: the connection stands, nothing comes.
func TestADatabaseThatDoesNotAnswerIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	began := time.Now()
	_, err = postgres.Open(t.Context(), "postgres://u:secret@"+listener.Addr().String()+"/db?sslmode=disable", postgres.Options{Timeout: time.Second})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
	require.Less(t, time.Since(began), 15*time.Second)
}

func TestAStuckStatementEndsWithItsTimeout(t *testing.T) {
	dsn := peertest.Postgres(t)
	conn := connect(t, dsn)
	s, err := postgres.Open(t.Context(), dsn, postgres.Options{Timeout: time.Second})
	require.NoError(t, err)
	defer s.Close()
	l := storetest.NewLog("a", event.Manufacturing).Register(t, s)
	lock, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), `LOCK TABLE segments`)
	require.NoError(t, err)
	a := l.Append(t, l.Event(station, "quality.check"))
	_, err = s.Commit(t.Context(), store.Change{Segments: []store.Append{a}})
	require.Error(t, err)
	require.NoError(t, lock.Rollback(t.Context()))
	storetest.Commit(t, s, a)
}

func TestARestoredDumpBeginsANewEpoch(t *testing.T) {
	dsn := peertest.Postgres(t)
	s := openAt(t, dsn)
	l := storetest.NewLog("a", event.Manufacturing).Register(t, s)
	storetest.Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	conn := connect(t, dsn)
	// What a dump brings into another cluster: its name, and positions ahead of the ids there.
	_, err := conn.Exec(t.Context(), `UPDATE meta SET value = value + 1 WHERE key = 'cluster'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE segments SET pos = pos + 1000000`)
	require.NoError(t, err)
	again := openAt(t, dsn)
	storetest.Commit(t, again, l.Append(t, l.Event(station, "quality.check")))
	var first, second int64
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT min(pos), max(pos) FROM segments`).Scan(&first, &second))
	require.Equal(t, int64(1), first>>48)
	require.Equal(t, int64(2), second>>48)
}

func TestPartitionsAreMonthsAheadOfTheEvents(t *testing.T) {
	dsn := peertest.Postgres(t)
	s, conn := openAt(t, dsn), connect(t, dsn)
	l := storetest.NewLog("a", event.Manufacturing).Register(t, s)
	l.Clock = time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	storetest.Commit(t, s, l.Append(t, l.Event(station, "quality.check"),
		l.Event(station, "quality.check", func(e *event.Event) { e.Timestamp = e.Timestamp.AddDate(0, 0, -30) })))
	rows, err := conn.Query(t.Context(), `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass ORDER BY 1`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"events_g0_202602", "events_g0_202603", "events_g0_202604"}, names)
	require.NoError(t, s.Rebuild(t.Context(), storetest.Projector(), nil))
	storetest.Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	var count int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'events\_g%'`).Scan(&count))
	require.Equal(t, 3, count, "the old partitions are gone")
}

// TestOneMessageThatTheEncoderRefusesIsSetApart: pgx ends the COPY itself, which
// the server reports as a cancelled query.
func TestOneMessageThatTheEncoderRefusesIsSetApart(t *testing.T) {
	s := openAt(t, peertest.Postgres(t))
	l := storetest.NewLog("a", event.Manufacturing).Register(t, s)
	var events []event.Event
	for range 801 {
		events = append(events, l.Event(station, "quality.check"))
	}
	a := l.Append(t, events...)
	a.Rows[400].SourceIP = "not an address"
	a.Rows[401].Words = "a\x00b"
	done := storetest.Commit(t, s, a)
	require.Len(t, done.Refused, 2)
	for _, r := range done.Refused {
		require.True(t, r.Index == 400 || r.Index == 401)
		require.False(t, strings.Contains(r.Reason, "timeout"))
	}
	n, err := s.Count(t.Context(), storetest.All("type:quality.check"), 0)
	require.NoError(t, err)
	require.Equal(t, 799, n)
	n, err = s.Count(t.Context(), storetest.All("type:ingest.quarantined"), 0)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestAnOrdinaryRoleIsEnough(t *testing.T) {
	dsn := peertest.Postgres(t)
	conn := connect(t, dsn)
	_, err := conn.Exec(t.Context(), `DROP ROLE IF EXISTS linewatch_ordinary; CREATE ROLE linewatch_ordinary LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO linewatch_ordinary`)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := conn.Exec(context.WithoutCancel(t.Context()), `DROP OWNED BY linewatch_ordinary; DROP ROLE linewatch_ordinary`)
		require.NoError(t, err)
	})
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.User = url.User("linewatch_ordinary")
	s, err := postgres.Open(t.Context(), u.String(), postgres.Options{})
	require.NoError(t, err)
	defer s.Close()
	l := storetest.NewLog("a", event.Manufacturing).Register(t, s)
	storetest.Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	require.NoError(t, s.Rebuild(t.Context(), storetest.Projector(), nil))
}
