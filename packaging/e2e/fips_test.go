//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// TestTheProgramsWorkInFIPSMode runs the whole path with GODEBUG=fips140=on in
// every program: enrolment, sealed fields, proofs, erasure.
func TestTheProgramsWorkInFIPSMode(t *testing.T) {
	t.Setenv("GODEBUG", "fips140=on")
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	p := New(t, Options{})
	s := p.Station("st07", sealedLine(broker.URL))
	s.Start()
	client := Publisher(t, broker.URL)
	Publish(t, client, "plant/line3/login", login(1))
	Publish(t, client, "plant/line3/quality", fmt.Sprintf(`{"panel":1,"ts":%q}`, time.Now().UTC().Format(time.RFC3339Nano)))
	first := p.Wait("type:user.login station:"+s.Name, 1)[0]
	security := p.As("security")
	require.Equal(t, secretWords[0], security.open(t, first.Leaf.ID).Stored.Opened["user_id"])
	p.Command("person", "erase", first.Leaf.User, "--ground", "test", "--certificate", filepath.Join(p.Dir, "cert"), "--yes")
	require.Equal(t, "erased", security.open(t, first.Leaf.ID).Stored.Sealed["user_id"].State)
	proof, err := p.Raw("/api/v1/events/" + first.Leaf.ID + "/proof")
	require.NoError(t, err)
	Run(t, programVerify, "--trust", p.File("trust", p.Command("evidence", "trust")), p.File("event.tlog-proof", string(proof)))

	phrase := p.File("passphrase", "correct horse battery staple\n")
	require.Contains(t, p.Command("keys", "vault", "rotate", "--root", "passphrase", "--file", phrase), "vault: {root: passphrase")
	file := filepath.Join(p.Data, "aggregator.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, "\nvault: {root: passphrase, file: "+phrase+"}\n"...), 0o600))
	require.Contains(t, p.Command("keys", "vault", "list"), "root key: passphrase")
	vault, err := os.ReadFile(filepath.Join(p.Data, "vault", "vault.json"))
	require.NoError(t, err)
	require.Contains(t, string(vault), "pbkdf2-sha256", "the mode was really on: outside of it this is argon2id")
}
