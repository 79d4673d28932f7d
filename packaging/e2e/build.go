//go:build linux

package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	// EnvBin names the folder of ready programs.
	EnvBin = "LINEWATCH_BIN"
	// EnvSoak makes the tests longer when it is not empty.
	EnvSoak = "LINEWATCH_SOAK"

	module = "github.com/linewatch/linewatch/"
)

// Main builds the programs unless LINEWATCH_BIN names them, runs the tests and
// returns the exit code. Most of what the tests do is wait, so four run at once
// even on two cores, unless -parallel says otherwise.
func Main(m *testing.M) int {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "4"); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
	}
	if os.Getenv(EnvBin) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "linewatch-e2e-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", dir+"/",
		module+"agent/cmd/linewatch-agent", module+"aggregator/cmd/linewatch-aggregator", module+"shared/cmd/linewatch-verify")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: build the programs:", err)
		return 1
	}
	if err := os.Setenv(EnvBin, dir); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// Bin is the path of one of the programs; a path stands for itself.
func Bin(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(os.Getenv(EnvBin), name)
}

// Soak chooses the larger figure of a test when LINEWATCH_SOAK is set.
func Soak[T any](short, long T) T {
	if os.Getenv(EnvSoak) != "" {
		return long
	}
	return short
}
