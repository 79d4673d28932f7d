package verify

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/linewatch/linewatch/aggregator/store"
)

// feedPage is how many rows of the read model are read at once.
const feedPage = 1000

// readRows reads the rows of a segment at once: one question to the database for
// each leaf would be most of the work.
func (w *walk) readRows(r *reading, seg store.StoredSegment) error {
	if w.o.Project == nil {
		return nil
	}
	rows, err := w.o.Store.Rows(w.ctx, r.ID, seg.First, seg.First+seg.Count)
	if err != nil {
		return fmt.Errorf("verify: rows of log %s: %w", r.ID, err)
	}
	r.rows = make(map[uint64]store.Row, len(rows))
	for _, row := range rows {
		r.rows[row.Index] = row
	}
	return nil
}

// row compares the row of the read model with its leaf. The row of a copy may be
// the one that the log before has.
func (w *walk) row(r *reading, seg store.StoredSegment, index uint64, leaf []byte) error {
	at := store.LeafAt{Log: r.ID, Index: index, AgentID: r.AgentID, Class: r.Class, Received: seg.Received, Offset: seg.Offset}
	want, ok := w.o.Project(leaf, at)
	if !ok {
		return nil
	}
	row, ok := r.rows[index]
	var err error
	if !ok { // it is missing, or stands under another address
		row, err = w.o.Store.EventAt(w.ctx, r.ID, index)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.find(r.Origin, index, "the event is missing from the read model: rebuild it")
		return nil
	case err != nil:
		return fmt.Errorf("verify: row %d of log %s: %w", index, r.ID, err)
	}
	if row.Log == r.ID && row.Index == index {
		w.rows[r.ID]++
	} else {
		want.At, want.ReceivedAt, want.Offset = row.At, row.ReceivedAt, row.Offset // compared where the row is
	}
	if !sameRow(row, want) {
		w.find(r.Origin, index, "the read model shows another event than the evidence: rebuild it")
	}
	return nil
}

// sameRow compares all that is shown, and all that is searched by.
func sameRow(row, want store.Row) bool {
	return bytes.Equal(row.Leaf, want.Leaf) && row.LeafHash == want.LeafHash && row.At.Equal(want.At) &&
		row.ReceivedAt.Equal(want.ReceivedAt) && row.Offset == want.Offset &&
		row.ID == want.ID && row.Type == want.Type && row.Class == want.Class && row.Severity == want.Severity &&
		row.Station == want.Station && row.Equipment == want.Equipment && row.Signal == want.Signal &&
		row.CorrelationID == want.CorrelationID && row.UserID == want.UserID && row.SourceIP == want.SourceIP &&
		row.Words == want.Words && row.Quarantined == want.Quarantined
}

// invented looks for rows of the read model that no leaf stands behind. Rows are
// counted: each leaf has shown its own, so more of them are too many.
func (w *walk) invented(logs []store.Log) error {
	type place struct {
		store.Log
		rows uint64
	}
	places := map[string]*place{}
	for _, lg := range logs {
		places[lg.ID] = &place{Log: lg}
	}
	later := map[string]uint64{} // largest index behind the size that a log had
	for cursor := ""; ; {
		page, err := w.o.Store.Feed(w.ctx, cursor, feedPage)
		if err != nil {
			return fmt.Errorf("verify: rows of the read model: %w", err)
		}
		for _, row := range page.Rows {
			if p := places[row.Log]; p != nil && row.Index < p.Size {
				p.rows++
			} else {
				later[row.Log] = max(later[row.Log], row.Index)
			}
		}
		if cursor = page.Cursor; len(page.Rows) < feedPage {
			break
		}
	}
	for id, p := range places {
		if p.rows > w.rows[id] {
			w.find(p.Origin, 0, "the read model shows %d events of this log, the evidence has %d: rebuild it", p.rows, w.rows[id])
		}
	}
	if len(later) == 0 {
		return nil
	}
	now, err := w.o.Store.Logs(w.ctx) // a store in use grows
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	for _, lg := range now {
		if last, ok := later[lg.ID]; ok && last < lg.Size {
			delete(later, lg.ID)
		}
	}
	for id, last := range later {
		origin := "log " + id
		if p := places[id]; p != nil {
			origin = p.Origin
		}
		w.find(origin, last, "the read model shows an event that is in no log: rebuild it")
	}
	return nil
}
