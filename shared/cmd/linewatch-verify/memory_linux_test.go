package main

import (
	"os"
	"syscall"
)

// peakMemory returns the largest resident size of a process that ended, in bytes.
// Linux counts the image before exec too, which is this test's own: no limit below
// what ownPeak returns can be checked.
func peakMemory(s *os.ProcessState) int64 {
	return s.SysUsage().(*syscall.Rusage).Maxrss << 10
}

func ownPeak() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return r.Maxrss << 10
}
