package ingest_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// A succession copies unreceipted leaves byte for byte; log.key of the log before
// may be one of them.
func TestACopiedLogKeyOfTheLogBeforeChangesNothing(t *testing.T) {
	onBoth(t, aCopiedLogKeyOfTheLogBeforeChangesNothing)
}

func aCopiedLogKeyOfTheLogBeforeChangesNothing(t *testing.T, r *ingesttest.Rig) {
	a := r.Agent("st07")
	before, next := r.Log(a, "security", ""), r.Log(a, "security", "next")
	_, foreign, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	copied := leafOf(t, "log.key", event.Security, map[string]any{
		"origin": before.Origin, "publicKey": base64Of(foreign.Public().(ed25519.PublicKey)), "reason": "rotation",
	})
	opened := leafOf(t, "log.opened", event.Security, map[string]any{"origin": next.Origin, "copies": 2})
	got := r.Send(a, next.Commit(opened, copied, wiretest.Leaf("st07", 1)))[0]
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)
	got = r.Send(a, next.Commit(copied))[0]
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)
	got = r.Send(a, next.CommitN(1))[0]
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)
}
