package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) backupCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "backup --out FOLDER", Short: "Write a consistent copy of the database into a new folder", Args: cobra.NoArgs,
		Long: `backup writes a consistent copy of the database into a new folder, while the
aggregator runs: a SQLite file, or the output of pg_dump in its custom format, and
backup.json, which names its hash. FOLDER must not exist yet: name it by the day.

The keys are not in it, on purpose: whoever finds the backup signs nothing with it
and re-identifies nobody. Copy ca/, keys/, pseudonyms/ and aggregator.yaml of the
data folder once after each change of keys, and keep them elsewhere (docs/backup.md).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return cli.Usage("--out FOLDER is needed: a folder that does not exist yet")
			}
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				b, err := agg.Backup(ctx, out)
				if err != nil {
					return err
				}
				if a.json {
					return cli.JSON(cmd.OutOrStdout(), b)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d logs, %d bytes in %s\nput it back with:  linewatch-aggregator restore --from %s\n", len(b.Logs), b.Bytes, out, out)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder to write; must not exist")
	return cmd
}

func (a *app) restoreCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "restore --from FOLDER", Short: "Put a backup in the place of the database; the aggregator must be stopped", Args: cobra.NoArgs,
		Long: `restore puts a backup in the place of the database. Every aggregator on it must be
stopped. What was there before is kept beside it until you remove it.

Agents notice by their receipts what the backup does not have and send it again, as
far back as they keep it (journal.refill_window, 7 days by default); what they do not
have any more is declared in their logs. Not in the backup, and not known to any
agent, is what people did since it was made: users, passwords, tokens, approvals and
revocations. Check these by hand (docs/backup.md).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" {
				return cli.Usage("--from FOLDER is needed: what backup wrote")
			}
			cfg, err := a.config()
			if err != nil {
				return err
			}
			r, err := aggregator.Restore(cmd.Context(), cfg, from, who(), a.logger(cmd, "error"))
			if err != nil {
				return temporary(err)
			}
			if a.json {
				return cli.JSON(cmd.OutOrStdout(), r)
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "the store is as it was at %s: %d logs with %d leaves\n", r.Backup.Created.Format(time.RFC3339), r.Logs, r.Leaves)
			if r.Kept != "" {
				fmt.Fprintf(out, "what was there before is kept as %s; remove it when all is well\n", r.Kept)
			}
			fmt.Fprintln(out, "users, tokens, approvals and revocations since then are lost: check them before you start the aggregator\n"+
				"then:  linewatch-aggregator run, and once the agents have sent again what is missing:  linewatch-aggregator verify")
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder that backup wrote")
	return cmd
}
