//go:build !linux && !windows

package identity

import "time"

// systemFacts reads nothing: stations run Linux or Windows.
func systemFacts() map[string]string { return nil }

func builtIn(string) bool { return true }

// Boot knows no start of the system here.
func Boot() (id string, monotonic time.Duration) { return "unknown", 0 }
