package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/retention"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/event"
)

// dropCommand is evidence drop.
func (a *app) dropCommand() *cobra.Command {
	var class, before string
	var dry bool
	o := retention.Order{By: who()}
	cmd := &cobra.Command{
		Use: "drop --class CLASS --before DATE --policy TEXT", Short: "Drop the leaves of old segments; hashes, checkpoints and a signed tombstone stay", Args: cobra.NoArgs,
		Long: `drop takes the leaves and rows of a class away that the aggregator received before
a date, log by log, whole segments from the oldest on. Their hashes, checkpoints and
receipts stay, so that the proofs of everything else still verify, and whoever kept
a leaf or a bundle can still prove it. The ledger gets a signed tombstone for each
log with the policy and your name; verify shows it. It can't be undone.

--dry-run shows what would go.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Class = event.Class(class)
			at, err := time.Parse(time.DateOnly, before)
			if err != nil {
				at, err = time.Parse(time.RFC3339, before)
			}
			switch {
			case !o.Class.Valid():
				return cli.Usage("--class is needed: security, manufacturing, performance or debug")
			case err != nil || at.After(time.Now()):
				return cli.Usage("--before is needed: a date such as 2025-01-31, or a time such as 2025-01-31T00:00:00Z, in the past")
			case o.Policy == "":
				return cli.Usage("--policy is needed: the rule that asks for it; it stands in the ledger")
			}
			o.Before = at
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error { return a.drop(ctx, cmd, agg, o, dry) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&class, "class", "", "security, manufacturing, performance or debug")
	f.StringVar(&before, "before", "", "what was received earlier goes (a date, or a time in UTC)")
	f.StringVar(&o.Policy, "policy", "", "why, in words")
	f.BoolVar(&dry, "dry-run", false, "only show what would go")
	return cmd
}

func (a *app) drop(ctx context.Context, cmd *cobra.Command, agg *aggregator.Aggregator, o retention.Order, dry bool) error {
	plan, err := retention.Plan(ctx, agg.Store, o)
	if err != nil {
		return err
	}
	if !dry {
		err = retention.Run(ctx, agg.Store, agg.Ledger, o, plan, cli.Progress(cmd.ErrOrStderr(), "leaves"))
	}
	if err != nil {
		return err
	}
	if plan == nil {
		plan = []retention.Part{}
	}
	if a.json {
		return cli.JSON(cmd.OutOrStdout(), map[string]any{"dropped": !dry, "parts": plan})
	}
	verb := "dropped"
	if dry {
		verb = "would drop"
	}
	var leaves, bytes uint64
	for _, p := range plan {
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %d leaves, received %s to %s\n", verb, p.Origin, p.Leaves, p.From.UTC().Format(time.RFC3339), p.To.UTC().Format(time.RFC3339))
		leaves, bytes = leaves+p.Leaves, bytes+p.Bytes
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %d leaves of %d logs, %d bytes of evidence\n", verb, leaves, len(plan), bytes)
	return nil
}
