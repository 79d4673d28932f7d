package rights_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/shared/event"
)

func TestWhatIsNotGrantedIsDenied(t *testing.T) {
	for _, roles := range [][]string{nil, {""}, {"root"}, {"Administrator"}, {"viewer "}} {
		who := rights.Principal{Name: "x", Roles: roles}
		require.Empty(t, who.Permissions())
		require.Empty(t, who.Classes())
		require.False(t, who.May(rights.EventsRead))
	}
}

func TestTheAdministratorReadsNoEvent(t *testing.T) {
	who := rights.Principal{Roles: []string{"administrator"}}
	require.False(t, who.May(rights.EventsRead))
	require.Nil(t, who.Classes())
	require.True(t, who.May(rights.UsersManage))
}

func TestRolesAddUp(t *testing.T) {
	who := rights.Principal{Roles: []string{"privacy", "viewer"}}
	require.Equal(t, []event.Class{event.Security, event.Manufacturing, event.Performance}, who.Classes())
	require.Contains(t, who.Permissions(), "audit.read")
	require.NotContains(t, who.Permissions(), "export")
}

func TestCallersOfOneNameAreToldApart(t *testing.T) {
	keys := map[string]bool{}
	for _, who := range []rights.Principal{{Name: "a"}, {Name: "a", Token: "1"}, {Name: "a", Token: "2"}, {Name: "b"}} {
		keys[who.Key()] = true
	}
	require.Len(t, keys, 4)
}
