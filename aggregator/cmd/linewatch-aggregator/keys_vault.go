package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/vault"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/seal"
)

// vaultCommand manages the keys of sealed fields. Each command works beside a
// running service, which notices within seconds.
func (a *app) vaultCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "vault", Short: "Keys of sealed fields: list, rotate, make, destroy, back up"}
	list := &cobra.Command{Use: "list", Short: "List the vault's keys; nothing of it is secret", Args: cobra.NoArgs, RunE: a.vaultList}
	cmd.AddCommand(list, a.vaultRotate(), a.vaultNew(), a.vaultDestroy(), a.vaultBackup())
	return cmd
}

func (a *app) vaultList(cmd *cobra.Command, _ []string) error {
	return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
		info, err := agg.Vault.Info(ctx)
		if err != nil {
			return err
		}
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), info)
		}
		rows := make([][]string, len(info.Keys))
		for i, k := range info.Keys {
			rows[i] = []string{k.ID, k.Suite, k.State, k.Created.Format(time.DateOnly), strconv.FormatUint(k.DataKeys, 10)}
		}
		if err := cli.Table(cmd.OutOrStdout(), []string{"KEY", "SUITE", "STATE", "CREATED", "DATA KEYS"}, rows); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "root key: %s, since %s\n%d data keys destroyed, list number %d\n",
			info.From, info.Since.Format(time.DateOnly), info.Destroyed, info.List)
		return nil
	})
}

func (a *app) vaultRotate() *cobra.Command {
	var from, file, credential string
	cmd := &cobra.Command{
		Use: "rotate --root file|credential|passphrase --file FILE", Short: "Encrypt the vault with another root key; no data key is wrapped anew",
		Long: `Encrypts the vault's private keys with another root key. With --root file the key
is made in --file, which must not be there yet. Afterwards write vault.root and
vault.file into aggregator.yaml: the next start reads them.`,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			if from != vault.FromCredential && file == "" {
				return cli.Usage("--file is needed: the file of the new root key or of the passphrase")
			}
			path, err := filepath.Abs(file)
			if err != nil {
				return err
			}
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				to := vault.Root{From: from, File: path, Credential: credential}
				switch from {
				case vault.FromFile:
					if err := vault.NewRootFile(path); err != nil {
						return err
					}
				case vault.FromPassphrase, vault.FromCredential:
				default:
					return cli.Usage("--root is file, credential or passphrase, not %q", from)
				}
				if err := agg.Vault.Rotate(ctx, to, who()); err != nil {
					return err
				}
				return a.done(cmd, map[string]string{"root": from, "file": path},
					"rotated. Now set in aggregator.yaml:\n  vault: {root: %s, file: %s}\nand destroy the old root key when the service has been restarted", from, path)
			})
		},
	}
	cmd.Flags().StringVar(&from, "root", vault.FromFile, "where the new root key comes from: file, credential, passphrase")
	cmd.Flags().StringVar(&file, "file", "", "its file")
	cmd.Flags().StringVar(&credential, "credential", "linewatch-vault-root", "name of the systemd credential")
	return cmd
}

func (a *app) vaultNew() *cobra.Command {
	var suite string
	cmd := &cobra.Command{Use: "new", Short: "Make a key pair that agents seal for from now on; older ones go on opening", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			id, err := agg.Vault.NewKey(ctx, seal.Suite(suite), who())
			if err != nil {
				return err
			}
			return a.done(cmd, map[string]string{"id": id}, "%s", id)
		})
	}}
	cmd.Flags().StringVar(&suite, "suite", string(seal.MLKEM768P256), "p256 or mlkem768-p256")
	return cmd
}

func (a *app) vaultDestroy() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "destroy KEY --yes", Short: "Destroy a retired key pair: whatever was sealed for it can never be read again", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if !yes {
			return cli.Usage("--yes is needed: all data keys that were wrapped for this key are lost for ever (see keys vault list)")
		}
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			if err := agg.Vault.Destroy(ctx, args[0], who()); err != nil {
				return err
			}
			return a.done(cmd, map[string]string{"key": args[0], "state": "destroyed"}, "destroyed")
		})
	}}
	cmd.Flags().BoolVar(&yes, "yes", false, "I know that this can't be undone")
	return cmd
}

func (a *app) vaultBackup() *cobra.Command {
	var out string
	cmd := &cobra.Command{Use: "backup --out FOLDER", Short: "Copy the vault (encrypted) and the list of destroyed keys; the root key is not copied", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		if out == "" {
			return cli.Usage("--out FOLDER is needed")
		}
		return a.open(cmd, func(_ context.Context, agg *aggregator.Aggregator) error {
			if err := agg.Vault.Backup(out); err != nil {
				return err
			}
			return a.done(cmd, map[string]string{"folder": out}, "copied to %s; keep the root key elsewhere", out)
		})
	}}
	cmd.Flags().StringVar(&out, "out", "", "folder to make")
	return cmd
}
