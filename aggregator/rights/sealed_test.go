package rights_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/rights"
)

func TestWhoOpensWhichSealedFields(t *testing.T) {
	for role, want := range map[string][]bool{ // person, secret, product, unparsed
		"security": {true, true, true, true}, "privacy": {true, false, false, false}, "quality": {false, false, true, false},
		"maintenance": {false, false, true, true}, "auditor": make([]bool, 4), "administrator": make([]bool, 4),
		"viewer": make([]bool, 4), "operator": make([]bool, 4), "integrator": make([]bool, 4), "nobody": make([]bool, 4),
	} {
		who := rights.Principal{Roles: []string{role}}
		var got []bool
		for _, set := range []string{rights.SetPerson, "secret", "product", "unparsed"} {
			got = append(got, who.MayOpen(set))
		}
		require.Equal(t, want, got, role)
		require.Equal(t, role == "security", who.MayOpenAll(), role)
		require.False(t, role != "security" && who.MayOpen("*"), role)
	}
	require.Equal(t, []string{"person", "personal", "product", "recipe"}, rights.Principal{Roles: []string{"quality", "privacy"}}.Opens())
}
