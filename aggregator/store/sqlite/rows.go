package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	msqlite "modernc.org/sqlite"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// rowBits is the room for rows of the same millisecond in an event's number.
const rowBits = 20

// Primary result codes, with most of which SQLite refuses one row, https://sqlite.org/rescode.html.
const (
	codeBusy       = 5 // somebody else has a lock
	codeTooBig     = 18
	codeConstraint = 19
	codeMismatch   = 20

	codeConstraintPrimaryKey = 1555
	codeConstraintRowID      = 2579
)

// inserter holds the prepared statements of one generation of the read model.
type inserter struct {
	prefix       string
	event, words *sql.Stmt

	mu    sync.Mutex
	types map[string]bool // event types that the table of types has
}

func newInserter(ctx context.Context, db *sql.DB, prefix string) (*inserter, error) {
	ins := &inserter{prefix: prefix, types: map[string]bool{}}
	var err error
	ins.event, err = db.PrepareContext(ctx, `INSERT INTO `+prefix+`events (n, log, idx, pos, at, received, clock_offset,
		id, type, class, severity, timestamp, collected, station, equipment, signal, correlation, user_id, ip, agent,
		quarantined, leaf_hash, problems, leaf, words)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return nil, err
	}
	ins.words, err = db.PrepareContext(ctx, `INSERT INTO `+prefix+`words (rowid, text) VALUES (?, ?)`)
	return ins, err
}

// Close releases the statements.
func (ins *inserter) Close() error {
	var errs []error
	for _, st := range []*sql.Stmt{ins.event, ins.words} {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(errs...)
}

// learn remembers types whose transaction was committed.
func (ins *inserter) learn(types []string) {
	ins.mu.Lock()
	defer ins.mu.Unlock()
	for _, t := range types {
		ins.types[t] = true
	}
}

func (ins *inserter) knows(typ string) bool {
	ins.mu.Lock()
	defer ins.mu.Unlock()
	return ins.types[typ]
}

// rowWriter writes rows of the read model within one transaction.
type rowWriter struct {
	tx           *sql.Tx
	ins          *inserter
	event, words *sql.Stmt
	number       int64
	texts        []numbered
	stations     map[string]*store.Station
	hours        map[hour]int64
	newTypes     []string
	refused      []store.RefusedRow
}

// hour is one row of the table that counts events.
type hour struct {
	station  string
	at       int64 // the hour's start in microseconds
	severity event.Severity
}

type numbered struct {
	n    int64
	text string
}

func newRowWriter(tx *sql.Tx, ins *inserter) *rowWriter {
	return &rowWriter{tx: tx, ins: ins, stations: map[string]*store.Station{}, hours: map[hour]int64{}}
}

func (w *rowWriter) begin(ctx context.Context) error {
	w.event, w.words = w.tx.StmtContext(ctx, w.ins.event), w.tx.StmtContext(ctx, w.ins.words)
	return w.tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'row'`).Scan(&w.number)
}

// finish writes what is collected over the rows of a commit. The words go in by
// ascending number: FTS5 flushes its memory whenever a number goes back.
func (w *rowWriter) finish(ctx context.Context) error {
	slices.SortFunc(w.texts, func(a, b numbered) int { return cmp.Compare(a.n, b.n) })
	for _, t := range w.texts {
		if _, err := w.words.ExecContext(ctx, t.n, t.text); err != nil {
			return fmt.Errorf("words: %w", err)
		}
	}
	for _, st := range w.stations {
		_, err := w.tx.ExecContext(ctx, `INSERT INTO `+w.ins.prefix+`stations (station, first, last, events, agent) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (station) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last),
			events = events + excluded.events, agent = excluded.agent`,
			st.Station, st.First.UnixMicro(), st.Last.UnixMicro(), int64(st.Events), st.AgentID)
		if err != nil {
			return fmt.Errorf("station %s: %w", st.Station, err)
		}
	}
	for h, n := range w.hours {
		_, err := w.tx.ExecContext(ctx, `INSERT INTO `+w.ins.prefix+`hours (station, hour, severity, events) VALUES (?, ?, ?, ?)
			ON CONFLICT (hour, station, severity) DO UPDATE SET events = events + excluded.events`, h.station, h.at, int64(h.severity), n)
		if err != nil {
			return fmt.Errorf("hour of station %s: %w", h.station, err)
		}
	}
	for _, t := range w.newTypes {
		if _, err := w.tx.ExecContext(ctx, `INSERT OR IGNORE INTO `+w.ins.prefix+`types (type) VALUES (?)`, t); err != nil {
			return fmt.Errorf("type %s: %w", t, err)
		}
	}
	_, err := w.tx.ExecContext(ctx, `UPDATE meta SET value = ? WHERE key = 'row'`, w.number)
	return err
}

