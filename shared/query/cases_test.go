package query_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
	"github.com/stretchr/testify/require"
)

// table is testdata/cases.json, shared with the parser in TypeScript.
type table struct {
	Now    time.Time
	Events map[string]sample
	Good   []struct {
		Text        string
		Terms       []term
		Canonical   string
		Match, Miss []string
	}
	Bad []struct {
		Text       string
		Pos, Len   int
		Message    string
		Suggestion string
	}
}

type term struct {
	Field  query.Field
	Path   []string
	Op     query.Op
	Not    bool
	Values []string
}

type sample struct {
	ID, Type, Station, Equipment, Signal, Correlation, User, IP, Log, Agent string
	Class                                                                   event.Class
	Severity                                                                event.Severity
	At                                                                      time.Time
	Data                                                                    json.RawMessage
}

func (s sample) event(t testing.TB) query.Event {
	t.Helper()
	data, err := event.Normalize(s.Data)
	require.NoError(t, err)
	words := query.Words(&event.Event{Type: s.Type, Station: s.Station, Equipment: s.Equipment, Signal: s.Signal, Data: data})
	return query.Event{
		ID: s.ID, Type: s.Type, Class: s.Class, Severity: s.Severity, Station: s.Station, Equipment: s.Equipment,
		Signal: s.Signal, Correlation: s.Correlation, User: s.User, IP: s.IP, Log: s.Log, Agent: s.Agent,
		At: s.At, Words: words, Data: data,
	}
}

