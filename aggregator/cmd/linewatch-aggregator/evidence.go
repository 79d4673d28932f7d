package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/verify"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) agentsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "agents", Short: "List, approve and revoke agents"}
	list := &cobra.Command{Use: "list", Short: "List agents, those that wait for approval first", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error { return a.listAgents(cmd, ctx, agg) })
	}}
	var replaces, reason string
	approve := &cobra.Command{Use: "approve AGENT", Short: "Admit an agent that waits", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			if err := agg.Enrol.Approve(ctx, args[0], replaces, who()); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "approved; the agent asks again within a minute")
			return nil
		})
	}}
	approve.Flags().StringVar(&replaces, "replaces", "", "the agent whose place it takes (a new PC at the same station); that one is revoked")
	revoke := &cobra.Command{Use: "revoke AGENT", Short: "Refuse an agent from now on", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if reason == "" {
			return cli.Usage("--reason is needed: it stands in the ledger")
		}
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			if err := agg.Enrol.Revoke(ctx, args[0], who(), reason); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "revoked")
			return nil
		})
	}}
	revoke.Flags().StringVar(&reason, "reason", "", "why")
	cmd.AddCommand(list, approve, revoke, a.sheetCommand())
	return cmd
}

func (a *app) listAgents(cmd *cobra.Command, ctx context.Context, agg *aggregator.Aggregator) error {
	waiting, err := agg.Enrol.Pending(ctx)
	if err != nil {
		return err
	}
	agents, err := agg.Store.Agents(ctx)
	if err != nil {
		return err
	}
	type shown struct {
		ID       string `json:"id"`
		Station  string `json:"station"`
		State    string `json:"state"`
		Host     string `json:"host"`
		LastSeen string `json:"last_seen"`
		Reason   string `json:"reason"`
	}
	var list []shown
	for _, w := range waiting {
		list = append(list, shown{w.AgentID, w.Station, "waits for approval", w.Host, "", w.Reason})
	}
	for i := range agents {
		g := &agents[i]
		if g.State == store.AgentPending {
			continue
		}
		seen := "never"
		if !g.Seen.At.IsZero() {
			seen = g.Seen.At.UTC().Format("2006-01-02 15:04:05Z")
		}
		list = append(list, shown{g.ID, g.Station, string(g.State), g.Host, seen, g.Reason})
	}
	if a.json {
		return cli.JSON(cmd.OutOrStdout(), list)
	}
	rows := make([][]string, len(list))
	for i, s := range list {
		rows[i] = []string{s.ID, s.Station, s.State, s.Host, s.LastSeen, s.Reason}
	}
	return cli.Table(cmd.OutOrStdout(), []string{"AGENT", "STATION", "STATE", "HOST", "LAST SEEN", "REASON"}, rows)
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{Use: "verify", Short: "Walk the whole store and check every segment, signature, receipt and root", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			r, err := agg.Verify(ctx, cli.Progress(cmd.ErrOrStderr(), "leaves"))
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
				return fmt.Errorf("the store does not agree with its evidence")
			}
			return nil
		})
	}}
}

func printReport(w io.Writer, r verify.Report) {
	fmt.Fprintf(w, "%d logs, %d segments, %d leaves, %d of them in declared holes, %d lists of roots\n", r.Logs, r.Segments, r.Leaves, r.Lost, r.Roots)
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
