//go:build linux

package e2e

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // an administrator's own way into the database
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the same

	"github.com/linewatch/linewatch/shared/wire"
)

// count is the number, in the tables, of the log that holds the counted events.
const count = `(SELECT max(log) FROM events WHERE type = 'x.test.count')`

// administrator is somebody with all rights in the database, who knows its tables.
type administrator struct {
	t  *testing.T
	db *sql.DB
	pg bool
}

// do runs statements, each of which must change something.
func (a administrator) do(statements ...string) {
	a.t.Helper()
	for _, text := range statements {
		done, err := a.db.ExecContext(a.t.Context(), text)
		require.NoError(a.t, err, text)
		n, err := done.RowsAffected()
		require.NoError(a.t, err)
		require.NotZero(a.t, n, "the test changes something: %s", text)
	}
}

// number reads one number.
func (a administrator) number(text string) (n int64) {
	a.t.Helper()
	require.NoError(a.t, a.db.QueryRowContext(a.t.Context(), text).Scan(&n), text)
	return n
}

func (a administrator) bytes(text string) (b []byte) {
	a.t.Helper()
	require.NoError(a.t, a.db.QueryRowContext(a.t.Context(), text).Scan(&b), text)
	return b
}

// blob is a literal.
func (a administrator) blob(b []byte) string {
	if a.pg {
		return `'\x` + hex.EncodeToString(b) + `'::bytea`
	}
	return `x'` + hex.EncodeToString(b) + `'`
}

// tampering is what may be tried, and what verify says of it.
func tampering() map[string]struct {
	try  func(a administrator)
	says string
} {
	row := `events WHERE log = ` + count + ` AND idx = 200`
	segment := `segments WHERE log = ` + count + ` AND first = (SELECT max(first) FROM segments WHERE first <= 200 AND log = ` + count + `)`
	last := `segments WHERE log = ` + count + ` AND first = (SELECT max(first) FROM segments WHERE log = ` + count + `)`
	set := func(change, where string) string {
		table, cond, _ := strings.Cut(where, " ")
		return `UPDATE ` + table + ` SET ` + change + ` ` + cond
	}
	type attempt = struct {
		try  func(a administrator)
		says string
	}
	plain := func(says string, statements ...string) attempt {
		return attempt{func(a administrator) { a.do(statements...) }, says}
	}
	return map[string]attempt{
		"a row removed":                   plain("missing from the read model", `DELETE FROM `+row),
		"a row's severity changed":        plain("another event than the evidence", set(`severity = 5`, row)),
		"a row's station changed":         plain("another event than the evidence", set(`station = 'hamburg/body/line3/st99'`, row)),
		"a row's time of arrival changed": plain("another event than the evidence", set(`received = (SELECT min(received) FROM segments WHERE log <> `+count+`)`, row)),
		"a row's leaf changed":            {func(a administrator) { a.do(set(`leaf = `+a.blob(changed(a.bytes(`SELECT leaf FROM `+row))), row)) }, "another event than the evidence"},
		"two rows swapped":                plain("rebuild it", set(`idx = 1000000`, row), set(`idx = 200`, strings.Replace(row, "200", "201", 1)), set(`idx = 201`, strings.Replace(row, "200", "1000000", 1))), // missing where they are sought, or another event: as their segments came
		"a segment removed":               plain("segments are missing", `DELETE FROM `+segment),
		"the newest segment removed":      plain("the segments end at", `DELETE FROM `+last),
		"a segment's time of arrival moved": {func(a administrator) {
			hour := `3600000000` // SQLite counts microseconds
			if a.pg {
				hour = `interval '1 hour'`
			}
			a.do(set(`received = received - `+hour, segment))
		}, "its receipt says"},
		"a leaf changed in its segment":    {rewrite, "do not lead to the signed root"},
		"two segments swapped":             {swap, "leaves"},
		"a segment dropped without a word": plain("no tombstone", set(`kind = 'dropped', frame = `+`receipt`, segment)),
		"a log's size put back":            plain("the log's size", set(`size = size - 1`, `logs WHERE n = `+count)),
		"a log removed":                    plain("the store does not", `DELETE FROM logs WHERE n = `+count),
		"an act taken out of the ledger": plain("segments are missing", `DELETE FROM segments WHERE log = (SELECT max(log) FROM events WHERE type = 'key.lifecycle')
			AND first = (SELECT min(first) FROM segments WHERE first > 0 AND log = (SELECT max(log) FROM events WHERE type = 'key.lifecycle'))`),
		"a wrapped data key removed": plain("whose wrapped data key is not stored", `DELETE FROM wrapped_keys`),
		"a list of roots removed":    plain("behind log.roots is missing", `DELETE FROM root_lists WHERE idx = (SELECT min(idx) FROM root_lists)`),
	}
}

