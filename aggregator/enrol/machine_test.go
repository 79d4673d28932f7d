package enrol

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMachinesWithoutTwoFactsAreNeverTheSame(t *testing.T) {
	for _, recorded := range []map[string]string{nil, {"mac": "a"}} {
		require.False(t, sameMachine(recorded, recorded))
	}
	two := map[string]string{"mac": "a", "disk_serial": "b"}
	require.True(t, sameMachine(two, two))
}
