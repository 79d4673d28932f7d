package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// measured runs a program to its end and returns the most memory that it had
// resident, in bytes. What wait4 tells would not do: it counts the memory of the
// process that started the program, too. A high-water mark is looked at until the
// program ends, so the last milliseconds may be missing.
func measured(cmd *exec.Cmd) (peak int64, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan int64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		most := int64(0)
		for ctx.Err() == nil {
			most = max(most, highWater(cmd.Process.Pid))
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
		done <- most
	}()
	err = cmd.Wait()
	stop()
	return <-done, err
}

func highWater(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(text), "VmHWM:")
	kb, _ := strconv.ParseInt(strings.TrimSpace(strings.SplitN(line, "kB", 2)[0]), 10, 64)
	return kb << 10
}
