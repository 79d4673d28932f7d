package postgres

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/linewatch/linewatch/aggregator/store"
)

// SQLSTATEs, https://www.postgresql.org/docs/15/errcodes-appendix.html.
const (
	stateDeadlock      = "40P01"
	stateSerialization = "40001"
	stateCanceled      = "57014"
)

// retry is true when the same transaction may succeed the next time.
func retry(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == stateDeadlock || e.Code == stateSerialization)
}

// isRefusal is true when a row is at fault, not the database: data exception,
// integrity violation, program limit exceeded. A value that pgx can't encode ends
// the COPY from our side, which the server reports as cancelled; a call that was
// really cancelled, or took too long, says nothing of a COPY.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(e.Code) < 2 {
		return false
	}
	switch e.Code[:2] {
	case "22", "23", "54":
		return true
	}
	return e.Code == stateCanceled && strings.Contains(e.Message, "COPY")
}

// notFound turns "no rows" into the sentinel of the contract.
func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}
