package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// placed is a row with the numbers that order it.
type placed struct {
	store.Row
	log int32
	pos int64
}

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// add takes a row for the next flush.
func (w *writer) add(log int32, pos int64, r store.Row) {
	w.rows = append(w.rows, placed{r, log, pos})
}

// addCopy takes a copied leaf; flush looks whether it is there already.
func (w *writer) addCopy(log int32, pos int64, c store.Copy) {
	if w.copied == nil {
		w.copied = map[int]store.Copy{}
	}
	w.copied[len(w.rows)] = c
	w.add(log, pos, c.Row)
}

// flush writes the rows that were taken, and counts them; the copies last, when
// what they may be copies of is there.
func (w *writer) flush(ctx context.Context) error {
	var rows, copies []placed
	var of []store.Copy
	for i, r := range w.rows {
		if c, ok := w.copied[i]; ok {
			copies, of = append(copies, r), append(of, c)
		} else {
			rows = append(rows, r)
		}
	}
	w.rows, w.copied = nil, nil
	if err := w.put(ctx, rows); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	var fresh []placed
	for i, c := range of {
		there, err := w.copyOf(ctx, copies[i].log, c)
		if err != nil {
			return fmt.Errorf("copy at %d: %w", c.Index, err)
		}
		if !there {
			fresh = append(fresh, copies[i])
		}
	}
	if err := w.put(ctx, fresh); err != nil {
		return fmt.Errorf("copies: %w", err)
	}
	return nil
}

func (w *writer) put(ctx context.Context, rows []placed) error {
	if len(rows) == 0 {
		return nil
	}
	if err := w.store(ctx, rows); err != nil {
		return err
	}
	w.count(rows)
	w.putBlind(rows)
	return nil
}

// copyOf adds the address of a copied leaf to the row that shows it, if there is one.
func (w *writer) copyOf(ctx context.Context, log int32, c store.Copy) (bool, error) {
	var ofLog int32
	var ofIdx int64
	err := w.tx.QueryRow(ctx, `SELECT log, idx FROM `+w.prefix+`events WHERE id = $1 AND leaf_hash = $2 ORDER BY pos, log, idx LIMIT 1`,
		c.Row.ID, c.Hash[:]).Scan(&ofLog, &ofIdx)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	w.tail.Queue(`INSERT INTO `+w.prefix+`copy_rows (log, idx, of_log, of_idx) VALUES ($1, $2, $3, $4)`, log, int64(c.Index), ofLog, ofIdx)
	return true, err
}

// store copies rows into the table. What the database refuses is looked for by
// halves: the neighbours of a refused row are stored, the row itself once more
// without what is free in it.
func (w *writer) store(ctx context.Context, rows []placed) error {
	err := w.copyIn(ctx, rows)
	if err == nil || !isRefusal(err) {
		return err
	}
	if len(rows) > 1 {
		half := len(rows) / 2
		if err := w.store(ctx, rows[:half]); err != nil {
			return err
		}
		return w.store(ctx, rows[half:])
	}
	r := rows[0]
	reason := err.Error()
	w.refused = append(w.refused, store.RefusedRow{Log: r.Log, Index: r.Index, Reason: reason})
	w.tail.Queue(`INSERT INTO `+w.prefix+`refused (log, idx, reason) VALUES ($1, $2, $3) ON CONFLICT (log, idx) DO UPDATE SET reason = excluded.reason`,
		r.log, int64(r.Index), event.Clean(reason))
	rows[0].Row = store.Bare(r.Row, reason) // in place: it is counted as what it is now
	if err := w.copyIn(ctx, rows); err != nil && !isRefusal(err) {
		return err
	}
	return nil
}

// copyIn is one COPY behind a savepoint.
func (w *writer) copyIn(ctx context.Context, rows []placed) error {
	return pgx.BeginFunc(ctx, w.tx, func(tx pgx.Tx) error {
		_, err := tx.Conn().PgConn().CopyFrom(ctx, &copyReader{rows: rows}, copyInto(w.prefix+"events"))
		return err
	})
}

