package postgres

import (
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"sync"
	"testing/iotest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
)

// Statement is one statement that was sent.
type Statement struct {
	SQL  string
	Args []any
}

// Tracer collects statements.
type Tracer struct {
	mu   sync.Mutex
	sent []Statement
}

// TraceQueryStart takes a statement.
func (t *Tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, Statement{data.SQL, data.Args})
	return ctx
}

// TraceQueryEnd does nothing.
func (t *Tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Take returns what was sent since the last call.
func (t *Tracer) Take() []Statement {
	t.mu.Lock()
	defer t.mu.Unlock()
	sent := t.sent
	t.sent = nil
	return sent
}

// OpenTraced is Open with a tracer.
func OpenTraced(ctx context.Context, dsn string, t *Tracer) (*Store, error) {
	return open(ctx, dsn, Options{}, t)
}

// CopyColumns and CopyValues show the bare COPY of the benchmark what Commit copies.
func CopyColumns() []string { return copyColumns() }

// CopyValues are the values of one row of a log with this number.
func CopyValues(r store.Row, log int, pos int64) ([]any, error) {
	return placed{r, int32(log), pos}.values()
}

// values are those of a row as pgx encodes them.
func (p placed) values() ([]any, error) {
	var problems any
	if len(p.Problems) > 0 {
		b, err := json.Marshal(p.Problems)
		if err != nil {
			return nil, err
		}
		problems = string(b)
	}
	return []any{
		p.log, int64(p.Index), p.pos, p.At, p.ReceivedAt, p.Offset.Microseconds(), identifier(p.ID), p.Type, string(p.Class),
		int16(p.Severity), stamp(p.Timestamp), stamp(p.CollectedAt), p.Station, null(p.Equipment), null(p.Signal),
		null(p.CorrelationID), null(p.UserID), address(p.SourceIP), p.AgentID, p.Quarantined, p.LeafHash[:], problems,
		p.Leaf, object(p.Data), object(p.Context), p.Words,
	}, nil
}

// identifier is binary; a text that is no UUID stays one, for the database to refuse.
func identifier(id string) any {
	if parsed, err := uuid.Parse(id); err == nil && len(id) == 36 {
		return [16]byte(parsed)
	}
	return id
}

// null keeps empty text out of the partial indexes.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func object(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func address(s string) any {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return null(s)
}

// CopyBinary is what Commit sends for one row: the whole of a COPY.
func CopyBinary(r store.Row, log int, pos int64) ([]byte, error) {
	return io.ReadAll(iotest.OneByteReader(&copyReader{rows: []placed{{r, int32(log), pos}}}))
}

// CopyInto is the statement before it.
func CopyInto() string { return copyInto("events") }

// AppendRow encodes one row.
func AppendRow(dst []byte, r store.Row) ([]byte, error) { return copyRow(dst, &placed{r, 1, 2}) }
