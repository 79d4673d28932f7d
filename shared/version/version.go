// Package version says what this binary is.
package version

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// Set by the linker: -X github.com/linewatch/linewatch/shared/version.number=1.2.3
// for a release, .commit=$(git describe --always --dirty) for any other build.
var number, commit string

// String returns the version: the number of a release, or dev with the commit
// that it was built from ("dev-1a2b3c4", "dev-1a2b3c4-dirty" with changed files).
func String() string {
	switch {
	case number != "":
		return number
	case commit != "":
		return "dev-" + commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	var revision, changed string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = "-" + s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				changed = "-dirty"
			}
		}
	}
	return "dev" + revision + changed
}

// Long returns version, Go version and platform on one line.
func Long() string {
	return strings.Join([]string{String(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}, " ")
}
