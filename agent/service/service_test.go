package service

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunReturnsWhatMainReturns(t *testing.T) {
	want := errors.New("disk is gone")
	require.ErrorIs(t, Run(t.Context(), func(context.Context) error { return want }), want)
}

func TestRunPassesTheContextOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, Run(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil }))
}

func TestInstallWantsAConfigurationThatExists(t *testing.T) {
	_, err := Control("install", filepath.Join(t.TempDir(), "agent.yaml"))
	require.ErrorContains(t, err, "needs a configuration")
}

func TestOnLinuxItIsInstalledUnderSystemdOnly(t *testing.T) {
	require.NoError(t, installable("linux", "linux-systemd"))
	require.NoError(t, installable("windows", "windows-service"))
	require.ErrorContains(t, installable("linux", "unix-systemv"), "linewatch-agent run --config FILE")
}

func TestStatusIsAWord(t *testing.T) {
	s, err := Control("status", "agent.yaml")
	if err == nil {
		require.Contains(t, []string{"not installed", "running", "stopped", "unknown"}, s)
		return
	}
	require.ErrorContains(t, err, Name) // a machine without a service manager says so
}
