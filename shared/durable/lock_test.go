package durable_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/durable"
)

func TestALockIsHeldByOneUntilItsFileIsClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := durable.Lock(path, 0)
	require.NoError(t, err)
	_, err = durable.Lock(path, 20*time.Millisecond)
	require.ErrorIs(t, err, durable.ErrLocked)
	require.ErrorContains(t, err, path)
	got := make(chan *os.File)
	go func() {
		f, _ := durable.Lock(path, time.Minute)
		got <- f
	}()
	require.NoError(t, first.Close())
	second := <-got
	require.NotNil(t, second, "who waits gets it")
	require.NoError(t, second.Close())
	_, err = durable.Lock(filepath.Join(path, "in a file"), 0)
	require.Error(t, err)
	require.NotErrorIs(t, err, durable.ErrLocked)
}
