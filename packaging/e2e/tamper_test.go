//go:build linux

package e2e

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // an administrator's own way into the database
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the same
)

// tampering is what the administrator of the database may try, with the same
// names of tables in both databases.
func tampering(changeLeaf string) map[string]string {
	return map[string]string{
		"a leaf of the read model changed":   changeLeaf,
		"a row of the read model removed":    `DELETE FROM events WHERE type = 'x.test.count' AND idx = 200`,
		"the severity of a row changed":      `UPDATE events SET severity = 5 WHERE type = 'x.test.count' AND idx = 200`,
		"a segment removed":                  `DELETE FROM segments WHERE log = (SELECT max(log) FROM events WHERE type = 'x.test.count') AND first = (SELECT max(first) FROM segments WHERE log = (SELECT max(log) FROM events WHERE type = 'x.test.count'))`,
		"a whole log removed":                `DELETE FROM logs WHERE n = (SELECT max(log) FROM events WHERE type = 'x.test.count')`,
		"an act taken out of the ledger":     `DELETE FROM segments WHERE log = (SELECT max(log) FROM events WHERE type = 'key.lifecycle') AND first = (SELECT min(first) FROM segments WHERE first > 0 AND log = (SELECT max(log) FROM events WHERE type = 'key.lifecycle'))`,
		"a log's size put back by one event": `UPDATE logs SET size = size - 1 WHERE n = (SELECT max(log) FROM events WHERE type = 'x.test.count')`,
	}
}

func TestVerifyFindsWhatTheDatabasesAdministratorChanged(t *testing.T) {
	t.Parallel()
	p, s := filled(t, Options{}, 300)
	require.Equal(t, 0, s.Agent().Stop(t))
	require.Equal(t, 0, p.Aggregator().Stop(t))
	require.Contains(t, p.Command("verify"), "everything agrees")
	kept := filepath.Join(p.Dir, "kept")
	copyAll(t, p.Data, kept)
	changeLeaf := `UPDATE events SET leaf = CAST(replace(CAST(leaf AS TEXT), '"n":200', '"n":201') AS BLOB) WHERE CAST(leaf AS TEXT) LIKE '%"n":200,%'`
	for what, statement := range tampering(changeLeaf) {
		t.Run(what, func(t *testing.T) {
			replace(t, kept, p.Data)
			change(t, "sqlite", filepath.Join(p.Data, "linewatch.db"), statement)
			out, errText, code := Try(t, programAggregator, "verify", "--data", p.Data)
			require.Equal(t, 1, code, "%s%s", out, errText)
			require.Contains(t, out, "FOUND")
		})
	}
}

func TestVerifyFindsAChangedRowInPostgreSQL(t *testing.T) {
	t.Parallel()
	o := at(t, "postgres")
	p, _ := filled(t, o, 300)
	require.Contains(t, p.Command("verify"), "everything agrees")
	change(t, "pgx", o.Store, `UPDATE events SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '"n":200', '"n":201'), 'UTF8') WHERE convert_from(leaf, 'UTF8') LIKE '%"n":200,%'`)
	out, _, code := Try(t, programAggregator, "verify", "--data", p.Data)
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "FOUND")
}

// change runs one statement that must change exactly one row.
func change(t *testing.T, driver, dsn, statement string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer db.Close()
	done, err := db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
	n, err := done.RowsAffected()
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "the test changes one row")
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
