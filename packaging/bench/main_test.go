//go:build linux

package bench

import (
	"flag"
	"os"
	"testing"

	"github.com/linewatch/linewatch/packaging/e2e"
)

// The programs are built for benchmarks only.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		os.Exit(m.Run())
	}
	os.Exit(e2e.Main(m))
}
