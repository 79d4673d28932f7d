package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) importCommand() *cobra.Command {
	o := aggregator.ImportOptions{By: who()}
	cmd := &cobra.Command{
		Use: "import FOLDER", Short: "Bring in the journal of a station that has no network", Args: cobra.ExactArgs(1),
		Long: `import brings in what linewatch-agent journal export wrote on a station: the folder, or
one log of it by its .segments file. It may run beside the service.

Each segment is verified and stored as if the station had sent it: its agent must be
admitted here, its signatures and roots must hold, what is stored already is compared,
and two histories of one log are an alarm (log.forked). The ledger says who brought it
in (evidence.imported). Doing it twice does no harm; what was cut off is completed by
doing it again.

Of a replaced agent (agents approve NEW --replaces OLD) nothing is taken unless you
say --replaced. Of a revoked one nothing is taken at all.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				o.Progress = cli.Progress(cmd.ErrOrStderr(), "leaves")
				done, err := agg.Import(ctx, args[0], o)
				if err != nil {
					return err
				}
				return a.showImported(cmd, done)
			})
		},
	}
	cmd.Flags().BoolVar(&o.Replaced, "replaced", false, "take the logs of an agent that another one replaced")
	return cmd
}

func (a *app) showImported(cmd *cobra.Command, done aggregator.Imported) error {
	out := cmd.OutOrStdout()
	if a.json {
		if err := cli.JSON(out, done); err != nil {
			return err
		}
	} else {
		for _, l := range done.Logs {
			switch {
			case l.Skipped != "":
				fmt.Fprintf(out, "%s  left out: %s\n", l.Origin, l.Skipped)
			case l.Problem != "":
				fmt.Fprintf(out, "%s  NOT TAKEN TO ITS END: %s\n", l.Origin, l.Problem)
			default:
				fmt.Fprintf(out, "%s  leaves %d to %d: %d new\n", l.Origin, l.First, l.Size, l.Stored-l.Before)
			}
		}
		fmt.Fprintf(out, "%d leaves of agent %s (%s) are new, %d were here already and are the same\n", done.New, done.Agent, done.Station, done.Same)
	}
	if done.Failed > 0 {
		return fmt.Errorf("%d of %d logs were not taken to their end", done.Failed, len(done.Logs))
	}
	return nil
}
