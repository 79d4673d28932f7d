package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/detect/spc"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) spcCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "spc", Short: "Statistical process control of this station"}
	cmd.AddCommand(a.baselineCommand())
	return cmd
}

func (a *app) baselineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "baseline", Short: "What the control charts compare with: show, propose, approve, freeze",
		Long: `A chart compares with a baseline of 25 subgroups (configurable). The agent proposes
the first one by itself; a person looks at it (show), approves it, and freezes it: then
it is in force until another one is frozen. Each step is an event with who and when.

The agent must be running.`,
	}
	cmd.AddCommand(a.baselineShow(),
		a.baselineChange(spc.Propose, "Compute a new baseline of the newest subgroups"),
		a.baselineChange(spc.Approve, "Approve the proposed baseline"),
		a.baselineChange(spc.Freeze, "Put the approved baseline in force"))
	return cmd
}

func (a *app) baselineShow() *cobra.Command {
	return &cobra.Command{Use: "show [NAME]", Short: "Show all charts, or one with its points and versions", Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		cfg, err := a.config()
		if err != nil {
			return err
		}
		q := url.Values{}
		if len(args) == 1 {
			q.Set("name", args[0])
		}
		var list []spc.Shown
		if err := control.Get(cmd.Context(), cfg.DataDir, "/spc/baselines", q, &list); err != nil {
			return err
		}
		if len(args) == 1 && len(list) == 0 {
			return fmt.Errorf("%s: %w", args[0], spc.ErrNoChart)
		}
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), list)
		}
		if len(args) == 1 {
			for _, s := range list {
				if err := showChart(cmd.OutOrStdout(), s); err != nil {
					return err
				}
			}
			return nil
		}
		if len(list) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "no control charts: name them in agent.yaml (signals.<name>.spc, quality.<name>); a signal's chart is there from its first value on")
			return nil
		}
		rows := make([][]string, len(list))
		for i, s := range list {
			rows[i] = []string{s.Station, s.Name, dash(s.Recipe), s.Chart, s.Subgroup, fmt.Sprintf("%d/%d", s.Collected, s.Wanted), inForce(s), dash(s.State), s.Detail}
		}
		return cli.Table(cmd.OutOrStdout(), []string{"STATION", "NAME", "RECIPE", "CHART", "SUBGROUP", "POINTS", "BASELINE", "STATE", ""}, rows)
	}}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// inForce is the version of the baseline in force, and what waits behind it.
func inForce(s spc.Shown) string {
	text := "none"
	if s.Active != nil {
		text = strconv.Itoa(s.Active.Version)
	}
	if len(s.Versions) > 0 && (s.Versions[0].State == spc.Proposed || s.Versions[0].State == spc.Approved) {
		text += fmt.Sprintf(" (%d %s)", s.Versions[0].Version, s.Versions[0].State)
	}
	return text
}

// showChart prints one chart whole.
func showChart(out io.Writer, s spc.Shown) error {
	fmt.Fprintf(out, "%s of %s", s.Name, s.Station)
	if s.Recipe != "" {
		fmt.Fprintf(out, ", recipe %s", s.Recipe)
	}
	fmt.Fprintf(out, ": %s of %s, rules %s", s.Chart, s.Subgroup, strings.Trim(fmt.Sprint(s.Rules), "[]"))
	if len(s.With) > 0 {
		fmt.Fprintf(out, ", with %s", words.List(s.With))
	}
	fmt.Fprintf(out, "; %d of %d points\n", s.Collected, s.Wanted)
	rows := make([][]string, len(s.Versions))
	for i, e := range s.Versions {
		b := e.Baseline
		low, high := b.Limits(spc.Point{N: b.Size})
		number := func(v float64) string { return words.With(words.Number(v, b.Sigma), s.Unit) }
		rows[i] = []string{
			strconv.Itoa(e.Version), string(e.State), number(b.Center), number(low), number(high), strconv.Itoa(b.Subgroups),
			strconv.Itoa(b.Outside), when(e.Proposed), when(e.Approved), when(e.Frozen),
		}
	}
	if err := cli.Table(out, []string{"VERSION", "STATE", "MEAN", "LOW", "HIGH", "OF", "OUTSIDE", "PROPOSED", "APPROVED", "FROZEN"}, rows); err != nil {
		return err
	}
	if s.Fit != nil {
		fmt.Fprintf(out, "Cp %.2f, Cpk %.2f (with 95 %% certainty at least %.2f), Ppk %.2f\n", s.Fit.Cp, s.Fit.Cpk, s.Fit.CpkLow, s.Fit.Ppk)
	}
	if s.ByChance >= 1 {
		fmt.Fprintf(out, "though nothing is wrong expect about %.0f events in 8 hours by chance; fewer with a longer subgroup, fewer rules or a longer baseline\n", s.ByChance)
	}
	for _, r := range s.Remarks {
		fmt.Fprintln(out, r)
	}
	return nil
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func (a *app) baselineChange(action spc.Action, short string) *cobra.Command {
	var c control.BaselineChange
	cmd := &cobra.Command{Use: string(action) + " NAME", Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		cfg, err := a.config()
		if err != nil {
			return err
		}
		if c.By == "" {
			c.By = whoami()
		}
		if c.By == "" {
			return cli.Usage("who does it? --by NAME")
		}
		q := url.Values{"action": {string(action)}, "name": {args[0]}, "station": {c.Station}, "recipe": {c.Recipe}, "by": {c.By}}
		var change spc.Change
		if err := control.Post(cmd.Context(), cfg.DataDir, "/spc/baseline", q, &change); err != nil {
			return err
		}
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), change)
		}
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "baseline %d of %s is %s\n", change.Entry.Version, change.Entry.Name, change.Entry.State)
		for _, r := range change.Remarks {
			fmt.Fprintln(out, r)
		}
		switch change.Entry.State {
		case spc.Proposed:
			fmt.Fprintln(out, "look at it: linewatch-agent spc baseline show "+args[0]+"; then approve it")
		case spc.Approved:
			fmt.Fprintln(out, "put it in force: linewatch-agent spc baseline freeze "+args[0])
		}
		return nil
	}}
	cmd.Flags().StringVar(&c.By, "by", "", "who does it (default: the user of the system)")
	cmd.Flags().StringVar(&c.Station, "station", "", "station, where several have a chart of this name")
	cmd.Flags().StringVar(&c.Recipe, "recipe", "", "recipe or product")
	return cmd
}

// whoami is the user behind sudo, else that of the system.
func whoami() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
