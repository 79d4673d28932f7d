package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/linewatch/linewatch/shared/durable"
)

// Where the root key comes from.
const (
	FromFile       = "file"       // 32 random bytes in hex, mode 0600
	FromCredential = "credential" // the same, handed over by systemd (LoadCredential)
	FromPassphrase = "passphrase" // a file with a passphrase
)

// Root says where the key is that everything in the vault is encrypted with.
type Root struct {
	From string // FromFile, FromCredential, FromPassphrase
	// File holds the key, or the passphrase.
	File string
	// Credential is the name of the systemd credential.
	Credential string
}

const (
	rootSize      = 32
	minPassphrase = 12
	// Cost of guessing a passphrase: argon2id by RFC 9106 section 4 (second
	// choice); PBKDF2 where only what FIPS 140-3 allows is allowed.
	argonTime     = 3
	argonMemory   = 64 << 10 // KiB
	argonThreads  = 4
	pbkdf2Rounds  = 600_000
	kdfArgon2id   = "argon2id"
	kdfPBKDF2     = "pbkdf2-sha256"
	kekInfo       = "linewatch vault v1"
	saltSize      = 16
	maxSecretFile = 64 << 10
)

// kdf is how a passphrase becomes the root key; it stands in vault.json.
type kdf struct {
	Name    string `json:"name"`
	Salt    []byte `json:"salt"`
	Time    uint32 `json:"time,omitempty"`
	Memory  uint32 `json:"memory_kib,omitempty"`
	Threads uint8  `json:"threads,omitempty"`
	Rounds  int    `json:"rounds,omitempty"`
}

func newKDF() *kdf {
	k := &kdf{Name: kdfArgon2id, Time: argonTime, Memory: argonMemory, Threads: argonThreads}
	if fips140.Enabled() {
		k = &kdf{Name: kdfPBKDF2, Rounds: pbkdf2Rounds}
	}
	k.Salt = make([]byte, saltSize)
	rand.Read(k.Salt)
	return k
}

func (k *kdf) derive(passphrase string) ([]byte, error) {
	switch {
	case k == nil || len(k.Salt) < saltSize:
	case k.Name == kdfArgon2id && k.Time > 0 && k.Time <= 64 && k.Memory >= 8<<10 && k.Memory <= 4<<20 && k.Threads > 0:
		return argon2.IDKey([]byte(passphrase), k.Salt, k.Time, k.Memory, k.Threads, rootSize), nil
	case k.Name == kdfPBKDF2 && k.Rounds >= 1000 && k.Rounds <= 100_000_000:
		return pbkdf2.Key(sha256.New, passphrase, k.Salt, k.Rounds, rootSize)
	}
	return nil, errors.New("vault.json does not say how the passphrase becomes a key")
}

// path is the file that holds the secret.
func (r Root) path() (string, error) {
	if r.From != FromCredential {
		return r.File, nil
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("no systemd credentials here: the unit needs LoadCredential=%s:FILE (a command line can be given them with systemd-run)", r.Credential)
	}
	return filepath.Join(dir, filepath.Base(r.Credential)), nil
}

// key reads the root key. With a passphrase k says how it is made.
func (r Root) key(k *kdf) ([]byte, error) {
	path, err := r.path()
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > maxSecretFile {
		return nil, fmt.Errorf("root key: %s is too long for a key", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if r.From == FromPassphrase {
		if len(secret) < minPassphrase {
			return nil, fmt.Errorf("root key: the passphrase in %s has fewer than %d characters", path, minPassphrase)
		}
		return k.derive(secret)
	}
	key, err := hex.DecodeString(strings.TrimSpace(secret))
	if err != nil || len(key) != rootSize {
		return nil, fmt.Errorf("root key: %s does not hold %d bytes in hex", path, rootSize)
	}
	return key, nil
}

// NewRootFile makes a root key in a file that must not be there yet.
func NewRootFile(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("root key: %s is there already", path)
	}
	key := make([]byte, rootSize)
	rand.Read(key)
	if err := durable.WriteFile(path, []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	return nil
}

// kek is the key that encrypts the vault's keys, made of the root key.
type kek struct{ aead cipher.AEAD }

func newKEK(root []byte) (kek, error) {
	key, err := hkdf.Key(sha256.New, root, nil, kekInfo, rootSize)
	if err != nil {
		return kek{}, fmt.Errorf("vault: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return kek{}, fmt.Errorf("vault: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return kek{aead}, err
}

// wrap encrypts a key of the vault, bound to what it is.
func (k kek) wrap(what string, key []byte) []byte { return k.aead.Seal(nil, nil, key, []byte(what)) }

// unwrap undoes wrap; the error says nothing of the key.
func (k kek) unwrap(what string, wrapped []byte) ([]byte, error) {
	key, err := k.aead.Open(nil, nil, wrapped, []byte(what))
	if err != nil {
		return nil, errors.New("does not open with this root key")
	}
	return key, nil
}
