package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) trustCommand() *cobra.Command {
	return &cobra.Command{Use: "trust", Short: "Print the trust file: keys to compare with paper and to give to auditors", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			if !a.json {
				return agg.WriteTrust(ctx, cmd.OutOrStdout())
			}
			var text strings.Builder
			if err := agg.WriteTrust(ctx, &text); err != nil {
				return err
			}
			return cli.JSON(cmd.OutOrStdout(), map[string]string{"trust_file": text.String()})
		})
	}}
}

func (a *app) rootsCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "roots",
		Short: "Print the newest root of each of the aggregator's own logs, with the witnesses who confirmed it",
		Long: `Print the newest root of each of the aggregator's own logs: whoever keeps such a
root (on paper, in a mail, at a witness) can show later that nothing before it was
changed. --out writes the signed notes to a file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error { return a.roots(cmd, ctx, agg, out) })
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file for the signed notes")
	return cmd
}

func (a *app) roots(cmd *cobra.Command, ctx context.Context, agg *aggregator.Aggregator, out string) error {
	heads, err := agg.Witnesses.Heads(ctx)
	if err != nil {
		return err
	}
	if out != "" {
		err := writeFile(out, func(w io.Writer) error {
			for _, h := range heads {
				if _, err := io.WriteString(w, h.Note+"\n"); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if a.json {
		return cli.JSON(cmd.OutOrStdout(), heads)
	}
	for _, h := range heads {
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n  size %d at %s\n  root %s\n", h.Origin, h.Size, h.At.Format(time.RFC3339), h.Root)
		for _, w := range h.Witnesses {
			fmt.Fprintf(cmd.OutOrStdout(), "  witness %s at %s\n", w.Name, w.At.Format(time.RFC3339))
		}
		if len(h.Witnesses) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "  no witness: nobody outside has confirmed it")
		}
	}
	return nil
}

func (a *app) sheetCommand() *cobra.Command {
	var html bool
	var out string
	cmd := &cobra.Command{
		Use:   "sheet",
		Short: "Print the fingerprints of all stations for the binder: paper is where trust begins",
		Long: `Print the fingerprints of the ledger, of the witnesses and of all admitted
stations. Compare each with what linewatch-agent enrol printed on the station, sign
the sheet, and keep it where the aggregator's administrators can't change it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
				s, err := agg.Sheet(ctx)
				if err != nil {
					return err
				}
				write := s.Text
				if html {
					write = s.HTML
				}
				switch {
				case a.json:
					return cli.JSON(cmd.OutOrStdout(), s)
				case out != "":
					return writeFile(out, write)
				}
				return write(cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().BoolVar(&html, "html", false, "as a page to print")
	cmd.Flags().StringVar(&out, "out", "", "file to write instead of the screen")
	return cmd
}
