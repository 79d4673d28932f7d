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
		Status: func(context.Context) (any, error) { return map[string]string{"state": "running"}, nil },
		Stat:   func(context.Context) (any, error) { return map[string]int{"leaves": 3}, nil },
		Verify: func(_ context.Context, progress func(done, total uint64)) (any, error) {
			progress(1, 2)
			progress(2, 2)
			return []string{"good"}, nil
		},
		Segment: func(_ context.Context, log string, from uint64) (*Segment, error) {
			switch {
			case log != "l":
				return nil, os.ErrClosed
			case from == 2:
				return nil, nil
			}
			return &Segment{Next: 2, Leaves: 1, Body: []byte("body")}, nil
		},
		RotateKey: func(_ context.Context, reason string) (any, error) { return map[string]string{"reason": reason}, nil },
		Signals:   func(context.Context) (any, error) { return []string{}, nil },
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
	_, err := SegmentOf(t.Context(), dir, "x", 0)
	require.ErrorContains(t, err, "file already closed")
	s, err := SegmentOf(t.Context(), dir, "l", 0)
	require.NoError(t, err)
	require.Equal(t, &Segment{Next: 2, Leaves: 1, Body: []byte("body")}, s)
	s, err = SegmentOf(t.Context(), dir, "l", 2)
	require.NoError(t, err)
	require.Nil(t, s, "the end")
	var done []uint64
	var good []string
	require.NoError(t, Verify(t.Context(), dir, func(d, _ uint64) { done = append(done, d) }, &good))
	require.Equal(t, []uint64{1, 2}, done)
	require.Equal(t, []string{"good"}, good)
	require.NoError(t, Post(t.Context(), dir, "/journal/rotate-key", url.Values{"reason": {"test"}}, &status))
	require.Equal(t, "test", status["reason"])
	require.Error(t, Get(t.Context(), dir, "/journal/rotate-key", nil, &status), "asking changes nothing")

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
