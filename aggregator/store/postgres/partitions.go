package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// known remembers what committed transactions have made, for one generation of
// the read model: months with a partition, and event types in their table.
type known struct {
	mu         sync.Mutex
	generation int64
	months     map[string]bool
	types      map[string]bool
}

// missing returns those of the values that are not known.
func (k *known) missing(generation int64, values []string, of func(*known) map[string]bool) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.generation != generation || k.months == nil {
		return values
	}
	return slices.DeleteFunc(values, func(v string) bool { return of(k)[v] })
}

func (k *known) learn(generation int64, months, types []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.generation != generation || k.months == nil {
		k.generation, k.months, k.types = generation, map[string]bool{}, map[string]bool{}
	}
	for _, m := range months {
		k.months[m] = true
	}
	for _, t := range types {
		k.types[t] = true
	}
}

func knownMonths(k *known) map[string]bool { return k.months }
func knownTypes(k *known) map[string]bool  { return k.types }

// learn remembers what the transaction made; it is called when that is committed.
func (w *writer) learn() { w.known.learn(w.generation, w.months, w.types) }

const monthFormat = "200601"

// partitions makes the partitions of these times that are missing. They are made
// apart and attached: readers and writers of the others are not held up.
func (w *writer) partitions(ctx context.Context, ats []time.Time) error {
	set := map[string]bool{}
	for _, at := range ats {
		set[at.UTC().Format(monthFormat)] = true
	}
	months := w.known.missing(w.generation, slices.Sorted(maps.Keys(set)), knownMonths)
	if len(months) == 0 {
		return nil
	}
	if _, err := w.tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockPartitions); err != nil {
		return fmt.Errorf("lock partitions: %w", err)
	}
	for _, m := range months {
		if err := w.partition(ctx, m); err != nil {
			return fmt.Errorf("partition %s: %w", m, err)
		}
	}
	w.months = append(w.months, months...)
	return nil
}

func (w *writer) partition(ctx context.Context, month string) error {
	from, err := time.Parse(monthFormat, month)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("events_g%d_%s", w.generation, month)
	var there bool
	if err := w.tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there); err != nil || there {
		return err
	}
	table, parent := pgx.Identifier{name}.Sanitize(), pgx.Identifier{w.prefix + "events"}.Sanitize()
	return execScript(ctx, w.tx,
		`CREATE TABLE `+table+` (LIKE `+parent+` INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)`,
		fmt.Sprintf(`ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')`, parent, table,
			from.Format(time.RFC3339), from.AddDate(0, 1, 0).Format(time.RFC3339)))
}