// add stores one row. One that the database refuses is stored again without what
// is free in it, so that the event is still seen, and reported.
func (w *rowWriter) add(ctx context.Context, log, pos int64, r store.Row) error {
	err := w.put(ctx, log, pos, r)
	if err == nil || !isRefusal(err) {
		return err
	}
	reason := err.Error()
	w.refused = append(w.refused, store.RefusedRow{Log: r.Log, Index: r.Index, Reason: reason})
	_, err = w.tx.ExecContext(ctx, `INSERT OR REPLACE INTO `+w.ins.prefix+`refused (log, idx, reason) VALUES (?, ?, ?)`, log, int64(r.Index), reason)
	if err != nil {
		return err
	}
	if err := w.put(ctx, log, pos, store.Bare(r, reason)); err != nil && !isRefusal(err) {
		return err
	}
	return nil
}

func (w *rowWriter) put(ctx context.Context, log, pos int64, r store.Row) error {
	if r.Data != nil && !json.Valid(r.Data) || r.Context != nil && !json.Valid(r.Context) {
		return errNoJSON
	}
	problems, err := problemText(r.Problems)
	if err != nil {
		return err
	}
	at := r.At.UnixMicro()
	// Rows of the same millisecond get different numbers by the running number; it
	// comes around after a million rows, so a taken number is possible, not likely.
	for try := 0; ; try++ {
		w.number++
		n := at/1000<<rowBits | w.number&(1<<rowBits-1)
		_, err = w.event.ExecContext(ctx, n, log, int64(r.Index), pos, at, r.ReceivedAt.UnixMicro(), r.Offset.Microseconds(),
			r.ID, r.Type, string(r.Class), int64(r.Severity), micro(r.Timestamp), micro(r.CollectedAt), r.Station,
			null(r.Equipment), null(r.Signal), null(r.CorrelationID), null(r.UserID), null(r.SourceIP), r.AgentID,
			r.Quarantined, r.LeafHash[:], problems, r.Leaf, null(r.Words))
		if e, ok := errors.AsType[*msqlite.Error](err); ok && try < 1000 &&
			(e.Code() == codeConstraintPrimaryKey || e.Code() == codeConstraintRowID) {
			continue
		}
		if err != nil {
			return err
		}
		w.texts = append(w.texts, numbered{n, searchText(r)})
		if err := w.putBlind(ctx, n, r); err != nil {
			return err
		}
		break
	}
	w.count(r)
	return nil
}

// count keeps the tables of stations and types up to date.
func (w *rowWriter) count(r store.Row) {
	if !w.ins.knows(r.Type) && !slices.Contains(w.newTypes, r.Type) {
		w.newTypes = append(w.newTypes, r.Type)
	}
	w.hours[hour{r.Station, r.At.Truncate(time.Hour).UnixMicro(), r.Severity}]++
	st := w.stations[r.Station]
	if st == nil {
		st = &store.Station{Station: r.Station, First: r.At, Last: r.At}
		w.stations[r.Station] = st
	}
	st.Events++
	st.AgentID = r.AgentID
	if r.At.Before(st.First) {
		st.First = r.At
	}
	if r.At.After(st.Last) {
		st.Last = r.At
	}
}

