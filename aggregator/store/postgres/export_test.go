package postgres

import "github.com/linewatch/linewatch/aggregator/store"

// CopyColumns and CopyValues show the bare COPY of the benchmark what Commit copies.
func CopyColumns() []string { return copyColumns() }

// CopyValues are the values of one row of a log with this number.
func CopyValues(r store.Row, log int, pos int64) ([]any, error) {
	return placed{r, int32(log), pos}.values()
}
