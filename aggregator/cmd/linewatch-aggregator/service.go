package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) initCommand() *cobra.Command {
	o := aggregator.InitOptions{}
	var passwordFile string
	cmd := &cobra.Command{
		Use: "init --data DIR", Short: "Make a new aggregator: keys, certificate authority, first administrator, aggregator.yaml", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.data == "" {
				return cli.Usage("init needs --data DIR: the folder of the new aggregator")
			}
			o.Dir = a.data
			var err error
			if o.Password, err = cli.Secret("password of the administrator "+o.Admin, "--admin-password-file", passwordFile, cmd.InOrStdin(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			cfg, err := aggregator.Init(cmd.Context(), o, a.logger(cmd, "warn"))
			if errors.Is(err, os.ErrPermission) {
				return fmt.Errorf("%w (as root, or name another folder with --data)", err)
			}
			if err != nil {
				return temporary(err)
			}
			out := cmd.OutOrStdout()
			file := cfg.DataDir + "/" + aggregator.FileName
			if a.json {
				return cli.JSON(out, map[string]any{"config": file, "instance": cfg.Instance, "agents_urls": cfg.Agents.URLs})
			}
			fmt.Fprintf(out, "made %s\nagents will be told: %v (agents.urls in that file)\nnext:  linewatch-aggregator run --config %s\n", file, cfg.Agents.URLs, file)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Store, "store", "", "sqlite (default) or postgres://user@host/database")
	f.StringVar(&o.Admin, "admin", "admin", "name of the first administrator")
	f.StringVar(&passwordFile, "admin-password-file", "", "file with the administrator's password (- for standard input)")
	f.StringVar(&o.Plant, "plant", "", "name shown to people")
	f.StringVar(&o.TimeZone, "time-zone", "", "IANA time zone of the plant (default UTC)")
	f.StringVar(&o.Station, "station", "", "station path of the aggregator's own events (default aggregator)")
	f.StringVar(&o.People, "people-listen", "", "address for people (default :8443)")
	f.StringVar(&o.Agents, "agents-listen", "", "address for agents (default :8444)")
	f.StringSliceVar(&o.URLs, "agents-url", nil, "address under which agents reach this aggregator (repeat for several)")
	f.StringSliceVar(&o.Names, "name", nil, "further host name or address in the certificates")
	return cmd
}

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{Use: "run", Short: "Run the aggregator until SIGTERM", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.config()
		if err != nil {
			return err
		}
		for {
			err := runOnce(cmd.Context(), cfg, a.logger(cmd, cfg.Log.Level))
			if !errors.Is(err, aggregator.ErrNewKey) || cmd.Context().Err() != nil {
				return err
			}
		}
	}}
}

func runOnce(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	agg, err := aggregator.Open(ctx, cfg, log)
	if err != nil {
		return temporary(err)
	}
	defer agg.Close()
	return agg.Run(ctx, func(l aggregator.Listening) {
		log.Info("aggregator is ready", "people", "https://"+l.People.String(), "agents", "https://"+l.Agents.String(), "instance", cfg.Instance)
	})
}

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{Use: "check", Short: "Check the configuration, the keys and the database", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			r, err := agg.Check(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return cli.JSON(cmd.OutOrStdout(), r)
			}
			for _, line := range r.Lines {
				fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			return nil
		})
	}}
}

func (a *app) rebuildCommand() *cobra.Command {
	return &cobra.Command{Use: "rebuild", Short: "Make the read model anew from the evidence", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return a.open(cmd, func(ctx context.Context, agg *aggregator.Aggregator) error {
			var leaves uint64
			progress := cli.Progress(cmd.ErrOrStderr(), "leaves")
			if err := agg.Rebuild(ctx, func(done, total uint64) { leaves = done; progress(done, total) }); err != nil {
				return err
			}
			if a.json {
				return cli.JSON(cmd.OutOrStdout(), map[string]uint64{"leaves": leaves})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "the read model was made anew from %d leaves\n", leaves)
			return nil
		})
	}}
}
