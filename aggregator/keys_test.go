package aggregator_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/aggregator/verify"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// beside opens the same aggregator as the command line does beside the service.
func beside(t *testing.T, r *aggregatortest.Rig) *aggregator.Aggregator {
	t.Helper()
	a, err := aggregator.Open(t.Context(), r.Config, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return a
}

func verified(t *testing.T, a *aggregator.Aggregator) verify.Report {
	t.Helper()
	rep, err := a.Verify(t.Context(), aggregator.VerifyOptions{})
	require.NoError(t, err)
	require.True(t, rep.OK(), "%v", rep.Findings)
	return rep
}

func record(t *testing.T, a *aggregator.Aggregator) {
	t.Helper()
	require.NoError(t, a.Ledger.Record(t.Context(), event.TypeConfigChange, map[string]any{"target": "x", "key": "k", "old": 1, "new": 2, "by": "anna", "reason": ""}))
}

func TestALedgerKeyIsRotatedBesideARunningAggregatorInTheSameLogs(t *testing.T) {
	r := aggregatortest.New(t)
	record(t, r.Agg)
	logs := verified(t, r.Agg).Logs
	first := r.Agg.Ledger.Public()
	for range 2 {
		cli := beside(t, r)
		made, err := cli.RotateKey(t.Context(), aggregator.KeyLedger, false, "yearly", "anna")
		require.NoError(t, err)
		require.NoError(t, cli.Close())
		record(t, r.Agg) // the service notices by itself
		require.Equal(t, made.Public, []byte(r.Agg.Ledger.Public()))
	}
	require.NoFileExists(t, filepath.Join(r.Config.DataDir, "keys", "ledger.key.next"))
	require.Len(t, r.Rows("type:key.lifecycle"), 2)
	again := beside(t, r)
	defer again.Close()
	record(t, again)
	require.Equal(t, logs, verified(t, again).Logs, "no log was begun for it")
	require.False(t, first.Equal(again.Ledger.Public()))
	keys, err := again.Keys()
	require.NoError(t, err)
	require.Len(t, keys, 4, "two retired ones, the current one, and the cosigner's")
	var trust bytes.Buffer
	require.NoError(t, again.WriteTrust(t.Context(), &trust))
	require.Equal(t, 3, bytes.Count(trust.Bytes(), []byte("\nledger ")), trust.String())
}

func TestATrustFileHasTheKeysThatAWitnessHadBefore(t *testing.T) {
	r := aggregatortest.New(t)
	present, before := base64.StdEncoding.EncodeToString(make([]byte, 32)), base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	r.Agg.Config.Witnesses = []config.Witness{{Name: "w1", URL: "https://w1", Key: present, OlderKeys: []string{before + " until 2026-11-02T08:00:00Z"}}}
	var trust bytes.Buffer
	require.NoError(t, r.Agg.WriteTrust(t.Context(), &trust))
	require.Contains(t, trust.String(), "\nwitness w1 "+before+" until 2026-11-02T08:00:00Z\n")
	require.Contains(t, trust.String(), "\nwitness w1 "+present+"\n")
	require.Contains(t, trust.String(), "\nquorum 1\n", "it is one witness")
	pinned, err := bundle.ParseTrust(&trust)
	require.NoError(t, err)
	require.Len(t, pinned.Witnesses, 2)
	names := 0
	for _, k := range r.Agg.Exporter().Cosigners {
		if k.Name == "w1" {
			names++
		}
	}
	require.Equal(t, 2, names, "bundles keep what it confirmed with either")
}

func TestARevokedLedgerKeyIsFollowedByNewLogs(t *testing.T) {
	r := aggregatortest.New(t)
	record(t, r.Agg)
	cli := beside(t, r)
	_, err := cli.RotateKey(t.Context(), aggregator.KeyLedger, true, "the disk was stolen", "anna")
	require.NoError(t, err)
	require.NoError(t, cli.Close())
	record(t, r.Agg)
	again := beside(t, r)
	defer again.Close()
	logs, err := again.Store.Logs(t.Context())
	require.NoError(t, err)
	followed := 0
	for _, lg := range logs {
		if lg.Predecessor != "" {
			followed++
			require.Equal(t, again.Ledger.Public(), lg.Keys[0].Key)
		}
	}
	require.NotZero(t, followed)
	verified(t, again)
}

func TestARunningAggregatorSignsNothingWithARevokedCosignerKey(t *testing.T) {
	r := aggregatortest.New(t)
	record(t, r.Agg)
	cli := beside(t, r)
	_, err := cli.RotateKey(t.Context(), aggregator.KeyCosigner, true, "the disk was stolen", "anna")
	require.NoError(t, err)
	require.NoError(t, cli.Close())
	err = r.Agg.Ledger.Record(t.Context(), event.TypeConfigChange, map[string]any{"target": "x", "key": "k", "old": 1, "new": 2, "by": "anna", "reason": ""})
	require.ErrorIs(t, err, aggregator.ErrKeyRevoked)
	require.ErrorIs(t, r.Ended(), aggregator.ErrNewKey)
	again := beside(t, r)
	defer again.Close()
	record(t, again)
	verified(t, again)
}

func TestACosignerKeyIsRotatedAndOldReceiptsCount(t *testing.T) {
	for _, revoke := range []bool{false, true} {
		r := aggregatortest.New(t)
		record(t, r.Agg)
		if revoke { // what it went on to sign with the revoked key would count nothing
			require.NoError(t, r.Stop())
		}
		cli := beside(t, r)
		made, err := cli.RotateKey(t.Context(), aggregator.KeyCosigner, revoke, "yearly", "anna")
		require.NoError(t, err)
		require.NoError(t, cli.Close())
		if !revoke {
			require.ErrorIs(t, r.Ended(), aggregator.ErrNewKey, "whoever runs it opens it anew")
		}
		again := beside(t, r)
		record(t, again)
		verified(t, again)
		lg, err := again.Store.Logs(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, lg)
		keys, err := again.Keys()
		require.NoError(t, err)
		require.Equal(t, made.Fingerprint, keys[len(keys)-1].Fingerprint)
		var trust bytes.Buffer
		require.NoError(t, again.WriteTrust(t.Context(), &trust))
		pinned, err := bundle.ParseTrust(strings.NewReader(strings.ReplaceAll(trust.String(), "# cosigner ", "cosigner ")))
		require.NoError(t, err)
		require.Len(t, pinned.Cosigners, 2)
		require.Zero(t, pinned.Cosigners[0].Until, "the key in use")
		if revoke {
			require.Equal(t, keys[1].Public, []byte(pinned.Cosigners[1].Key))
			require.Equal(t, keys[1].Until.Truncate(time.Second), pinned.Cosigners[1].Until, "its word counts until it was revoked")
		} else {
			require.Zero(t, pinned.Cosigners[1].Until, "what a retired key signed counts")
		}
		told := again.Told()
		require.Len(t, told, map[bool]int{false: 2, true: 1}[revoke], "agents take receipts of a retired key, never of a revoked one")
		require.NoError(t, again.Close())
	}
}
