package keystore

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/identity"
)

func credentials(t *testing.T, secret string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, credentialName), []byte(secret), 0o400))
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
}

func TestAKeyIsReadBackPlainOrSealedAndTheSealedFileHoldsNoKey(t *testing.T) {
	key, err := identity.NewSigningKey()
	require.NoError(t, err)
	tlsKey, err := identity.NewTLSKey()
	require.NoError(t, err)
	for _, sealed := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "log.key")
		if sealed {
			credentials(t, strings.Repeat("s", 32))
		}
		require.NoError(t, Save(path, key))
		got, err := Load(path)
		require.NoError(t, err)
		require.True(t, key.Equal(got))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		_, plain := identity.LoadKey(path)
		require.Equal(t, sealed, plain != nil)
		require.NoError(t, Save(path, tlsKey))
		other, err := Load(path)
		require.NoError(t, err)
		require.True(t, tlsKey.Equal(other))
	}
}

func TestASealedKeyOpensOnlyWithItsCredential(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.key")
	key, err := identity.NewSigningKey()
	require.NoError(t, err)
	credentials(t, strings.Repeat("s", 32))
	require.NoError(t, Save(path, key))
	credentials(t, strings.Repeat("t", 32))
	_, err = Load(path)
	require.ErrorIs(t, err, ErrSealed)
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	_, err = Load(path)
	require.ErrorIs(t, err, ErrSealed)
	require.ErrorContains(t, err, "only the service has the credential")
	credentials(t, "short")
	_, err = Load(path)
	require.ErrorContains(t, err, "at least 16")
}

func TestAPlainKeyIsSealedOnceACredentialIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.key")
	key, err := identity.NewSigningKey()
	require.NoError(t, err)
	require.NoError(t, Save(path, key))
	changed, err := Seal(path)
	require.NoError(t, err)
	require.False(t, changed, "nothing to seal with")
	credentials(t, strings.Repeat("s", 32)+"\n")
	for _, want := range []bool{true, false} {
		changed, err = Seal(path)
		require.NoError(t, err)
		require.Equal(t, want, changed)
	}
	got, err := Load(path)
	require.NoError(t, err)
	require.True(t, key.Equal(got.(ed25519.PrivateKey)))
	kind, err := Protection()
	require.NoError(t, err)
	require.Equal(t, "credential", kind)
}

func TestEveryChangedByteOfASealedKeyIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.key")
	key, err := identity.NewSigningKey()
	require.NoError(t, err)
	credentials(t, strings.Repeat("s", 32))
	require.NoError(t, Save(path, key))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range text {
		bad := append([]byte(nil), text...)
		bad[i] ^= 1
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		if got, err := Load(path); err == nil {
			require.True(t, key.Equal(got), "byte %d", i) // blanks and the like
		}
	}
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = Load(path)
	require.ErrorContains(t, err, "may be read by others")
}

func FuzzAnyFileIsAKeyOrAnError(f *testing.F) {
	f.Add([]byte("-----BEGIN LINEWATCH SEALED KEY-----\nKind: credential\n\nAAAA\n-----END LINEWATCH SEALED KEY-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte{})
	dir := f.TempDir()
	require.NoError(f, os.WriteFile(filepath.Join(dir, credentialName), []byte(strings.Repeat("s", 32)), 0o400))
	f.Setenv("CREDENTIALS_DIRECTORY", dir)
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "k")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		key, err := Load(path)
		require.Equal(t, err == nil, key != nil)
	})
}
