package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent"
	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/service"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/version"
)

// app holds what the commands share.
type app struct {
	file string // --config
	json bool
}

func defaultFile() string {
	if runtime.GOOS == "windows" {
		return os.Getenv("ProgramData") + `\Linewatch\agent.yaml`
	}
	return "/etc/linewatch/agent.yaml"
}

func newRoot() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:   "linewatch-agent",
		Short: "Records what the equipment of one station does",
		Long: `linewatch-agent records what the equipment of one station does (OPC UA, MQTT) as
signed events, keeps them safe on disk and forwards them to an aggregator.
It writes nothing to equipment.

Exit codes: 0 done, 1 failed or something was found, 2 the command line or the
configuration is wrong, 75 trying again may help.`,
	}
	root.PersistentFlags().StringVar(&a.file, "config", defaultFile(), "agent.yaml")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	root.AddCommand(a.runCommand(), a.checkCommand(), a.enrolCommand(), a.prepareImageCommand(), a.journalCommand(), a.signalsCommand(), a.detectCommand(),
		a.opcuaCommand(), a.mqttCommand(), a.spcCommand(), a.versionCommand())
	for _, action := range service.Actions() {
		root.AddCommand(a.serviceCommand(action))
	}
	return root
}

func (a *app) config() (config.Config, error) {
	switch _, err := os.Stat(a.file); {
	case errors.Is(err, os.ErrPermission):
		return config.Config{}, cli.Usage("%w (as root or administrator, or as the user of the service)", err)
	case err != nil:
		return config.Config{}, cli.Usage("%w (name the file with --config)", err)
	}
	cfg, err := config.Load(a.file)
	if err != nil {
		return cfg, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	if info, err := os.Stat(cfg.DataDir); err == nil && !info.IsDir() || errors.Is(err, syscall.ENOTDIR) {
		return cfg, cli.Usage("%s: data_dir: %s is no folder; name another, or move the file away", a.file, cfg.DataDir)
	}
	return cfg, nil
}

// hint adds to an error of run what to do: the command that enrols, with the file
// in use, or whom to look at.
func (a *app) hint(err error) error {
	if errors.Is(err, enrol.ErrNotEnrolled) {
		return fmt.Errorf("%w: run linewatch-agent enrol --config %s --token-file FILE", err, a.file)
	}
	if errors.Is(err, journal.ErrLocked) {
		return fmt.Errorf("%w: the agent is running already (linewatch-agent status)", err)
	}
	return err
}

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{Use: "run", Short: "Run the agent until SIGTERM (the service does this)", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.config()
		if err != nil {
			return err
		}
		log := cli.Logger(cmd.ErrOrStderr(), cfg.Log.Level)
		return a.hint(service.Run(cmd.Context(), func(ctx context.Context) error { return agent.Run(ctx, cfg, log) }))
	}}
}

// serviceCommand is install, start and so on; status also asks the running agent.
func (a *app) serviceCommand(action string) *cobra.Command {
	short := map[string]string{
		"install": "Install the agent as a service of the system", "uninstall": "Remove the service; the data stays",
		"start": "Start the service", "stop": "Stop the service", "restart": "Restart the service",
		"status": "Show the service and what the running agent does",
	}
	return &cobra.Command{Use: action, Short: short[action], Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		if action == "status" {
			return a.status(cmd)
		}
		if action == "install" {
			if _, err := a.config(); err != nil {
				return err // a service that can't start would only be found at the next shift
			}
		}
		text, err := service.Control(action, a.file)
		if err != nil {
			return err
		}
		return cli.Done(cmd.OutOrStdout(), a.json, map[string]string{"action": action, "result": text}, "%s", text)
	}}
}

func (a *app) status(cmd *cobra.Command) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	state, err := service.Control("status", a.file)
	if err != nil {
		state = "unknown to this system"
	}
	var s agent.Status
	err = control.Get(cmd.Context(), cfg.DataDir, "/status", nil, &s)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return fmt.Errorf("service: %s; %w", state, err)
	case err != nil:
		return err
	case a.json:
		return cli.JSON(cmd.OutOrStdout(), s)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "service    %s\nagent      %s (%s), running since %s\nstation    %s\n", state, s.AgentID, s.Version, s.Started.Format("2006-01-02 15:04:05Z"), s.Station)
	switch {
	case s.Admission != "":
		fmt.Fprintf(out, "aggregator not forwarding: %s\n", s.Admission)
	case s.Forward.Connected:
		fmt.Fprintf(out, "aggregator connected to %s, clock offset %s, certificate until %s\n", s.Forward.URL, s.Forward.ClockOffset.Round(1e6), s.CertUntil.Format("2006-01-02"))
	default:
		fmt.Fprintf(out, "aggregator NOT connected: %s\n", s.Forward.Error)
	}
	fmt.Fprintf(out, "journal    %d events wait for a receipt\n", s.Backlog)
	for _, h := range s.Sources {
		fmt.Fprintf(out, "source     %s %s at %s: %d readings, %d gaps, %d quarantined", h.Name, h.State, h.Endpoint, h.Readings, h.Gaps, h.Quarantined)
		if h.Reason != "" {
			fmt.Fprintf(out, "; %s", h.Reason)
		}
		fmt.Fprintln(out)
	}
	return nil
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		if a.json {
			return cli.JSON(cmd.OutOrStdout(), map[string]any{"version": version.String()})
		}
		fmt.Fprintln(cmd.OutOrStdout(), version.Long())
		return nil
	}}
}
