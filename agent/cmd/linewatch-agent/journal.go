package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent"
	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/pipeline"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) journalCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "journal", Short: "Look into the journal of this station"}
	cmd.AddCommand(a.journalStat(), a.journalTail(), a.journalVerify(), a.journalExport(), a.rotateKey())
	return cmd
}

// openJournal opens the journal of an agent that does not run.
func (a *app) openJournal(ctx context.Context, cfg config.Config) (*journal.Journal, error) {
	j, err := agent.OpenJournal(ctx, cfg, cli.Logger(discard{}, "error"))
	return j, a.hint(err)
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// withJournal opens the journal of an agent that does not run.
func (a *app) withJournal(ctx context.Context, cfg config.Config, do func(*journal.Journal) error) error {
	j, err := a.openJournal(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(j), j.Close())
}

// from asks the running agent, or opens the journal when none runs.
func (a *app) from(cmd *cobra.Command, path string, q url.Values, into any, closed func(context.Context, *journal.Journal) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	err = control.Get(cmd.Context(), cfg.DataDir, path, q, into)
	if !errors.Is(err, control.ErrNotRunning) {
		return err
	}
	return a.withJournal(cmd.Context(), cfg, func(j *journal.Journal) error { return closed(cmd.Context(), j) })
}

func (a *app) journalStat() *cobra.Command {
	return &cobra.Command{Use: "stat", Short: "Sizes, backlog, space", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var st journal.Stat
		err := a.from(cmd, "/journal/stat", nil, &st, func(ctx context.Context, j *journal.Journal) (err error) {
			st, err = j.Stat(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), st)
		}
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "%s: %d files (%d damaged), %d of %d MiB, %d %% of the quota without a receipt, disk %s\n",
			st.Dir, st.Files, st.Damaged, st.Bytes>>20, st.Quota>>20, st.UsedPct, st.Disk)
		fmt.Fprintf(out, "signed by key %s; %d events without a receipt, %d bridged losses", st.KeyID, st.Backlog, st.Holes)
		switch {
		case st.Scrubbed.IsZero():
			fmt.Fprintln(out, "; files not read over yet since the start")
		default:
			fmt.Fprintf(out, "; all files read over at %s\n", st.Scrubbed.UTC().Format("2006-01-02 15:04:05Z"))
		}
		if st.Error != "" {
			fmt.Fprintf(out, "last failed commit: %s\n", st.Error)
		}
		rows := make([][]string, len(st.Logs))
		for i, l := range st.Logs {
			rows[i] = []string{string(l.Class), strconv.FormatUint(l.Size, 10), strconv.FormatUint(l.Receipted, 10), l.State, l.Origin}
		}
		return cli.Table(out, []string{"CLASS", "SIZE", "RECEIPTED", "STATE", "ORIGIN"}, rows)
	}}
}

func (a *app) journalTail() *cobra.Command {
	var n int
	cmd := &cobra.Command{Use: "tail", Short: "Print the newest events as they are signed", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		if n < 1 || n > control.MaxTail {
			return cli.Usage("--number must be 1 to %d", control.MaxTail)
		}
		var lines []json.RawMessage
		err := a.from(cmd, "/journal/tail", url.Values{"n": {strconv.Itoa(n)}}, &lines, func(ctx context.Context, j *journal.Journal) (err error) {
			lines, err = agent.Tail(ctx, j, n)
			return err
		})
		for _, l := range lines {
			fmt.Fprintln(cmd.OutOrStdout(), string(l))
		}
		if err == nil && len(lines) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "the journal holds no event yet: linewatch-agent start (or run) begins to record")
		}
		return err
	}}
	cmd.Flags().IntVarP(&n, "number", "n", 20, "how many")
	return cmd
}

// shownValue is the newest value; an event without a value of its own (a JSON
// message) shows as the type that it makes.
func shownValue(s pipeline.Signal) string {
	switch {
	case s.Value != nil:
		return fmt.Sprint(s.Value)
	case s.Event != "":
		return "(" + s.Event + ")"
	}
	return "-"
}

// showFiles prints one line per file and fails when one is damaged.
func (a *app) showFiles(cmd *cobra.Command, files []journal.FileReport) error {
	bad := 0
	for _, f := range files {
		if f.Error != "" {
			bad++
		}
	}
	if a.json {
		if err := cli.JSON(cmd.OutOrStdout(), files); err != nil {
			return err
		}
	} else {
		for _, f := range files {
			verdict := "good"
			if f.Error != "" {
				verdict = "DAMAGED: " + f.Error
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s  %d KiB  %s\n", f.Name, f.Bytes>>10, verdict)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d files are damaged; what they lost is declared to the aggregator as audit.gap", bad, len(files))
	}
	return nil
}