// count queues what is counted over the rows, in the order of the keys, so that
// two commits never wait for each other.
func (w *writer) count(rows []placed) {
	type hour struct {
		at       time.Time
		station  string
		severity event.Severity
	}
	stations, hours, types := map[string]*store.Station{}, map[hour]int64{}, map[string]bool{}
	for _, r := range rows {
		types[r.Type] = true
		hours[hour{r.At.UTC().Truncate(time.Hour), r.Station, r.Severity}]++
		st := stations[r.Station]
		if st == nil {
			st = &store.Station{First: r.At, Last: r.At}
			stations[r.Station] = st
		}
		st.Events, st.AgentID = st.Events+1, r.AgentID
		if r.At.Before(st.First) {
			st.First = r.At
		}
		if r.At.After(st.Last) {
			st.Last = r.At
		}
	}
	var names, agents []string
	var first, last []time.Time
	var events []int64
	for _, name := range slices.Sorted(maps.Keys(stations)) {
		st := stations[name]
		names, agents, events = append(names, name), append(agents, st.AgentID), append(events, int64(st.Events))
		first, last = append(first, st.First), append(last, st.Last)
	}
	w.tail.Queue(`INSERT INTO `+w.prefix+`stations AS s (station, first, last, events, agent)
		SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[])
		ON CONFLICT (station) DO UPDATE SET first = least(s.first, excluded.first), last = greatest(s.last, excluded.last),
		events = s.events + excluded.events, agent = excluded.agent`, names, first, last, events, agents)
	keys := slices.SortedFunc(maps.Keys(hours), func(a, b hour) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.station, b.station), cmp.Compare(a.severity, b.severity))
	})
	var at []time.Time
	var severities []int16
	names, events = nil, nil
	for _, k := range keys {
		at, names = append(at, k.at), append(names, k.station)
		severities, events = append(severities, int16(k.severity)), append(events, hours[k])
	}
	w.tail.Queue(`INSERT INTO `+w.prefix+`hours AS h (hour, station, severity, events)
		SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::smallint[], $4::bigint[])
		ON CONFLICT (hour, station, severity) DO UPDATE SET events = h.events + excluded.events`, at, names, severities, events)
	unknown := w.known.missing(w.generation, slices.Sorted(maps.Keys(types)), knownTypes)
	if len(unknown) > 0 {
		w.tail.Queue(`INSERT INTO `+w.prefix+`types (type) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`, unknown)
		w.types = append(w.types, unknown...)
	}
}

// finish sends what was queued.
func (w *writer) finish(ctx context.Context) error {
	tail := w.tail
	w.tail = pgx.Batch{}
	return w.tx.SendBatch(ctx, &tail).Close()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// rowColumns is read by scanRow.
const rowColumns = `e.pos, e.log, l.log, e.idx, e.at, e.received, e.clock_offset, e.id::text, e.type, e.class, e.severity,
	e.timestamp, e.collected, e.station, coalesce(e.equipment, ''), coalesce(e.signal, ''), coalesce(e.correlation, ''),
	coalesce(e.user_id, ''), coalesce(host(e.ip), ''), e.agent, e.quarantined, e.leaf_hash, e.problems, e.leaf, e.words`

func scanRow(s pgx.CollectableRow) (placed, error) {
	var p placed
	var idx, offset int64
	var severity int16
	var timestamp, collected *time.Time
	var class string
	var hash []byte
	var problems *string
	err := s.Scan(&p.pos, &p.log, &p.Log, &idx, &p.At, &p.ReceivedAt, &offset, &p.ID, &p.Type, &class, &severity,
		&timestamp, &collected, &p.Station, &p.Equipment, &p.Signal, &p.CorrelationID, &p.UserID, &p.SourceIP,
		&p.AgentID, &p.Quarantined, &hash, &problems, &p.Leaf, &p.Words)
	if err != nil {
		return p, err
	}
	p.Index, p.Class, p.Severity = uint64(idx), event.Class(class), event.Severity(severity)
	p.At, p.ReceivedAt, p.Offset = p.At.UTC(), p.ReceivedAt.UTC(), time.Duration(offset)*time.Microsecond
	p.Timestamp, p.CollectedAt = timeOf(timestamp), timeOf(collected)
	if len(hash) != evidence.HashSize {
		return p, fmt.Errorf("leaf hash of %d bytes", len(hash))
	}
	p.LeafHash = evidence.Hash(hash)
	if problems != nil {
		if err := json.Unmarshal([]byte(*problems), &p.Problems); err != nil {
			return p, fmt.Errorf("problems: %w", err)
		}
	}
	store.FillFromLeaf(&p.Row)
	return p, nil
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
