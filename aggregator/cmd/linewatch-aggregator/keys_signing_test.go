//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/shared/cli"
)

func TestANewCosignerKeySaysWhatTheRunningAggregatorDoes(t *testing.T) {
	s := newShell(t)
	for _, use := range []string{"rotate", "revoke"} {
		require.Contains(t, s.ok("keys", use, "cosigner", "--reason", "yearly"), afterCosigner)
		code, out, errOut := s.typed("", "keys", use, "cosigner", "--reason", "yearly", "--json")
		require.Equal(t, cli.ExitOK, code, errOut)
		require.Contains(t, errOut, afterCosigner, "a program's output stays one object")
		var made aggregator.SigningKey
		require.NoError(t, json.Unmarshal([]byte(out), &made))
		require.Equal(t, aggregator.KeyCosigner, made.Kind)
		require.NotContains(t, s.ok("keys", use, "ledger", "--reason", "yearly"), afterCosigner)
	}
}

func TestARunningAggregatorTakesANewCosignerKeyOverByItself(t *testing.T) {
	s := newShell(t)
	log := &aggregatortest.Log{}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(newRoot(), []string{"--data", s.dir, "run"}, strings.NewReader(""), &bytes.Buffer{}, log)
	}()
	ready := func(times int) func() bool {
		return func() bool { return strings.Count(log.String(), "aggregator is ready") == times }
	}
	require.Eventually(t, ready(1), 60*time.Second, 10*time.Millisecond)
	for i, use := range []string{"rotate", "revoke"} {
		s.ok("keys", use, "cosigner", "--reason", "yearly")
		require.Eventually(t, ready(i+2), 60*time.Second, 10*time.Millisecond, log.String())
	}
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	require.Equal(t, cli.ExitOK, <-ended, log.String())
	require.Contains(t, s.ok("verify"), "everything agrees", "no receipt is of the revoked key")
}
