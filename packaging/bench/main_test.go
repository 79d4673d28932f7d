//go:build linux

package bench

import (
	"os"
	"testing"

	"github.com/linewatch/linewatch/packaging/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }
