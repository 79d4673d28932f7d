package seal_test

import (
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
