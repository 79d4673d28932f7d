package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/export"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/query"
)

// exportFlags say what a bundle holds.
type exportFlags struct {
	out, station, from, to, agent, log string
	events                             []string
	all, packed                        bool
}

func (a *app) evidenceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "evidence", Short: "Export evidence and the trust file for linewatch-verify"}
	var f exportFlags
	exp := &cobra.Command{
		Use:   "export --out FILE --event ID | --station S --from T --to T | --log LOG | --agent ID | --all",
		Short: "Write a bundle that anybody can check offline",
		Long: `Write a bundle that anybody can check offline with linewatch-verify, or by hand
(docs/verify-by-hand.md).

--event takes the id of an event and may be given several times. --station with
--from and --to takes everything of a station (or of a pattern such as
hamburg/body/**) in that time, and of its logs what lies in between as hashes, so
that nothing can be missing. --log, --agent and --all take whole logs; without
any of these it is --all. Times are 2026-01-31, or 2026-01-31T06:00:00Z; a date
means its beginning in the plant's time zone.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error { return a.export(cmd, ctx, agg, f) })
		},
	}
	flags := exp.Flags()
	flags.StringVar(&f.out, "out", "", "file to write")
	flags.StringArrayVar(&f.events, "event", nil, "the event with this id (may be repeated)")
	flags.StringVar(&f.station, "station", "", "the events of this station, with --from and --to")
	flags.StringVar(&f.from, "from", "", "first time")
	flags.StringVar(&f.to, "to", "", "end, not included")
	flags.StringVar(&f.agent, "agent", "", "the whole logs of this agent")
	flags.StringVar(&f.log, "log", "", "this whole log (id or origin)")
	flags.BoolVar(&f.all, "all", false, "all logs")
	flags.BoolVar(&f.packed, "packed", false, "whole logs as they came, compressed: smaller, but only linewatch-verify reads it")
	cmd.AddCommand(exp, a.trustCommand(), a.rootsCommand())
	return cmd
}

func (f exportFlags) check() error {
	chosen := 0
	for _, set := range []bool{len(f.events) > 0, f.station != "", f.agent != "" || f.log != "", f.all} {
		if set {
			chosen++
		}
	}
	switch {
	case f.out == "":
		return cli.Usage("--out FILE is needed")
	case chosen > 1:
		return cli.Usage("take one of --event, --station, --log or --agent, --all")
	case f.station != "" && (f.from == "" || f.to == ""):
		return cli.Usage("--station needs --from and --to, for example --from 2026-01-01 --to 2026-01-08")
	case f.station == "" && (f.from != "" || f.to != ""):
		return cli.Usage("--from and --to belong to --station")
	case f.packed && (f.station != "" || len(f.events) > 0):
		return cli.Usage("--packed is for whole logs")
	}
	return nil
}

// fill writes the entries that the flags ask for.
func (f exportFlags) fill(ctx context.Context, agg *aggregator.Aggregator, w *bundle.Writer) (export.Exported, error) {
	e := agg.Exporter()
	switch {
	case len(f.events) > 0:
		var rows []store.Row
		for _, id := range f.events {
			found, err := agg.Store.Event(ctx, id)
			if err == nil && len(found) == 0 {
				err = store.ErrNotFound
			}
			if err != nil {
				return export.Exported{}, fmt.Errorf("event %s: %w", id, err)
			}
			rows = append(rows, found...)
		}
		return e.Events(ctx, w, rows...)
	case f.station != "":
		q, err := f.query(agg.Config.TimeZone)
		if err != nil {
			return export.Exported{}, err
		}
		done, err := e.Search(ctx, w, q, 0)
		if err == nil && done.Events == 0 {
			err = fmt.Errorf("station %s has no event from %s to %s", f.station, f.from, f.to)
		}
		return done, err
	}
	return e.Logs(ctx, w, export.Selection{Packed: f.packed, Match: func(l store.Log) bool {
		return (f.agent == "" || l.AgentID == f.agent) && (f.log == "" || l.ID == f.log || l.Origin == f.log)
	}})
}

func (f exportFlags) query(zone string) (store.EventQuery, error) {
	q := store.EventQuery{Scope: []string{"**"}}
	var err error
	if q.Filter, err = query.Parse("station:"+f.station, time.Now()); err != nil {
		return q, cli.Usage("--station: %v", err)
	}
	if q.From, err = readTime(f.from, zone); err != nil {
		return q, cli.Usage("--from: %v", err)
	}
	if q.To, err = readTime(f.to, zone); err != nil {
		return q, cli.Usage("--to: %v", err)
	}
	if !q.From.Before(q.To) {
		return q, cli.Usage("--from must be before --to")
	}
	return q, nil
}

// readTime reads a time, or a date, which begins at midnight of the plant.
func readTime(text, zone string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	where, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.ParseInLocation(time.DateOnly, text, where)
	if err != nil {
		return t, fmt.Errorf("%q is neither 2026-01-31 nor 2026-01-31T06:00:00Z", text)
	}
	return t, nil
}

// export spools the entries beside the file, because the summary comes first.
func (a *app) export(cmd *cobra.Command, ctx context.Context, agg *aggregator.Aggregator, f exportFlags) error {
	spool, err := os.CreateTemp(filepath.Dir(f.out), ".linewatch-export-*")
	if err != nil {
		return err
	}
	defer func() {
		spool.Close()
		os.Remove(spool.Name())
	}()
	w := bundle.NewWriter(spool)
	done, err := f.fill(ctx, agg, w)
	if err != nil {
		return err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := writeFile(f.out, func(out io.Writer) error { return w.Finish(out, spool) }); err != nil {
		return err
	}
	if a.json {
		return cli.JSON(cmd.OutOrStdout(), done)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d events of %d logs in %s (its first lines say what is in it)\ncheck it anywhere:  linewatch-verify --trust TRUSTFILE %s\n", done.Events, done.Logs, f.out, f.out)
	return nil
}

// writeFile writes a file whole or not at all.
func writeFile(name string, fill func(io.Writer) error) error {
	tmp := name + ".part"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err = fill(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return durable.Rename(tmp, name)
}
