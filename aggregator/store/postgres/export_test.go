package postgres

import (
	"context"
	"sync"

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
