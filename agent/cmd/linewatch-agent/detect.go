package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/detect/plant"
	"github.com/linewatch/linewatch/agent/detect/replay"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/event"
)

func (a *app) detectCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "detect", Short: "Try detection on recorded curves; tell the running agent what the plant is doing"}
	cmd.AddCommand(a.detectReplay(), a.detectState(), a.detectTell("pause", "Stop learning; watching goes on"), a.detectTell("resume", "Go on learning"), a.detectReset())
	return cmd
}

// replayFlags are those of detect replay.
type replayFlags struct {
	names  []string
	zone   string
	plot   string
	all    bool
	learnt string
}

func (a *app) detectReplay() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use: "replay FILE.csv", Short: "Run a recorded curve through the configuration and print what would have been raised",
		Long: `Runs a recorded curve through the detectors as if it came live and prints what
would have been raised. Nothing is recorded and no agent is needed.

FILE.csv has a header. The first column is the time (2026-11-22T08:00:00Z,
2026-11-22 08:00:00, seconds or milliseconds since 1970); each further column is a
signal of that name, or the columns are time, signal, value. "-" reads the
standard input. Signals are watched as the configuration says; without --config
nothing is configured and all is learnt. What is learnt begins with the file:
give it some hours before the part that matters.

Exit code 0 also when something was found.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.replay(cmd, args[0], f) },
	}
	cmd.Flags().StringArrayVar(&f.names, "as", nil, "COLUMN=SIGNAL: another name for a column")
	cmd.Flags().StringVar(&f.zone, "zone", "UTC", "time zone of times without one")
	cmd.Flags().StringVar(&f.plot, "plot", "", "write a figure (SVG) with curves, bands and findings")
	cmd.Flags().BoolVar(&f.all, "all", false, "print also when detectors begin to learn, and curves")
	cmd.Flags().StringVar(&f.learnt, "learnt", "", "folder to take up what an earlier replay learnt, and to leave it in")
	return cmd
}

func (a *app) replay(cmd *cobra.Command, file string, f replayFlags) (err error) {
	o := replay.Options{Names: map[string]string{}, Dir: f.learnt, Figure: f.plot != "", Logger: cli.Logger(cmd.ErrOrStderr(), "warn")}
	if o.Config, err = a.replayConfig(cmd); err != nil {
		return err
	}
	for _, n := range f.names {
		column, signal, ok := strings.Cut(n, "=")
		if !ok || column == "" || signal == "" {
			return cli.Usage("--as %s: must be COLUMN=SIGNAL", n)
		}
		o.Names[column] = signal
	}
	if o.Zone, err = time.LoadLocation(f.zone); err != nil {
		return cli.Usage("--zone %s: no time zone such as Europe/Berlin", f.zone)
	}
	if ext := strings.ToLower(filepath.Ext(f.plot)); f.plot != "" && ext != ".svg" {
		return cli.Usage("--plot %s: the figure is an SVG; call it %s.svg", f.plot, strings.TrimSuffix(f.plot, filepath.Ext(f.plot)))
	}
	in := cmd.InOrStdin()
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		defer opened.Close()
		in = opened
	}
	res, err := replay.Run(cmd.Context(), in, o)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if f.plot != "" {
		if err := figure(f.plot, res, o.Config.Signals); err != nil {
			return err
		}
	}
	return a.showReplay(cmd, res, f)
}

// replayConfig is the configuration, or nothing configured where there is none.
func (a *app) replayConfig(cmd *cobra.Command) (config.Config, error) {
	if _, err := os.Stat(a.file); errors.Is(err, os.ErrNotExist) && !cmd.Flags().Changed("config") {
		return config.Parse("defaults", []byte("station: replay\ndata_dir: .\n"), ".")
	}
	return a.config()
}

func figure(path string, res *replay.Result, signals map[string]config.Signal) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return res.Plot(out, signals)
}

// quietTypes are left out of what replay prints, unless --all asks for them.
func quietTypes(typ string) bool {
	return typ == event.TypeSignalCurve || typ == event.TypeSignalLearning || typ == event.TypeStationProduction
}

func (a *app) showReplay(cmd *cobra.Command, res *replay.Result, f replayFlags) error {
	out := cmd.OutOrStdout()
	counts := map[string]int{}
	for _, e := range res.Events {
		if quietTypes(e.Type) && !f.all {
			continue
		}
		counts[e.Type]++
		if a.json {
			line, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("an event of %s at %s: %w", e.Type, e.At, err)
			}
			fmt.Fprintln(out, string(line))
			continue
		}
		fmt.Fprintf(out, "%s  %-8s  %-17s  %s\n", e.At.Format("2006-01-02 15:04:05"), e.Severity, e.Type, e.Sentence())
	}
	if !a.json {
		summary(out, res, counts, f)
	}
	return nil
}

func summary(out io.Writer, res *replay.Result, counts map[string]int, f replayFlags) {
	span := res.To.Sub(res.From)
	fmt.Fprintf(out, "%d values over %s (%s to %s)", res.Values, span.Round(time.Second), res.From.Format("2006-01-02 15:04"), res.To.Format("2006-01-02 15:04"))
	if len(counts) == 0 {
		fmt.Fprint(out, ": nothing would have been raised")
	}
	for _, typ := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, ", %d × %s", counts[typ], typ)
	}
	fmt.Fprintln(out)
	if res.Skipped > 0 {
		fmt.Fprintf(out, "%d lines could not be read: %s\n", res.Skipped, strings.Join(res.Why, "; "))
	}
	if f.plot != "" {
		fmt.Fprintf(out, "figure: %s\n", f.plot)
	}
}

func (a *app) detectState() *cobra.Command {
	var station string
	var length time.Duration
	cmd := &cobra.Command{
		Use: "state production|break|changeover|maintenance|off|auto", Short: "Tell the running agent what the plant is doing",
		Long: `Tells the running agent what the plant is doing; it counts more than signal and
