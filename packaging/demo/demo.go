// Package demo shows the product on a line of its own: a simulated press and a
// welding cell (OPC UA and MQTT), two agents and an aggregator as real processes.
package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// Options say how the demo runs.
type Options struct {
	Bin  string        // folder of the three programs
	Peer string        // folder of the Node.js scripts
	For  time.Duration // end by itself; 0 = until Ctrl-C
	Keep string        // folder to leave everything in; "" = nothing is left
	Port int           // of the page; 0 = 8443 or the next free one
	Out  io.Writer     // the JSON line at the end
	Say  io.Writer     // what a person reads
}

// Result is the line printed at the end.
type Result struct {
	Sent     int `json:"sent"`     // messages and changes with event: that were handed over
	Stored   int `json:"stored"`   // of those, rows in the store
	Verified int `json:"verified"` // of those, proved offline by linewatch-verify
	Gaps     int `json:"gaps"`     // audit.gap events
}

// Command is the command line of the demo.
func Command() *cobra.Command {
	o := Options{}
	cmd := &cobra.Command{
		Use: "linewatch-demo", Short: "A simulated line with two agents and an aggregator", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Say = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Bin, "bin", "bin", "folder of the programs")
	f.StringVar(&o.Peer, "peers", "packaging/peers", "folder of the simulated OPC UA server")
	f.DurationVar(&o.For, "for", 0, "end by itself after this time and print one line of JSON")
	f.StringVar(&o.Keep, "keep", "", "leave all data in this folder")
	f.IntVar(&o.Port, "port", 0, "port of the page")
	return cmd
}

// Run runs the demo until its time is over or ctx ends; nothing is left behind
// unless asked. It fails when the counts disagree.
func Run(ctx context.Context, o Options) (err error) {
	dir := o.Keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "linewatch-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// What was started is stopped also when ctx ends early: a plant of its own context.
	p := &plant{o: o, dir: dir, passwords: map[string]string{"admin": rand.Text(), "maintenance": word(), "auditor": word()}}
	defer func() { err = errors.Join(err, p.stop()) }()
	fmt.Fprintln(o.Say, "demo: starting a line, two agents and an aggregator ...")
	if err := p.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("%w\n%s", err, p.lastWords())
	}
	p.greet()
	run := ctx
	if o.For > 0 {
		var cancel context.CancelFunc
		run, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	if err := p.line.run(run); err != nil {
		return fmt.Errorf("%w\n%s", err, p.lastWords())
	}
	if o.For == 0 {
		if o.Keep != "" {
			fmt.Fprintf(o.Say, "\ndemo: stopping; the data stays in %s\n", dir)
			return nil
		}
		fmt.Fprintln(o.Say, "\ndemo: stopping; nothing is left behind")
		return nil
	}
	res, err := p.settle(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.lastWords())
	}
	text, err := json.Marshal(res)
	if err != nil {
		return err
	}
	fmt.Fprintln(o.Out, string(text))
	if res.Stored != res.Sent || res.Verified != res.Stored {
		return fmt.Errorf("the counts disagree: %s", text)
	}
	return nil
}

// word makes a password that can be read aloud and typed: 20 random characters
// in groups.
func word() string {
	t := rand.Text()
	return t[:5] + "-" + t[5:10] + "-" + t[10:15] + "-" + t[15:20]
}

// noticed is what the first three minutes show.
const noticed = "limits and chatter, a forecast, what is new and two signals at once,\n" +
	"  a control chart, a value that stands still, a silent signal, a counter, a text for a number, people and changes"

func (p *plant) greet() {
	fmt.Fprintf(p.o.Say, `
  Linewatch is running:  %s
  (the certificate comes from the demo's own CA: the browser asks once)

      name          password
      maintenance   %s
      auditor       %s

  Events of a simulated press and welding cell arrive live; click one to see its proof.
  The line starts from a recorded shift of %d hours that was replayed at the start: the agents have learnt
  what is usual, and the baseline of the torque counts as approved. In the first three minutes they
  notice, each with its curve and a sentence: %s.
  Try it: stop an agent's network, kill a process (ids: aggregator %d, agents %d and %d).
  Data: %s        Ctrl-C stops everything.

`, p.people, p.passwords["maintenance"], p.passwords["auditor"], shiftHours, noticed, p.aggregator.pid(), p.agents[0].proc.pid(), p.agents[1].proc.pid(), filepath.Clean(p.dir))
}
