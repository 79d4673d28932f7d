//go:build unix

package nab

import (
	"syscall"
	"time"
)

// processor is the processor time that this process has used: on a busy machine the
// clock on the wall tells how busy it is.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
