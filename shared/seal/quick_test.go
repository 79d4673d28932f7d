package seal_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

func TestTheWalkThroughAnObjectEndsAtItsDepth(t *testing.T) {
	policy, err := seal.NewPolicy(nil)
	require.NoError(t, err)
	for depth := range 40 {
		for _, in := range []string{
			strings.Repeat(`{"a":`, depth) + `{"email":"x"}` + strings.Repeat(`}`, depth),
			`{"a":` + strings.Repeat(`[`, depth) + `{"email":"x"}` + strings.Repeat(`]`, depth) + `}`,
		} {
			paths := []string{}
			policy.For("x.acme.v").Apply([]byte(in), "event_data", func(path, _ string, _ []byte) seal.Verdict {
				paths = append(paths, path)
				return seal.Verdict{}
			})
			if depth < event.MaxDepth {
				require.Len(t, paths, 1, in)
				require.Len(t, strings.FieldsFunc(paths[0], func(r rune) bool { return r == '.' || r == '[' }), strings.Count(in, "{")+strings.Count(in, "[")+1)
			}
		}
	}
}

func TestAKeyOfTheRingBelongsToTheMonthOfItsEvents(t *testing.T) {
	ring := seal.NewRing()
	ring.SetRecipient(private(t, seal.P256).Public())
	east := time.FixedZone("east", 3600)
	for _, c := range []struct {
		at    time.Time
		month string
	}{
		{time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC), "2026-01"},
		{time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), "2026-02"},
		{time.Date(2026, 2, 1, 0, 30, 0, 0, east), "2026-01"},
		{time.Date(2026, 2, 28, 23, 59, 59, 999, time.UTC), "2026-02"},
		{time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC), "2025-12"},
		{time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), "2026-03"},
	} {
		key, err := ring.Key(seal.Set("secret"), c.at)
		require.NoError(t, err)
		require.Equal(t, c.month, key.Label.Month, c.at)
	}
}

func TestANameIsReplacedWhateverItsCaseSpaceAndSpelling(t *testing.T) {
	for in, want := range map[string]string{
		`"ANNA Schmidt"`: `"p"`, `" anna schmidt "`: `"p"`, `"anna schmidtt"`: `"anna schmidtt"`, `"\u0061nna schmidt"`: `"p"`,
		`"anna schmid"`: `"anna schmid"`, `"änna schmidt"`: `"änna schmidt"`, `{"Anna Schmidt":"Anna Schmidt"}`: `{"Anna Schmidt":"p"}`,
		`"anna schmidt"`: `"p"`, `["Anna Schmidt","x"]`: `["p","x"]`, `""`: `""`,
	} {
		require.Equal(t, want, string(seal.ReplaceText([]byte(in), "Anna Schmidt ", "p")), in)
	}
	require.Equal(t, `"p"`, string(seal.ReplaceText([]byte("\"a\u0308NNA\""), "Änna", "p")))
	require.Equal(t, `""`, string(seal.ReplaceText([]byte(`""`), "", "p")))
}

// slowKeyIDs reads the whole of a leaf, member by member.
func slowKeyIDs(leaf []byte) (ids []string) {
	sealed, _ := event.At(leaf, []string{"sealed"})
	event.Members(sealed, func(_ string, field json.RawMessage) bool {
		if key, ok := event.At(field, []string{"key"}); ok && len(key) > 1 && seal.ValidID(string(key[1:len(key)-1])) && !slices.Contains(ids, string(key[1:len(key)-1])) {
			ids = append(ids, string(key[1:len(key)-1]))
		}
		return true
	})
	return ids
}

// FuzzKeyIDs: of a leaf inside the profile the quick look finds what the slow one does.
func FuzzKeyIDs(f *testing.F) {
	field := func(digits string) string { return `{"p":{"key":"` + strings.Repeat(digits, 32) + `","text":"AAAA"}}` }
	const salt = `"salt":"AAECAwQFBgcICQoLDA0ODw=="`
	for _, leaf := range []string{
		`{"id":"1","sealed":` + field("ab") + `,` + salt + `}`,
		`{"sealed":` + field("ab") + `,` + salt + `}`,
		`{"sealed":` + field("ab") + `,"context":{"x":1,"sealed":` + field("0f") + `},` + salt + `}`,
		`{"context":{"x":1,"sealed":` + field("0f") + `},` + salt + `}`,
		`{"a":{"x":1,"sealed":` + field("0f") + `,` + salt + `}}`,
		`{"a":[{"x":1,"sealed":` + field("0f") + `}],` + salt + `}`,
		`{"a":",\"sealed\":","sealed":` + field("ab") + `,` + salt + `}`,
		`{"a":1,"s\u0065aled":` + field("ab") + `,` + salt + `}`,
		`{"a":1,"sealed":[` + field("ab") + `],` + salt + `}`,
		`{"a":1,"sealed":1,` + salt + `}`,
		`{"a":1,"sealed":` + field("ab") + `,"salt":"","salt":"AAECAwQFBgcICQoLDA0ODw=="}`,
	} {
		f.Add([]byte(leaf))
	}
	f.Fuzz(func(t *testing.T, leaf []byte) {
		if event.Check(leaf) == nil {
			require.Equal(t, slowKeyIDs(leaf), seal.KeyIDs(leaf), "%s", leaf)
		}
	})
}
