package version_test

import (
	"runtime"
	"testing"

	"github.com/linewatch/linewatch/shared/version"
	"github.com/stretchr/testify/require"
)

func TestABinaryWithoutLinkerFlagsCallsItselfDev(t *testing.T) {
	require.Regexp(t, `^dev(-[0-9a-f]{1,12})?(-dirty)?$`, version.String())
	require.Contains(t, version.Long(), runtime.GOOS+"/"+runtime.GOARCH)
}
