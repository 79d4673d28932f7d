package aggregator

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/shared/identity"
)

func TestThePeoplesCertificateIsMadeAnewBeforeItEnds(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	ca, err := identity.NewCA("test", clock)
	require.NoError(t, err)
	a := &Aggregator{CA: ca, log: slog.New(slog.DiscardHandler)}
	c := a.peopleCertificates()
	c.now = clock
	first, err := c.get(nil)
	require.NoError(t, err)
	again, err := c.get(nil)
	require.NoError(t, err)
	require.Same(t, first, again)
	now = first.Leaf.NotAfter.Add(-renewBefore + time.Minute)
	renewed, err := c.get(nil)
	require.NoError(t, err)
	require.True(t, renewed.Leaf.NotAfter.After(first.Leaf.NotAfter))
	require.Contains(t, renewed.Leaf.DNSNames, "localhost")
	c.issue = func() (tls.Certificate, error) { return tls.Certificate{}, errors.New("no key") }
	now = renewed.Leaf.NotAfter.Add(-time.Hour)
	kept, err := c.get(nil)
	require.NoError(t, err)
	require.Same(t, renewed, kept, "trouble with the new one leaves the old one")
}

func TestACertificateOfThePlantIsReadAnewWhenItsFilesChange(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	ca, err := identity.NewCA("plant", time.Now)
	require.NoError(t, err)
	write := func(name string, at time.Time) {
		cert, err := ca.Server(name)
		require.NoError(t, err)
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
		require.NoError(t, os.WriteFile(filepath.Join(dir, "people.crt"), text, 0o600))
		require.NoError(t, identity.SaveKey(filepath.Join(dir, "people.key"), cert.PrivateKey.(crypto.Signer)))
		for _, f := range []string{"people.crt", "people.key"} {
			require.NoError(t, os.Chtimes(filepath.Join(dir, f), at, at))
		}
	}
	a := &Aggregator{CA: ca, log: slog.New(slog.DiscardHandler), Config: config.Config{Dir: dir, People: config.People{TLS: config.TLS{Cert: "people.crt", Key: "people.key"}}}}
	c := a.peopleCertificates()
	c.now = func() time.Time { return now }
	_, err = c.get(nil)
	require.ErrorContains(t, err, "people.tls")
	write("one.plant", now)
	first, err := c.get(nil)
	require.NoError(t, err)
	require.Equal(t, []string{"one.plant"}, first.Leaf.DNSNames)
	write("two.plant", now.Add(time.Second))
	same, err := c.get(nil)
	require.NoError(t, err)
	require.Same(t, first, same, "not looked at for each connection")
	now = now.Add(lookEvery)
	second, err := c.get(nil)
	require.NoError(t, err)
	require.Equal(t, []string{"two.plant"}, second.Leaf.DNSNames)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "people.crt"), []byte("half"), 0o600))
	now = now.Add(lookEvery)
	kept, err := c.get(nil)
	require.NoError(t, err)
	require.Same(t, second, kept)
}

func TestAListenerThatFailsTakesTheProgramDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	ctx, fail := context.WithCancelCause(t.Context())
	err = failing(fail, serve(ctx, &http.Server{}, l))
	require.Error(t, err)
	require.ErrorIs(t, context.Cause(ctx), err)
}
