package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/shared/cli"
)

// signingCommands manage the keys of receipts and of the ledger.
func (a *app) signingCommands() []*cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List the keys that sign receipts and the ledger, those of before too; nothing of it is secret", Args: cobra.NoArgs, RunE: a.keysList}
	rotate := a.keysRotate("rotate", "Make a new key; the old one signs nothing more, what it signed counts", false)
	revoke := a.keysRotate("revoke", "Make a new key in place of one that others may have: what the old one signs from now on counts nothing", true)
	return []*cobra.Command{list, rotate, revoke}
}

func (a *app) keysList(cmd *cobra.Command, _ []string) error {
	return a.open(cmd, func(_ context.Context, agg *aggregator.Aggregator) error {
		list, err := agg.Keys()
		if err != nil {
			return err
		}
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), list)
		}
		day := func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.Format(time.DateOnly)
		}
		rows := make([][]string, len(list))
		for i, k := range list {
			rows[i] = []string{k.Kind, k.State, day(k.Since), day(k.Until), k.Fingerprint, k.Reason}
		}
		return cli.Table(cmd.OutOrStdout(), []string{"KEY", "STATE", "SINCE", "UNTIL", "FINGERPRINT", "REASON"}, rows)
	})
}

// afterCosigner says what a running aggregator does.
const afterCosigner = "a running aggregator starts anew with it within seconds; agents take its receipts after their next status call"

func (a *app) keysRotate(use, short string, revoke bool) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: use + " cosigner|ledger --reason TEXT", Short: short, Args: cobra.ExactArgs(1), ValidArgs: []string{aggregator.KeyCosigner, aggregator.KeyLedger},
		Long: short + `.

A running aggregator takes the new key over by itself; for a cosigner key it starts
anew within seconds, and signs nothing with a revoked one until then. Agents learn of
it with their next status call. Afterwards print the
trust file and the sheet anew (evidence trust, agents sheet), and copy the keys folder
to where its copy is kept.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != aggregator.KeyCosigner && args[0] != aggregator.KeyLedger {
				return cli.Usage("%s %s: there is cosigner (receipts) and ledger; the keys of stations are revoked with agents revoke", use, args[0])
			}
			if reason == "" {
				return cli.Usage("--reason is needed: it stands in the ledger")
			}
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				made, err := agg.RotateKey(ctx, args[0], revoke, reason, who())
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				if a.json { // what a person has to do now is said beside the object
					out = cmd.ErrOrStderr()
					err = cli.JSON(cmd.OutOrStdout(), made)
				} else {
					fmt.Fprintf(out, "the new %s key has the fingerprint %s\n", made.Kind, made.Fingerprint)
				}
				if made.Kind == aggregator.KeyCosigner {
					fmt.Fprintln(out, afterCosigner)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}
