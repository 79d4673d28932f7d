package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/enrol"
	"github.com/linewatch/linewatch/aggregator/store"
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
				return whichAgent(err)
			}
			return a.done(cmd, map[string]string{"agent": args[0], "state": "approved", "replaces": replaces}, "approved; the agent asks again within a minute")
		})
	}}
	approve.Flags().StringVar(&replaces, "replaces", "", "the agent whose place it takes (a new PC at the same station); that one is revoked")
	revoke := &cobra.Command{Use: "revoke AGENT", Short: "Refuse an agent from now on", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if reason == "" {
			return cli.Usage("--reason is needed: it stands in the ledger")
		}
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			if err := agg.Enrol.Revoke(ctx, args[0], who(), reason); err != nil {
				return whichAgent(err)
			}
			return a.done(cmd, map[string]string{"agent": args[0], "state": "revoked"}, "revoked")
		})
	}}
	revoke.Flags().StringVar(&reason, "reason", "", "why")
	cmd.AddCommand(list, approve, revoke, a.sheetCommand())
	return cmd
}

// whichAgent adds to an error of an unknown agent where the known ones are.
func whichAgent(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w; linewatch-aggregator agents list has the ids of all", err)
	}
	return err
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
		// Of one that waits: to be compared with what its station printed.
		Fingerprint string `json:"fingerprint,omitempty"`
	}
	list := []shown{}
	for _, w := range waiting {
		list = append(list, shown{w.AgentID, w.Station, "waits for approval", w.Host, "", w.Reason, w.Fingerprint})
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
		list = append(list, shown{g.ID, g.Station, string(g.State), g.Host, seen, g.Reason, ""})
	}
	if a.json {
		return cli.JSON(cmd.OutOrStdout(), list)
	}
	rows := make([][]string, len(list))
	for i, s := range list {
		rows[i] = []string{s.ID, s.Station, s.State, s.Host, s.LastSeen, s.Reason}
	}
	if err := cli.Table(cmd.OutOrStdout(), []string{"AGENT", "STATION", "STATE", "HOST", "LAST SEEN", "REASON"}, rows); err != nil {
		return err
	}
	for _, w := range waiting {
		toCompare(cmd.OutOrStdout(), w)
	}
	return nil
}

// toCompare says what to look at before an agent that waits is approved.
func toCompare(out io.Writer, w enrol.Waiting) {
	if w.Claim {
		fmt.Fprintf(out, "\n%s is asked for by another machine; only if the agent has moved there:  agents approve %s\n", w.AgentID, w.AgentID)
		return
	}
	fmt.Fprintf(out, "\ncompare with what the station printed:  station %s %s\nthe same, and you know of it:  agents approve %s", w.AgentID, w.Fingerprint, w.AgentID)
	if w.Predecessor != "" {
		fmt.Fprintf(out, "\nif it takes the place of the PC that it says it comes from, add:  --replaces %s", w.Predecessor)
	}
	fmt.Fprintln(out)
}
