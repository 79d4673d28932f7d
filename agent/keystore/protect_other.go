//go:build !windows

package keystore

// available is what this system offers to this process, nil for nothing.
func available() (protector, error) { return systemCredential() }
