package config

import (
	"path/filepath"

	"github.com/linewatch/linewatch/shared/conf"
)

// Vault says where the root key of the vault comes from, which keeps the keys of
// sealed fields.
type Vault struct {
	Root       string `yaml:"root" default:"file" enum:"file,credential,passphrase" doc:"where the root key comes from: a file with 32 bytes in hex, a systemd credential with the same, or a file with a passphrase"`
	File       string `yaml:"file" doc:"file of the key or the passphrase; default: keys/vault-root.key in data_dir. Keep it apart from backups of data_dir" example:"/etc/linewatch/vault-root.key"`
	Credential string `yaml:"credential" default:"linewatch-vault-root" doc:"name of the systemd credential"`
}

// RootFile is the file of the root key or passphrase.
func (c Config) RootFile() string {
	switch file := c.Vault.File; {
	case file == "":
		return filepath.Join(c.DataDir, "keys", "vault-root.key")
	case filepath.IsAbs(file):
		return file
	default:
		return filepath.Join(c.Dir, file)
	}
}

func (c *Config) validateVault(r *conf.Report) {
	if c.Vault.Root == "passphrase" && c.Vault.File == "" {
		r.Add("vault.file", "must name the file with the passphrase")
	}
}
