package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/shared/cli"
)

func TestANewCosignerKeySaysThatTheRunningAggregatorHasToBeRestarted(t *testing.T) {
	for _, use := range []string{"rotate", "revoke"} {
		s := newShell(t)
		want := map[string]string{"rotate": "restart it: until then", "revoke": "restart it at once"}[use]
		require.Contains(t, s.ok("keys", use, "cosigner", "--reason", "yearly"), want)
		code, out, errOut := s.typed("", "keys", use, "cosigner", "--reason", "yearly", "--json")
		require.Equal(t, cli.ExitOK, code, errOut)
		require.Contains(t, errOut, want, "a program's output stays one object")
		var made aggregator.SigningKey
		require.NoError(t, json.Unmarshal([]byte(out), &made))
		require.Equal(t, aggregator.KeyCosigner, made.Kind)
		require.NotContains(t, s.ok("keys", use, "ledger", "--reason", "yearly"), "restart")
	}
}
