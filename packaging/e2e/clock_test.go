//go:build linux

package e2e

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// plainSource is CountSource without the message's time: the station's clock counts.
func plainSource(broker string) string {
	return fmt.Sprintf("mqtt:\n  - name: uns\n    broker: %s\n    topics:\n"+
		"      - {match: \"plant/${station.line}/count\", payload: json, event: %s}\n", broker, CountType)
}

func TestAStationWithAWrongClockForwardsInOrderAndItsOffsetIsRecorded(t *testing.T) {
	t.Parallel()
	program := WrongClock(t)
	store := peertest.Postgres(t)
	p := New(t, Options{Store: store})
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	year := 365 * 24 * time.Hour
	clocks := map[string]struct {
		by, step time.Duration
	}{
		"in2009":   {time.Until(time.Date(2009, 11, 10, 23, 0, 0, 0, time.UTC)), 0},
		"in3years": {3 * year, 0},
		"stepping": {-time.Hour, 2 * time.Hour},
		"in1971":   {time.Until(time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC)), 0}, // no battery, no NTP
	}
	stations := map[string]*Station{}
	for name, c := range clocks {
		s := p.Machine(name, plainSource(broker.URL))
		s.Program, s.Env = program, []string{fmt.Sprintf("%s=%d/%d", EnvClock, int64(c.by.Seconds()), int64(c.step.Seconds()))}
		s.Enrol(p.EnrolToken())
		s.Start()
		stations[name] = s
	}
	messages := Soak(12, 120) * 100
	Flood(t, broker.URL, 0, messages, 100, nil)
	for name, s := range stations {
		require.Len(t, p.WaitCounted(s.Name, messages), messages, name)
		p.checkClock(t, s, clocks[name].by, clocks[name].step)
	}
	require.Empty(t, p.Events("type:audit.gap"))
	require.Contains(t, p.Command("verify"), "everything agrees")
	require.LessOrEqual(t, len(partitions(t, store)), 3, "no partition for a year that is not")
}

// checkClock looks at the events of a station whose clock is wrong by one of two
// differences.
func (p *Plant) checkClock(t *testing.T, s *Station, by, step time.Duration) {
	t.Helper()
	for _, e := range p.Events(fmt.Sprintf("type:%s station:%s", CountType, s.Name)) {
		wrong := e.Leaf.Timestamp.Sub(e.Stored.ReceivedAt)
		right := min((wrong - by).Abs(), (wrong - by - step).Abs())
		require.Less(t, right, 30*time.Second, "the leaf keeps the station's own time")
		offset := -time.Duration(e.Stored.OffsetMS) * time.Millisecond
		right = min((offset - by).Abs(), (offset - by - step).Abs())
		require.Less(t, right, 30*time.Second, "the offset stands beside the leaf: %s", offset)
		if wrong > 24*time.Hour || wrong < -35*24*time.Hour {
			require.Equal(t, e.Stored.ReceivedAt, e.Stored.At)
			require.NotEmpty(t, e.Stored.Problems)
		}
	}
}

func TestTimesOfPLCsThatCannotBeAreKeptFlaggedAndForwarded(t *testing.T) {
	t.Parallel()
	store := peertest.Postgres(t)
	p := New(t, Options{Store: store})
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	client := Publisher(t, broker.URL)
	local := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Millisecond) // Berlin's summer time, sent as UTC
	said := []string{"1601-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1980-01-01T00:00:00Z", "2106-02-07T06:28:15Z", local.Format(time.RFC3339Nano)}
	for n, ts := range said {
		Publish(t, client, "plant/line3/count", fmt.Sprintf(`{"n":%d,"ts":%q}`, n, ts))
	}
	Publish(t, client, "plant/line3/count", fmt.Sprintf(`{"n":%d,"ts":%q}`, len(said), time.Now().UTC().Format(time.RFC3339Nano)))
	require.Len(t, p.WaitCounted(s.Name, len(said)+1), len(said)+1)
	for _, e := range p.Events("type:" + CountType) {
		var data struct {
			N  int
			TS string
		}
		e.Into(t, &data)
		problems := append(e.Leaf.Metadata.Problems, e.Stored.Problems...)
		if data.N == len(said) {
			require.Empty(t, problems)
			continue
		}
		require.Equal(t, said[data.N], data.TS, "the message is kept as it came")
		require.NotEmpty(t, problems, "%s is flagged", data.TS)
		require.Equal(t, "timestamp", problems[0].Field)
		if data.N > 0 { // a leaf can't say 1601: the agent's time stands instead, and the problem names it
			require.Equal(t, data.TS, e.Leaf.Timestamp.UTC().Format(time.RFC3339Nano), "the source's time is kept")
		}
		require.Contains(t, fmt.Sprint(problems)+data.TS, data.TS)
		require.WithinDuration(t, time.Now(), e.Stored.At, 3*time.Hour, "and sorted where it happened")
	}
	require.LessOrEqual(t, len(partitions(t, store)), 3, "no partition for a year that is not")
}

// partitions are those of the events table.
func partitions(t *testing.T, dsn string) (names []string) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	require.NotEmpty(t, names)
	return names
}
