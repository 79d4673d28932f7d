//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// underStrace is a program that runs the agent with faults injected into its
// calls; other commands run as they are. The trace goes to the file trace.
func underStrace(t *testing.T, dir, inject string) (program, trace string) {
	t.Helper()
	call, _, _ := strings.Cut(inject, ":")
	program, trace = filepath.Join(dir, "agent-"+call+".sh"), filepath.Join(dir, "trace-"+call)
	quick := "--seccomp-bpf"
	if strings.Contains(inject, "signal=") {
		quick = "" // it injects no signals
		program, trace = filepath.Join(dir, "agent-"+call+"-kill.sh"), filepath.Join(dir, "trace-"+call+"-kill")
	}
	text := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = run ] || exec %s \"$@\"\nexec strace -D -f %s -qq -e signal=none -e trace=%s -e inject=%s -o %s %s \"$@\"\n",
		Bin(programAgent), quick, call, inject, trace, Bin(programAgent))
	require.NoError(t, os.WriteFile(program, []byte(text), 0o700))
	return program, trace
}

// TestFaultsOfTheDiskUnderARunningAgentLoseNothing lets the calls of a whole agent
// fail, again and again, and kills it in the middle of them, while messages come.
func TestFaultsOfTheDiskUnderARunningAgentLoseNothing(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 200000"})
	p := New(t, Options{})
	s := p.Station("st07", CountSource(broker.URL))
	s.Start() // the broker knows its session
	s.Agent().Kill()
	n, each := 0, Soak(1000, 20_000)
	for _, inject := range []string{
		"fdatasync:error=EIO:when=12+31", "pwrite64:error=EIO:when=50+173",
		"fdatasync:signal=SIGKILL:when=40", "pwrite64:signal=SIGKILL:when=120",
	} {
		program, trace := underStrace(t, s.Dir, inject)
		s.Program = program
		s.Launch()
		killed := strings.Contains(inject, "signal=")
		happened := func() bool {
			if killed {
				return !s.Agent().Running()
			}
			text, err := os.ReadFile(trace)
			return err == nil && strings.Contains(string(text), "INJECTED")
		}
		// strace counts the calls of each thread, and a busy machine commits more at
		// once: so messages come until the fault has fired.
		for more := true; more; more = !happened() {
			Flood(t, broker.URL, n, n+each, 1000, nil)
			n += each
			require.Less(t, n, 60*each, "%s never happened", inject)
		}
		s.Agent().Kill()
	}
	s.Program = programAgent
	s.Launch()
	require.Len(t, p.WaitCounted(s.Name, n), n)
	require.Empty(t, p.Events("type:audit.gap"), "nothing was lost, so nothing may be declared lost")
	require.Contains(t, p.Command("verify"), "everything agrees")
	require.Contains(t, s.Command("journal", "verify"), "good")
}
