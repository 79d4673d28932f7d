//go:build !linux

package main

import "os/exec"

// measured runs a program to its end; its memory is measured on Linux only.
func measured(cmd *exec.Cmd) (peak int64, err error) { return 0, cmd.Run() }