func changed(leaf []byte) []byte {
	return []byte(strings.Replace(string(leaf), `"n":`, `"n":9`, 1))
}

// rewrite changes one leaf within a frame.
func rewrite(a administrator) {
	a.t.Helper()
	where := `FROM segments WHERE log = ` + count + ` AND first = (SELECT max(first) FROM segments WHERE log = ` + count + `)`
	leaves, err := wire.UnpackLeaves(a.bytes(`SELECT frame `+where), uint64(a.number(`SELECT count `+where)))
	require.NoError(a.t, err)
	leaves[0] = changed(leaves[0])
	frame, err := wire.PackLeaves(leaves)
	require.NoError(a.t, err)
	a.do(`UPDATE segments SET frame = ` + a.blob(frame) + strings.TrimPrefix(where, `FROM segments`))
}

// swap exchanges the leaves of two segments: they are no longer those that were
// signed, or not even as many.
func swap(a administrator) {
	a.t.Helper()
	first := a.number(`SELECT min(first) FROM segments WHERE log = ` + count)
	second := a.number(`SELECT max(first) FROM segments WHERE log = ` + count)
	require.NotEqual(a.t, first, second)
	at := func(n int64) string { return fmt.Sprintf(` WHERE log = %s AND first = %d`, count, n) }
	one, two := a.bytes(`SELECT frame FROM segments`+at(first)), a.bytes(`SELECT frame FROM segments`+at(second))
	a.do(`UPDATE segments SET frame = `+a.blob(two)+at(first), `UPDATE segments SET frame = `+a.blob(one)+at(second))
}

// TestRowsRemovedOrChangedByTheDatabasesAdministrator is the row of that name of
// docs/faults.md: whatever is done to the tables is found by verify, and named.
func TestRowsRemovedOrChangedByTheDatabasesAdministrator(t *testing.T) {
	for _, db := range []string{"sqlite", "postgres"} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			o := at(t, db)
			p, s := filled(t, o, 300)
			require.NoError(t, p.As("integrator").post("/api/v1/events", `{"eventType":"user.login","eventData":{"userId":"anna","action":"login","success":true,"method":"pw","device":"HMI-1"}}`))
			require.Equal(t, 0, s.Agent().Stop(t))
			require.Equal(t, 0, p.Aggregator().Stop(t))
			require.Regexp(t, `[1-9]\d* leaves with sealed fields.*\neverything agrees`, p.Command("verify"))
			kept := filepath.Join(p.Dir, "kept")
			copyAll(t, p.Data, kept)
			n := 0
			for what, attempt := range tampering() {
				n++
				t.Run(what, func(t *testing.T) {
					replace(t, kept, p.Data)
					driver, dsn := "sqlite", filepath.Join(p.Data, "linewatch.db")
					if db == "postgres" {
						driver, dsn = "pgx", duplicate(t, o.Store, p.Data, n)
					}
					open, err := sql.Open(driver, dsn)
					require.NoError(t, err)
					attempt.try(administrator{t, open, db == "postgres"})
					require.NoError(t, open.Close())
					out, errText, code := Try(t, programAggregator, "verify", "--data", p.Data)
					require.Equal(t, 1, code, "%s%s", out, errText)
					require.Contains(t, out, "FOUND")
					require.Contains(t, out, attempt.says)
				})
			}
		})
	}
}

// duplicate makes a copy of a PostgreSQL database and points the data folder's
// configuration at it.
func duplicate(t *testing.T, dsn, data string, n int) string {
	t.Helper()
	base, query, _ := strings.Cut(dsn, "?")
	name := base[strings.LastIndexByte(base, '/')+1:]
	copyName := fmt.Sprintf("%s_copy_%d", name, n)
	copied := strings.Replace(dsn, "/"+name, "/"+copyName, 1)
	if query != "" {
		copied = strings.TrimSuffix(base, name) + copyName + "?" + query
	}
	db, err := sql.Open("pgx", strings.Replace(copied, copyName, "postgres", 1))
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), fmt.Sprintf(`CREATE DATABASE %q TEMPLATE %q`, copyName, name))
	require.NoError(t, err)
	file := filepath.Join(data, "aggregator.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	// In YAML it stands as JSON, whose & is escaped.
	escape := strings.NewReplacer("&", `\u0026`)
	moved := strings.Replace(string(text), escape.Replace(dsn), escape.Replace(copied), 1)
	require.NotEqual(t, string(text), moved)
	require.NoError(t, os.WriteFile(file, []byte(moved), 0o600))
	return copied
}

func copyAll(t *testing.T, from, to string) {
	t.Helper()
	out, err := exec.Command("cp", "-a", from, to).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// replace puts a copy in the place of a folder.
func replace(t *testing.T, with, folder string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(folder))
	copyAll(t, with, folder)
}