func load(t testing.TB) (c table) {
	t.Helper()
	text, err := os.ReadFile("testdata/cases.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &c))
	require.Greater(t, len(c.Good), 80)
	require.Greater(t, len(c.Bad), 40)
	return c
}

func TestTheSharedTableOfGoodTextsHolds(t *testing.T) {
	c := load(t)
	for _, g := range c.Good {
		t.Run(g.Text, func(t *testing.T) {
			q, err := query.Parse(g.Text, c.Now)
			require.NoError(t, err)
			var terms []query.Term
			for _, w := range g.Terms {
				terms = append(terms, query.Term(w))
			}
			require.Equal(t, terms, q.Terms)
			require.Equal(t, g.Canonical, q.String())
			require.Equal(t, g.Text, q.Text)
			again, err := query.Parse(q.String(), c.Now.Add(time.Hour))
			require.NoError(t, err)
			require.Equal(t, q.Terms, again.Terms, "the canonical text says the same at any time")
			for _, name := range g.Match {
				require.True(t, q.Match(c.Events[name].event(t)), "must match %s", name)
			}
			for _, name := range g.Miss {
				require.False(t, q.Match(c.Events[name].event(t)), "must not match %s", name)
			}
		})
	}
}

func TestTheSharedTableOfBadTextsHolds(t *testing.T) {
	c := load(t)
	for _, b := range c.Bad {
		t.Run(b.Text, func(t *testing.T) {
			_, err := query.Parse(b.Text, c.Now)
			fault, ok := errors.AsType[*query.Error](err)
			require.True(t, ok, "got %v", err)
			require.Equal(t, &query.Error{Pos: b.Pos, Len: b.Len, Message: b.Message, Suggestion: b.Suggestion}, fault)
		})
	}
}

func TestRegularExpressionsMeanTheSameAsThePatterns(t *testing.T) {
	stations := []string{"hamburg/body/line3/st07", "line3", "x/line3", "x/line3/st07/cell", "a", "a/b", "a.b/c-d", "ab"}
	for _, pattern := range []string{"line3/**", "line3", "/line3/**", "**", "*", "/**/st07", "x/**/cell", "st0*", "a*", "a.b/*", "**/**/line3", "*/*", "**/*", "hamburg/**/st07/**"} {
		re := regexp.MustCompile(query.Regexp(query.Station, pattern))
		for _, s := range stations {
			require.Equal(t, query.MatchStation(pattern, s), re.MatchString(s), "%s %s by %s", pattern, s, re)
		}
	}
	names := []string{"user.login", "x.acme.door", "x.acme.door.left", "user", "userxlogin"}
	for _, pattern := range []string{"user.*", "user.login", "x.**", "*.door", "**.door", "x.*.door", "**", "*", "us*"} {
		re := regexp.MustCompile(query.Regexp(query.Type, pattern))
		for _, s := range names {
			require.Equal(t, query.MatchType(pattern, s), re.MatchString(s), "%s %s by %s", pattern, s, re)
		}
	}
	re := regexp.MustCompile(query.Regexp(query.User, "p+9f*"))
	require.True(t, re.MatchString("p+9fab"))
	require.False(t, re.MatchString("pp9fab"))
}

func TestAScopeBeginsAtTheFirstSegment(t *testing.T) {
	scope := []string{"hamburg/body/**", "/bremen/line1/*"}
	for station, in := range map[string]bool{
		"hamburg/body/line3/st07": true, "hamburg/body": true, "bremen/line1/st1": true,
		"x/hamburg/body/line3": false, "hamburg/bodyshop": false, "bremen/line1": false, "bremen/line1/a/b": false, "": false,
	} {
		require.Equal(t, in, query.InScope(scope, station), station)
	}
	require.False(t, query.InScope(nil, "hamburg"))
	require.True(t, query.InScope([]string{"**"}, "hamburg"))
}

func TestNoPatternIsSlow(t *testing.T) {
	pattern, station := "**", "a"
	for range 60 {
		pattern += "/*a*/**"
		station += "/aaaaaaaaaa"
	}
	start := time.Now()
	query.MatchStation(pattern+"/b", station)
	require.Less(t, time.Since(start), time.Second)
}

func TestTheRangeOfTimesIsTheirIntersection(t *testing.T) {
	q := query.Must("since:3h since:2h until:1h until:30m type:a.b", now())
	from, to := q.Range()
	require.Equal(t, now().Add(-2*time.Hour), from)
	require.Equal(t, now().Add(-time.Hour), to)
	from, to = query.Query{}.Range()
	require.True(t, from.IsZero() && to.IsZero())
}

func TestEqualQueriesHaveEqualHashes(t *testing.T) {
	a, b := query.Must("severity=high  type:User.*", now()), query.Must("severity:high type:user.*", now())
	require.Equal(t, query.Hash(a), query.Hash(b))
	require.Len(t, query.Hash(a), 16)
	require.NotEqual(t, query.Hash(a), query.Hash(query.Query{}))
}

func TestContainsGivesTheObjectsForTheDatabase(t *testing.T) {
	q := query.Must(`data.part."odd key":4711`, now())
	var texts []string
	for _, c := range q.Terms[0].Contains("4711") {
		texts = append(texts, string(c))
	}
	require.Equal(t, []string{`{"part":{"odd key":"4711"}}`, `{"part":{"odd key":4711}}`}, texts)
	require.Len(t, query.DataValues("9007199254740993"), 1, "no leaf has this number")
	require.Len(t, query.DataValues("true"), 2)
	require.Len(t, query.DataValues(`{"a":1}`), 1)
	require.Empty(t, query.DataValues("\x00"))
}

func TestATermThatNoTextCanSayMatchesNothing(t *testing.T) {
	q := query.Query{Terms: []query.Term{{Field: query.Data, Path: []string{"a"}, Op: query.Is, Values: []string{"\x00", "\xff"}}}}
	require.False(t, q.Match(query.Event{Data: []byte(`{"a":1}`)}))
	require.False(t, q.Match(query.Event{Data: []byte(`{"a":"x"}`)}))
	require.False(t, q.Match(query.Event{}))
}

func TestATextThatIsTooLongIsRefused(t *testing.T) {
	for _, text := range []string{string(make([]byte, query.MaxText+1)), "\xff", "a:b\xff"} {
		_, err := query.Parse(text, now())
		require.Error(t, err)
	}
	many := ""
	for range query.MaxTerms + 1 {
		many += "a "
	}
	_, err := query.Parse(many, now())
	require.ErrorContains(t, err, "too many terms")
}

func FuzzAnyTextParsesToItsCanonicalFormOrToAPlace(f *testing.F) {
	c := load(f)
	for _, g := range c.Good {
		f.Add(g.Text)
	}
	for _, b := range c.Bad {
		f.Add(b.Text)
	}
	e := c.Events["press"].event(f)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text, now())
		if err != nil {
			fault, ok := errors.AsType[*query.Error](err)
			require.True(t, ok)
			require.GreaterOrEqual(t, fault.Pos, 0)
			require.LessOrEqual(t, fault.Pos+fault.Len, len(text))
			return
		}
		if len(q.String()) > query.MaxText {
			return
		}
		again, err := query.Parse(q.String(), now())
		require.NoError(t, err, "%q", q.String())
		require.Equal(t, q.Terms, again.Terms)
		require.Equal(t, q.Match(e), again.Match(e))
	})
}
