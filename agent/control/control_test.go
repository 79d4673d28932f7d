package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func serve(t *testing.T, dir string) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	views := Views{
		Status:  func(context.Context) (any, error) { return map[string]string{"state": "running"}, nil },
		Stat:    func(context.Context) (any, error) { return map[string]int{"leaves": 3}, nil },
		Verify:  func(context.Context) (any, error) { return nil, os.ErrClosed },
		Signals: func(context.Context) (any, error) { return []string{}, nil },
		Tail: func(_ context.Context, n int) ([]json.RawMessage, error) {
			return make([]json.RawMessage, 0, n), nil
		},
	}
	go func() { done <- Serve(ctx, dir, views, slog.New(slog.DiscardHandler)) }()
	require.Eventually(t, func() bool {
		var v map[string]string
		return Get(t.Context(), dir, "/status", nil, &v) == nil
	}, 5*time.Second, 5*time.Millisecond)
	return func() error { cancel(); return <-done }
}

func TestViewsAnswerOverTheSocketOfTheDataDir(t *testing.T) {
	dir := t.TempDir()
	stop := serve(t, dir)
	var status map[string]string
	require.NoError(t, Get(t.Context(), dir, "/status", nil, &status))
	require.Equal(t, "running", status["state"])
	var leaves []json.RawMessage
	require.NoError(t, Get(t.Context(), dir, "/journal/tail", url.Values{"n": {"5"}}, &leaves))
	require.ErrorContains(t, Get(t.Context(), dir, "/journal/tail", url.Values{"n": {"-1"}}, &leaves), "n must be a number")
	require.ErrorContains(t, Get(t.Context(), dir, "/journal/verify", nil, &status), "file already closed")

	info, err := os.Stat(filepath.Join(dir, "control.sock"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, stop())
	require.ErrorIs(t, Get(t.Context(), dir, "/status", nil, &status), ErrNotRunning)
}

func TestASecondAgentOnTheSameFolderIsRefusedAndADeadSocketReplaced(t *testing.T) {
	dir := t.TempDir()
	stop := serve(t, dir)
	err := Serve(t.Context(), dir, Views{}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "another agent runs")
	require.NoError(t, stop())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "control.sock"), nil, 0o600))
	require.NoError(t, serve(t, dir)())
}

func TestATooLongDataDirIsNamed(t *testing.T) {
	err := Serve(t.Context(), filepath.Join(t.TempDir(), strings.Repeat("x", 120)), Views{}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "choose a shorter data_dir")
}
