package main

import (
	"os"
	"syscall"
)

// peakMemory returns the largest resident size of a process that ended, in bytes.
func peakMemory(s *os.ProcessState) int64 {
	return s.SysUsage().(*syscall.Rusage).Maxrss << 10
}
