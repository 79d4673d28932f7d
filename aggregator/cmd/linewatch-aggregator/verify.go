package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/verify"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) verifyCommand() *cobra.Command {
	var o aggregator.VerifyOptions
	cmd := &cobra.Command{
		Use: "verify", Short: "Walk the whole store and check every segment, signature, receipt and root", Args: cobra.NoArgs,
		Long: `verify walks the whole store: every segment is hashed again, every checkpoint and
receipt opened under the keys that may sign it, every log compared with the roots in
the ledger, and every row of the events table with its leaf. Of sealed fields it asks
for the wrapped data keys: one that is not there, was not destroyed by the signed list
and not declared lost by its station was taken away. It only reads, and the aggregator
may run meanwhile. Progress, the rate and the time left stand on the terminal.

With --state FILE a walk that was cut off goes on where it stood; what was checked
before is taken as it was then. The file is removed at the end.

Exit code 0: everything agrees. 1: something was found, each on a line FOUND.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				o.Progress = cli.Progress(cmd.ErrOrStderr(), "leaves")
				r, err := agg.Verify(ctx, o)
				if err != nil {
					return err
				}
				if a.json {
					if err := cli.JSON(cmd.OutOrStdout(), r); err != nil {
						return err
					}
				} else {
					printReport(cmd.OutOrStdout(), r)
				}
				if !r.OK() {
					return errors.New("the store does not agree with its evidence")
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&o.State, "state", "", "file that keeps how far it came, to go on after an interruption")
	cmd.Flags().BoolVar(&o.EvidenceOnly, "evidence-only", false, "leave the events table out: many times faster, and rebuild makes it anew anyway")
	return cmd
}

func printReport(w io.Writer, r verify.Report) {
	fmt.Fprintf(w, "%d logs, %d segments, %d leaves, %d more in declared holes, %d dropped, %d lists of roots\n", r.Logs, r.Segments, r.Leaves, r.Lost, r.DroppedLeaves, r.Roots)
	if r.SealedLeaves > 0 {
		fmt.Fprintf(w, "%d leaves with sealed fields: of %d a key was destroyed, of %d it was lost on the station, of %d it is missing\n",
			r.SealedLeaves, r.ErasedLeaves, r.KeyLostLeaves, r.KeyMissingLeaves)
	}
	if r.Resumed {
		fmt.Fprintln(w, "a part of it was checked by an earlier, interrupted walk")
	}
	for _, d := range r.Dropped {
		fmt.Fprintf(w, "dropped %s: %d leaves from %d to %d by %s, policy: %s (%s, leaf %d)\n", d.Origin, d.Leaves, d.First, d.End, d.By, d.Policy, d.Ledger, d.Index)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "FOUND %s from %d: %s\n", f.Origin, f.Index, f.What)
	}
	if r.More > 0 {
		fmt.Fprintf(w, "and %d more\n", r.More)
	}
	for _, origin := range r.Forked {
		fmt.Fprintf(w, "quarantined after a fork: %s\n", origin)
	}
	if r.OK() {
		fmt.Fprintln(w, "everything agrees")
	}
}
