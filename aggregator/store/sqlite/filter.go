package sqlite

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/query"
)

// filter is a query as SQL. The conditions let every fitting row through; when
// exact is false some others too, which store.EventQuery.Match then takes out.
type filter struct {
	conds []string
	args  []any
	match string // expression of the words index, "" without one
	sets  []set  // columns limited to a few values
	exact bool
	empty bool // no row can fit
	// driver is the index that lists by arrival use, once it was chosen; "" for none.
	driver *string
	// bounds of at, in microseconds: from <= at < to
	from, to int64
}

// set is a column with an index of its own that may have one of these values.
type set struct {
	column string
	values []any
}

const (
	minTime = int64(0)
	maxTime = int64(7_258_118_400_000_000) // year 2200
)

func (f *filter) add(cond string, args ...any) {
	f.conds = append(f.conds, cond)
	f.args = append(f.args, args...)
}

// oneOf limits a column to values.
func (f *filter) oneOf(column string, not bool, values []any) {
	switch {
	case len(values) == 0 && !not:
		f.empty = true
	case len(values) == 0:
	case not:
		f.add(`(e.`+column+` IN (`+marks(len(values))+`)) IS NOT TRUE`, values...)
	default:
		f.sets = append(f.sets, set{column, values})
	}
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// where writes all conditions; a set that is left out is named by skip.
func (f *filter) where(skip int) (string, []any) {
	conds, args := slices.Clone(f.conds), slices.Clone(f.args)
	for i, s := range f.sets {
		if i == skip {
			continue
		}
		if len(s.values) == 1 {
			conds = append(conds, `e.`+s.column+` = ?`)
		} else {
			conds = append(conds, `e.`+s.column+` IN (`+marks(len(s.values))+`)`)
		}
		args = append(args, s.values...)
	}
	conds = append(conds, `e.at >= ? AND e.at < ?`)
	args = append(args, f.from, f.to)
	return strings.Join(conds, " AND "), args
}

// matchRows limits rows to those of the words index.
func (f *filter) matchRows(where string, args []any) (string, []any) {
	if f.match == "" {
		return where, args
	}
	return where + ` AND e.n IN (SELECT rowid FROM words WHERE words MATCH ? AND rowid >= ? AND rowid < ?)`,
		append(args, f.match, f.from/1000<<rowBits, (f.to/1000+1)<<rowBits)
}

// compile translates a query. Station and type patterns become lists of those
// that exist.
func compile(ctx context.Context, q queryer, eq store.EventQuery) (*filter, error) {
	f := &filter{exact: true, from: minTime, to: maxTime}
	f.bound(eq.From, eq.To)
	if err := f.scope(ctx, q, eq.Scope); err != nil {
		return nil, err
	}
	for _, t := range eq.Filter.Terms {
		if err := f.term(ctx, q, t); err != nil {
			return nil, fmt.Errorf("term %s: %w", t.Field, err)
		}
	}
	for _, tokens := range eq.Blind {
		f.add(`e.n IN (SELECT n FROM blind WHERE token IN (`+marks(len(tokens))+`))`, anys(tokens)...)
		f.empty = f.empty || len(tokens) == 0
	}
	f.empty = f.empty || f.from >= f.to
	return f, nil
}

func (f *filter) bound(from, to time.Time) {
	if !from.IsZero() {
		f.from = max(f.from, ceilMicro(from))
	}
	if !to.IsZero() {
		f.to = min(f.to, ceilMicro(to))
	}
}

func ceilMicro(t time.Time) int64 { return t.Add(999 * time.Nanosecond).UnixMicro() }

func (f *filter) scope(ctx context.Context, q queryer, scope []string) error {
	if slices.Contains(scope, "**") {
		return nil
	}
	if len(scope) == 0 {
		f.empty = true
		return nil
	}
	values, err := existing(ctx, q, "stations", "station", func(s string) bool { return store.InScope(scope, s) })
	f.oneOf("station", false, values)
	return err
}

// existing returns the values of a small table that fit.
func existing(ctx context.Context, q queryer, table, column string, fits func(string) bool) ([]any, error) {
	all, err := collect(rowsOf(q.QueryContext(ctx, `SELECT `+column+` FROM `+table)), func(r scanner) (string, error) {
		var s string
		return s, r.Scan(&s)
	})
	if err != nil {
		return nil, err
	}
	var values []any
	for _, s := range all {
		if fits(s) {
			values = append(values, s)
		}
	}
	return values, nil
}

func (f *filter) term(ctx context.Context, q queryer, t query.Term) error {
	switch t.Field {
	case query.Station:
		values, err := existing(ctx, q, "stations", "station", func(s string) bool {
			return s != "" && slices.ContainsFunc(t.Values, func(v string) bool { return query.MatchStation(v, s) })
		})
		f.oneOf("station", t.Not, values)
		return err
	case query.Type:
		values, err := existing(ctx, q, "types", "type", func(s string) bool {
			return slices.ContainsFunc(t.Values, func(v string) bool { return query.MatchType(v, s) })
		})
		f.oneOf("type", t.Not, values)
		return err
	case query.Severity:
		f.oneOf("severity", t.Not, severities(t))
	case query.Class:
		f.oneOf("class", t.Not, anys(t.Values))
	case query.ID:
		f.oneOf("id", t.Not, anys(t.Values))
	case query.Since:
		f.bound(t.Time(), time.Time{})
	case query.Until:
		f.bound(time.Time{}, t.Time())
	case query.Word:
		f.words(t)
	case query.Data:
		f.data(t)
	case query.IP:
		f.ip(t)
	case query.User, query.Equipment, query.Correlation, query.Agent, query.Signal, query.Log:
		f.text(t)
	default:
		f.exact = false
	}
	return nil
}

func severities(t query.Term) []any {
	var out []any
	for _, s := range store.Severities(t) {
		out = append(out, int64(s))
	}
	return out
}

func anys(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// text is a term over a column of free text, with stars.
func (f *filter) text(t query.Term) {
	column := map[query.Field]string{
		query.User: "user_id", query.Equipment: "equipment", query.Correlation: "correlation",
		query.Agent: "agent", query.Signal: "signal",
	}[t.Field]
	if !slices.ContainsFunc(t.Values, query.Pattern) && t.Field != query.Log {
		f.oneOf(column, t.Not, anys(t.Values))
		return
	}
	// GLOB's star goes across the dots of a signal: too many rows, never too few.
	if t.Field == query.Signal {
		f.exact = false
		if t.Not {
			return
		}
	}
	left, right := `e.`+column+` GLOB ?`, ``
	if t.Field == query.Log {
		left, right = `e.log IN (SELECT n FROM logs WHERE log GLOB ?`, `)`
	}
	conds := make([]string, len(t.Values))
	args := make([]any, len(t.Values))
	for i, v := range t.Values {
		conds[i] = left + right
		args[i] = globPattern(v)
	}
	cond := `(` + strings.Join(conds, ` OR `) + `)`
	if t.Not {
		cond += ` IS NOT TRUE`
	}
	f.add(cond, args...)
}

func globPattern(v string) string {
	return strings.NewReplacer(`[`, `[[]`, `?`, `[?]`, `**`, `*`).Replace(v)
}

func (f *filter) ip(t query.Term) {
	if slices.ContainsFunc(t.Values, func(v string) bool { return strings.Contains(v, "/") }) {
		f.exact = false
		if !t.Not {
			f.add(`e.ip IS NOT NULL`)
		}
		return
	}
	f.oneOf("ip", t.Not, anys(t.Values))
}

// words is a free-word term. The index keeps no positions, so words that must
// follow each other are decided by the row's text.
func (f *filter) words(t query.Term) {
	words, prefix := query.WordTokens(t.Values[0])
	if len(words) != 1 || t.Not {
		f.exact = false
	}
	if t.Not {
		return
	}
	for i, w := range words {
		w = `"` + indexWord(w) + `"`
		if prefix && i == len(words)-1 {
			w += `*`
		}
		f.and(w)
	}
}

func (f *filter) data(t query.Term) {
	if t.Not {
		f.exact = false
		return
	}
	var any []string
	for _, v := range t.Values {
		for _, w := range store.DataTermWords(t, v) {
			any = append(any, `"`+w+`"`)
		}
	}
	if len(any) == 0 {
		f.empty = true
		return
	}
	f.and(`(` + strings.Join(any, ` OR `) + `)`)
}

func (f *filter) and(expression string) {
	if f.match != "" {
		f.match += ` AND `
	}
	f.match += expression
}

// indexWord is a word as the index of words knows it. The tokenizer knows ASCII
// only; hex digits keep the order of prefixes.
func indexWord(w string) string {
	for i := range len(w) {
		if w[i] >= 0x80 {
			return "_" + hex.EncodeToString([]byte(w))
		}
	}
	return w
}
