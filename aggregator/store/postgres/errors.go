package postgres

import (
	"errors"
	"fmt"
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
	stateNoDatabase    = "3D000"
	stateWrongUser     = "28000"
	stateWrongPassword = "28P01"
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

// refusedConnection adds to an error of connecting what to do about it. What may go
// by itself (nobody listens, it starts, it has too many connections) is store.ErrAway.
func refusedConnection(err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); !ok {
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case stateNoDatabase:
			return fmt.Errorf("%w (make it as an administrator of PostgreSQL: createdb -O USER DATABASE)", err)
		case stateWrongUser, stateWrongPassword:
			return fmt.Errorf("%w (user and password stand in the address of store in aggregator.yaml, or in ~/.pgpass)", err)
		}
	}
	return fmt.Errorf("%w; is PostgreSQL running at the address of store in aggregator.yaml? %w", store.ErrAway, err)
}
