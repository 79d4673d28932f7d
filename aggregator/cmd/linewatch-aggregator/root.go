package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/web"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/version"
)

// app holds what the commands share.
type app struct {
	file string // --config
	data string // --data: the folder that init made
	json bool
}

func newRoot() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:   "linewatch-aggregator",
		Short: "Verifies, stores and shows the signed events of a plant",
		Long: `linewatch-aggregator verifies, stores and shows the signed events of a plant.

Exit codes: 0 done, 1 failed or something was found, 2 the command line or the
configuration is wrong, 75 trying again may help.`,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.file, "config", "", "aggregator.yaml (default: in --data, else "+config.DefaultFile+")")
	flags.StringVar(&a.data, "data", "", "folder that init made")
	flags.BoolVar(&a.json, "json", false, "print JSON")
	root.AddCommand(a.initCommand(), a.runCommand(), a.checkCommand(), a.tokenCommand(), a.userCommand(), a.agentsCommand(),
		a.verifyCommand(), a.rebuildCommand(), a.evidenceCommand(), a.trustCommand(), a.keysCommand(), a.personCommand(), a.rootsCommand(), a.versionCommand())
	root.AddCommand(a.backupCommand(), a.restoreCommand(), a.importCommand())
	for _, c := range root.Commands() {
		if c.Name() == "evidence" {
			c.AddCommand(a.dropCommand())
		}
	}
	return root
}

func (a *app) config() (config.Config, error) {
	file := a.file
	if file == "" && a.data != "" {
		file = filepath.Join(a.data, aggregator.FileName)
	}
	if file == "" {
		file = config.DefaultFile
	}
	switch _, err := os.Stat(file); {
	case errors.Is(err, os.ErrPermission):
		return config.Config{}, cli.Usage("%w (as root, or as the user of the service)", err)
	case err != nil:
		return config.Config{}, cli.Usage("%w (name the file with --config or its folder with --data; linewatch-aggregator init makes one)", err)
	}
	return config.Load(file)
}

// open opens the aggregator beside a running service or without one.
func (a *app) open(cmd *cobra.Command, f func(context.Context, *aggregator.Aggregator) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	agg, err := aggregator.Open(cmd.Context(), cfg, a.logger(cmd, "warn"))
	if err != nil {
		return temporary(err)
	}
	defer agg.Close()
	return f(cmd.Context(), agg)
}

// temporary gives what may go by itself the exit code that says so.
func temporary(err error) error {
	if errors.Is(err, store.ErrAway) {
		return &cli.ExitError{Code: cli.ExitTemporary, Err: err}
	}
	return err
}

// done says what a command did, with --json to a program.
func (a *app) done(cmd *cobra.Command, v any, format string, args ...any) error {
	return cli.Done(cmd.OutOrStdout(), a.json, v, format, args...)
}

func (a *app) logger(cmd *cobra.Command, level string) *slog.Logger {
	return cli.Logger(cmd.ErrOrStderr(), level)
}

// who acts, for the ledger: the user of the system.
func who() string {
	for _, name := range []string{"SUDO_USER", "USER", "USERNAME"} {
		if v := os.Getenv(name); v != "" {
			return "cli:" + v
		}
	}
	return "cli"
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), map[string]any{"version": version.String(), "web_application": web.Built()})
		}
		fmt.Fprintln(cmd.OutOrStdout(), version.Long())
		if !web.Built() {
			fmt.Fprintln(cmd.OutOrStdout(), "without the web application (make ui)")
		}
		return nil
	}}
}
