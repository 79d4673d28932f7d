package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/query"
)

// filter is a query as SQL with ? for its parameters. The conditions let every
// fitting row through; when exact is false some others too, which
// store.EventQuery.Match then takes out.
type filter struct {
	conds []string
	args  []any
	sets  []set // columns limited to a few values
	gin   bool  // a condition is for a GIN index, which knows no order
	byID  bool  // ids are asked for
	few   *bool // once it is known: few rows fit, and can be sorted by arrival
	exact bool
	empty bool // no row can fit
	from  time.Time
	to    time.Time
}

// set is a column with an index of its own that may have one of these values.
type set struct {
	column string
	values []any
	array  any // the same as one parameter
}

// numbered replaces each ? by $1, $2, ...
func numbered(text string) string {
	parts := strings.Split(text, "?")
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(i))
		}
		b.WriteString(p)
	}
	return b.String()
}

func (f *filter) add(cond string, args ...any) {
	f.conds = append(f.conds, cond)
	f.args = append(f.args, args...)
}

func oneOf[T any](f *filter, column string, not bool, values []T) {
	switch {
	case len(values) == 0 && !not:
		f.empty = true
	case len(values) == 0:
	case not:
		f.add(`(e.`+column+` = ANY (?)) IS NOT TRUE`, values)
	default:
		s := set{column: column, array: values}
		for _, v := range values {
			s.values = append(s.values, v)
		}
		f.sets = append(f.sets, s)
	}
}

// where writes all conditions; a set that is left out is named by skip.
func (f *filter) where(skip int) (string, []any) {
	conds, args := slices.Clone(f.conds), slices.Clone(f.args)
	for i, s := range f.sets {
		switch {
		case i == skip:
		case len(s.values) == 1:
			conds, args = append(conds, `e.`+s.column+` = ?`), append(args, s.values[0])
		default:
			conds, args = append(conds, `e.`+s.column+` = ANY (?)`), append(args, s.array)
		}
	}
	bounds, more := f.bounds()
	return strings.Join(append(conds, bounds), " AND "), append(args, more...)
}

// bounds is the condition on the time alone.
func (f *filter) bounds() (string, []any) {
	cond, args := `true`, []any(nil)
	if !f.from.IsZero() {
		cond, args = cond+` AND e.at >= ?`, append(args, f.from)
	}
	if !f.to.IsZero() {
		cond, args = cond+` AND e.at < ?`, append(args, f.to)
	}
	return cond, args
}

// compile translates a query. Station and type patterns become lists of those
// that exist.
func compile(ctx context.Context, tx pgx.Tx, eq store.EventQuery) (*filter, error) {
	f := &filter{exact: true}
	f.bound(eq.From, eq.To)
	if err := f.scope(ctx, tx, eq.Scope); err != nil {
		return nil, err
	}
	for _, t := range eq.Filter.Terms {
		if err := f.term(ctx, tx, t); err != nil {
			return nil, fmt.Errorf("term %s: %w", t.Field, err)
		}
	}
	for _, tokens := range eq.Blind {
		f.add(`(e.log, e.idx) IN (SELECT b.log, b.idx FROM blind b WHERE b.token = ANY(?))`, tokens)
	}
	f.empty = f.empty || !f.from.IsZero() && !f.to.IsZero() && !f.from.Before(f.to)
	return f, nil
}

func (f *filter) bound(from, to time.Time) {
	if from, to = ceilMicro(from), ceilMicro(to); from.After(f.from) {
		f.from = from
	}
	if to = ceilMicro(to); !to.IsZero() && (f.to.IsZero() || to.Before(f.to)) {
		f.to = to
	}
}

// ceilMicro rounds up to the precision of the column.
func ceilMicro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(999 * time.Nanosecond).Truncate(time.Microsecond).UTC()
}

func (f *filter) scope(ctx context.Context, tx pgx.Tx, scope []string) error {
	if slices.Contains(scope, "**") {
		return nil
	}
	if len(scope) == 0 {
		f.empty = true
		return nil
	}
	values, err := existing(ctx, tx, `SELECT station FROM stations`, func(s string) bool { return store.InScope(scope, s) })
	oneOf(f, "station", false, values)
	return err
}

