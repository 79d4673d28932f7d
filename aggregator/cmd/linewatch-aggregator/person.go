package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/vault"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/seal"
)

func (a *app) personCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "person", Short: "For the data protection officer: whose data is there, and erase it"}
	cmd.AddCommand(a.personFind(), a.personErase())
	return cmd
}

// named reads whom a command is about: pseudonyms, a name, or - for a name on
// standard input (which leaves no trace in the shell's history).
func named(cmd *cobra.Command, args []string, find func(name string) ([]string, error)) ([]string, error) {
	var people []string
	for _, arg := range args {
		if arg == "-" {
			text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 4096))
			if err != nil {
				return nil, err
			}
			arg = strings.TrimSpace(string(text))
		}
		if seal.IsPseudonym(arg) {
			people = append(people, arg)
			continue
		}
		list, err := find(arg)
		if err != nil {
			return nil, err
		}
		people = append(people, list...)
	}
	return people, nil
}

func (a *app) personFind() *cobra.Command {
	return &cobra.Command{
		Use: "find NAME|PSEUDONYM|- ...", Short: "Show the pseudonyms of a person and how many data keys protect the data", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				people, err := named(cmd, args, func(name string) ([]string, error) { return agg.Vault.People(ctx, name) })
				if err != nil {
					return err
				}
				keys, err := agg.Store.KeysOf(ctx, people)
				if err != nil {
					return err
				}
				count := map[string]int{}
				for _, k := range keys {
					count[k.Subject]++
				}
				if a.json {
					return cli.JSON(cmd.OutOrStdout(), map[string]any{"pseudonyms": people, "data_keys": count})
				}
				rows := make([][]string, len(people))
				for i, p := range people {
					rows[i] = []string{p, fmt.Sprint(count[p])}
				}
				return cli.Table(cmd.OutOrStdout(), []string{"PSEUDONYM", "DATA KEYS"}, rows)
			})
		},
	}
}

func (a *app) personErase() *cobra.Command {
	var out, request, ground string
	var yes bool
	cmd := &cobra.Command{
		Use: "erase NAME|PSEUDONYM|- ... --ground TEXT --certificate FILE --yes", Short: "Erase a person: destroy the data keys of all months, and certify it",
		Long: `Destroys the data keys of a person. Names, and all fields that were sealed with
these keys, can never be read again, here or anywhere; the signed record and its
proofs stay whole. Agents drop the keys with their next sign of life. A name is
best given on standard input (-): a command line is seen by others.

The certificate is written as FILE.json and, signed, for people as FILE.txt. It
says "nothing found" when no data key is or was there (another spelling of a name
has other pseudonyms: give all of them); the exit code is 1 then, and also when
something can still be read.`,
		Args: cobra.MinimumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			if !yes || out == "" || ground == "" {
				return cli.Usage("--ground, --certificate and --yes are needed: an erasure can't be undone (person find shows what it would destroy)")
			}
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				people, err := named(cmd, args, func(name string) ([]string, error) { return agg.Vault.People(ctx, name) })
				if err != nil {
					return err
				}
				if len(people) == 0 {
					return fmt.Errorf("nobody of this name is known here: no pseudonym key and no sealed name gives one (name the pseudonyms themselves if the keys of that year are gone)")
				}
				done, err := agg.Vault.Erase(ctx, vault.Request{Pseudonyms: people, RequestID: request, By: who(), Ground: ground})
				if err != nil {
					return err
				}
				return a.certificate(cmd, done, out)
			})
		},
	}
	cmd.Flags().StringVar(&out, "certificate", "", "file of the certificate, without ending")
	cmd.Flags().StringVar(&request, "request", "", "id of the person's request (default: a new one)")
	cmd.Flags().StringVar(&ground, "ground", "", "on what ground, e.g. 'GDPR Art. 17(1)(a)'")
	cmd.Flags().BoolVar(&yes, "yes", false, "I know that this can't be undone")
	return cmd
}

// certificate writes both files and tells the outcome.
func (a *app) certificate(cmd *cobra.Command, done vault.Erasure, out string) error {
	base := strings.TrimSuffix(strings.TrimSuffix(out, ".json"), ".txt")
	if err := os.MkdirAll(filepath.Dir(base), 0o700); err != nil {
		return err
	}
	for name, text := range map[string][]byte{base + ".json": done.JSON, base + ".txt": done.Text} {
		if err := durable.WriteFile(name, text, 0o600); err != nil {
			return fmt.Errorf("the person is erased, the certificate was not written: %w", err)
		}
	}
	c := done.Certificate
	if a.json {
		if _, err := cmd.OutOrStdout().Write(done.JSON); err != nil {
			return err
		}
		return outcome(c)
	}
	fmt.Fprintln(cmd.OutOrStdout(), c.Explanation)
	fmt.Fprintf(cmd.OutOrStdout(), "certificate: %s.json and %s.txt\n", base, base)
	return outcome(c)
}

// outcome is an error for every certificate that certifies no erasure.
func outcome(c vault.Certificate) error {
	switch {
	case c.Result == vault.NothingFound:
		return fmt.Errorf("nothing was erased: no data key of these pseudonyms is or was here; look at the spelling of the name (person find), or name the pseudonyms")
	case c.Result == vault.Incomplete, c.ProofsHold < c.Checked:
		return fmt.Errorf("not all is well: %d fields can still be read, %d of %d proofs verify (run person erase again, then linewatch-aggregator verify)", c.StillOpen, c.ProofsHold, c.Checked)
	}
	return nil
}