calendar, until --for is over or "auto" takes it back. While off or in maintenance
limits and heartbeats are suppressed by design and nothing is learnt. Each change
is recorded.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			state, said := args[0], "the plant is in "+args[0]
			if state == "auto" {
				state, said = "", "the plant's state is that of its signal or calendar again"
			} else if !plant.Valid(state) {
				return cli.Usage("%q is none of production, break, changeover, maintenance, off, auto", state)
			}
			q := url.Values{"state": {state}, "station": {station}}
			if length > 0 {
				q.Set("for", length.String())
			}
			return a.tell(cmd, "state", q, said)
		},
	}
	cmd.Flags().StringVar(&station, "station", "", "one station; default: all of this agent")
	cmd.Flags().DurationVar(&length, "for", 0, "take it back by itself after this time, such as 2h")
	return cmd
}

func (a *app) detectTell(what, short string) *cobra.Command {
	return &cobra.Command{Use: what, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return a.tell(cmd, what, nil, map[string]string{"pause": "learning is paused; linewatch-agent detect resume goes on", "resume": "learning goes on"}[what])
	}}
}

func (a *app) detectReset() *cobra.Command {
	return &cobra.Command{
		Use: "reset SIGNAL", Short: "Forget what was learnt of a signal (or of press.*)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.tell(cmd, "reset", url.Values{"signal": {args[0]}}, "what was learnt is forgotten; a new warm-up begins")
		},
	}
}

// tell gives a command to the running agent.
func (a *app) tell(cmd *cobra.Command, what string, q url.Values, said string) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	done, err := control.Command(cmd.Context(), cfg.DataDir, what, q)
	if err != nil {
		return err
	}
	if n, ok := done["signals"].(float64); ok && n == 0 {
		return fmt.Errorf("no signal is called %s; linewatch-agent signals lists them", q.Get("signal"))
	}
	if a.json {
		return cli.JSON(cmd.OutOrStdout(), done)
	}
	fmt.Fprintln(cmd.OutOrStdout(), said)
	return nil
}