// addCopy shows a copied leaf: by the row that is there, or by a row of its own.
func (w *rowWriter) addCopy(ctx context.Context, log, pos int64, c store.Copy) error {
	ofLog, ofIdx := log, int64(c.Index)
	err := w.tx.QueryRowContext(ctx, `SELECT log, idx FROM `+w.ins.prefix+`events WHERE id = ? AND leaf_hash = ? ORDER BY pos, log, idx LIMIT 1`,
		c.Row.ID, c.Hash[:]).Scan(&ofLog, &ofIdx)
	if errors.Is(err, sql.ErrNoRows) {
		return w.add(ctx, log, pos, c.Row)
	}
	if err != nil {
		return err
	}
	_, err = w.tx.ExecContext(ctx, `INSERT INTO `+w.ins.prefix+`copy_rows (log, idx, of_log, of_idx) VALUES (?, ?, ?, ?)`,
		log, int64(c.Index), ofLog, ofIdx)
	return err
}

// errNoJSON refuses a row whose objects are none; the columns that PostgreSQL has
// for them do the same there.
var errNoJSON = errors.New("no JSON")

// isRefusal is true when the row is at fault, not the database.
func isRefusal(err error) bool {
	if errors.Is(err, errNoJSON) {
		return true
	}
	e, ok := errors.AsType[*msqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case codeTooBig, codeConstraint, codeMismatch:
		return true
	}
	return false
}

// rowColumns is read by scanRow from "events e CROSS JOIN logs l".
const rowColumns = `e.n, e.pos, e.log, l.log, e.idx, e.at, e.received, e.clock_offset, e.id, e.type, e.class, e.severity,
	e.timestamp, e.collected, e.station, coalesce(e.equipment, ''), coalesce(e.signal, ''), coalesce(e.correlation, ''),
	coalesce(e.user_id, ''), coalesce(e.ip, ''), e.agent, e.quarantined, e.leaf_hash, e.problems, e.leaf,
	coalesce(e.words, '')`

// rowSource joins a row with the name of its log. CROSS keeps the events outside,
// so that their index gives the order.
const rowSource = ` FROM events e CROSS JOIN logs l ON l.n = e.log `

// placed is a row with the numbers that order it.
type placed struct {
	store.Row
	n, pos, log, at int64
}

func scanRow(s scanner) (placed, error) {
	var p placed
	var idx, received, offset, severity int64
	var timestamp, collected sql.NullInt64
	var class string
	var hash []byte
	var problems sql.NullString
	err := s.Scan(&p.n, &p.pos, &p.log, &p.Log, &idx, &p.at, &received, &offset, &p.ID, &p.Type, &class, &severity,
		&timestamp, &collected, &p.Station, &p.Equipment, &p.Signal, &p.CorrelationID, &p.UserID, &p.SourceIP,
		&p.AgentID, &p.Quarantined, &hash, &problems, &p.Leaf, &p.Words)
	if err != nil {
		return p, err
	}
	p.Index, p.Class, p.Severity = uint64(idx), event.Class(class), event.Severity(severity)
	p.At, p.ReceivedAt = time.UnixMicro(p.at).UTC(), time.UnixMicro(received).UTC()
	p.Offset = time.Duration(offset) * time.Microsecond
	p.Timestamp, p.CollectedAt = timeOf(timestamp), timeOf(collected)
	if len(hash) != evidence.HashSize {
		return p, fmt.Errorf("leaf hash of %d bytes", len(hash))
	}
	p.LeafHash = evidence.Hash(hash)
	if problems.Valid {
		if err := json.Unmarshal([]byte(problems.String), &p.Problems); err != nil {
			return p, fmt.Errorf("problems: %w", err)
		}
	}
	store.FillFromLeaf(&p.Row)
	return p, nil
}

func problemText(problems []event.Problem) (any, error) {
	if len(problems) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(problems)
	return string(b), err
}

// null keeps empty text out of the partial indexes.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// searchText is what the words index holds of a row: its words, and one made-up
// word for each field of its data.
func searchText(r store.Row) string {
	words := strings.Split(r.Words, " ")
	for i, w := range words {
		words[i] = indexWord(w)
	}
	return strings.Join(append(words, store.DataWords(r.Data)...), " ")
}