// existing returns the values of a small table that fit.
func existing(ctx context.Context, tx pgx.Tx, text string, fits func(string) bool) ([]string, error) {
	values, err := collect(ctx, tx, pgx.RowTo[string], text)
	return slices.DeleteFunc(values, func(s string) bool { return !fits(s) }), err
}

func (f *filter) term(ctx context.Context, tx pgx.Tx, t query.Term) error {
	switch t.Field {
	case query.Station:
		values, err := existing(ctx, tx, `SELECT station FROM stations`, func(s string) bool {
			return s != "" && slices.ContainsFunc(t.Values, func(v string) bool { return query.MatchStation(v, s) })
		})
		oneOf(f, "station", t.Not, values)
		return err
	case query.Type:
		values, err := existing(ctx, tx, `SELECT type FROM types`, func(s string) bool {
			return slices.ContainsFunc(t.Values, func(v string) bool { return query.MatchType(v, s) })
		})
		oneOf(f, "type", t.Not, values)
		return err
	case query.Severity:
		oneOf(f, "severity", t.Not, severities(t))
	case query.Class:
		oneOf(f, "class", t.Not, t.Values)
	case query.ID:
		f.byID = f.byID || !t.Not
		f.any(t, func(v string) (string, any) { return `e.id = ?::text::uuid`, v })
	case query.Since:
		f.bound(t.Time(), time.Time{})
	case query.Until:
		f.bound(time.Time{}, t.Time())
	case query.IP:
		f.any(t, func(v string) (string, any) { return `e.ip <<= ?::text::inet`, v })
	case query.Word:
		f.words(t)
	case query.Data:
		f.data(t)
	case query.User, query.Equipment, query.Correlation, query.Agent, query.Signal, query.Log:
		f.text(t)
	default:
		f.exact = false
	}
	return nil
}

func severities(t query.Term) []int16 {
	var out []int16
	for _, s := range store.Severities(t) {
		out = append(out, int16(s))
	}
	return out
}

// any is a term that holds when one of its values does.
func (f *filter) any(t query.Term, cond func(value string) (string, any)) {
	var conds []string
	var args []any
	for _, v := range t.Values {
		c, arg := cond(v)
		conds, args = append(conds, c), append(args, arg)
	}
	text := `(` + strings.Join(conds, ` OR `) + `)`
	if t.Not {
		text += ` IS NOT TRUE`
	}
	f.add(text, args...)
}

// text is a term over a column of free text, with stars.
func (f *filter) text(t query.Term) {
	if t.Field == query.Log {
		f.any(t, func(v string) (string, any) {
			return `e.log IN (SELECT n FROM logs WHERE log ~ ?)`, query.Regexp(t.Field, v)
		})
		return
	}
	column := map[query.Field]string{
		query.User: "user_id", query.Equipment: "equipment", query.Correlation: "correlation",
		query.Agent: "agent", query.Signal: "signal",
	}[t.Field]
	if !slices.ContainsFunc(t.Values, query.Pattern) {
		oneOf(f, column, t.Not, t.Values)
		return
	}
	f.any(t, func(v string) (string, any) { return `e.` + column + ` ~ ?`, query.Regexp(t.Field, v) })
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
		w = `'` + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(w) + `'`
		if prefix && i == len(words)-1 {
			w += `:*`
		}
		words[i] = w
	}
	f.gin = true
	f.add(`array_to_tsvector(string_to_array(e.words, ' ')) @@ ?::text::tsquery`, strings.Join(words, ` & `))
}

func (f *filter) data(t query.Term) {
	var conds []string
	var args []any
	for _, v := range t.Values {
		for _, object := range t.Contains(v) {
			conds, args = append(conds, `e.data @> ?::text::jsonb`), append(args, string(object))
		}
	}
	switch {
	case t.Not && len(conds) > 0:
		f.add(`(`+strings.Join(conds, ` OR `)+`) IS NOT TRUE`, args...)
	case len(conds) > 0:
		f.gin = true
		f.add(`(`+strings.Join(conds, ` OR `)+`)`, args...)
	case !t.Not:
		f.empty = true
	}
}
