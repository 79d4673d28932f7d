// Package version says what this binary is.
package version

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// number is set by the linker: -X github.com/linewatch/linewatch/shared/version.number=1.2.3
var number = ""

// ui is set to "built" by the linker when the web pages are inside.
var ui = ""

// String returns the version: the number of a release, or dev with the commit
// that it was built from ("dev-1a2b3c4d5e6f", "+" behind it: changed files).
func String() string {
	if number != "" {
		return number
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	var commit, changed string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = "-" + s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				changed = "+"
			}
		}
	}
	return "dev" + commit + changed
}

// UIBuilt reports whether the web pages were built into this binary.
func UIBuilt() bool { return ui == "built" }

// Long returns version, Go version and platform on one line.
func Long() string {
	return strings.Join([]string{String(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}, " ")
}
