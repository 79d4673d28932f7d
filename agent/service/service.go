// Package service installs and controls the agent as a service of the system
// (systemd on Linux, the service control manager on Windows) and runs it under
// the service's control.
package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	kardianos "github.com/kardianos/service"
)

// Name is the name of the service on every system.
const Name = "linewatch-agent"

// unit is the systemd unit. Restart is unlimited: an agent that can't start now
// (a disk not mounted yet, a full disk) must be there when it can.
const unit = `[Unit]
Description={{Description}}
ConditionFileIsExecutable={{Path | cmdEscape}}
After=network-online.target time-sync.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart={{Path | cmdEscape}}{{range Arguments}} {{. | cmd}}{{end}}
Restart=always
RestartSec=2
TimeoutStopSec=30
KillMode=mixed
UMask=0077
NoNewPrivileges=true

[Install]
WantedBy=multi-user.target
`

// Actions are the words that Control understands.
func Actions() []string {
	return []string{"install", "uninstall", "start", "stop", "restart", "status"}
}

// Run runs main until the context ends or, as a Windows service, until the
// service control manager says stop. main's error is returned.
func Run(ctx context.Context, main func(context.Context) error) error {
	// Everywhere but on Windows the service manager speaks by signals, which the
	// context already carries.
	if runtime.GOOS != "windows" || kardianos.Interactive() {
		return main(ctx)
	}
	p := &program{main: main}
	p.ctx, p.cancel = context.WithCancel(ctx)
	s, err := kardianos.New(p, &kardianos.Config{Name: Name})
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	if err := s.Run(); err != nil {
		return errors.Join(p.err, fmt.Errorf("service: %w", err))
	}
	return p.err
}

// Control does one of Actions and returns a sentence that says what is now.
// config is the path of agent.yaml, used by install.
func Control(action, config string) (string, error) {
	s, err := newService(config)
	if err != nil {
		return "", err
	}
	if action == "status" {
		return status(s)
	}
	if action == "install" {
		if _, err := os.Stat(config); err != nil {
			return "", fmt.Errorf("install: the service needs a configuration: %w", err)
		}
		if err := installable(runtime.GOOS, kardianos.Platform()); err != nil {
			return "", err
		}
	}
	if action != "install" {
		if _, err := s.Status(); errors.Is(err, kardianos.ErrNotInstalled) {
			return "", fmt.Errorf("%s %s: the service is not installed; linewatch-agent install --config FILE installs it", action, Name)
		}
	}
	if err := kardianos.Control(s, action); err != nil {
		return "", fmt.Errorf("%s %s: %w (is it installed, and are you root or administrator? what the service itself says is in the system's log: journalctl -u %s, or the event viewer)", action, Name, err, Name)
	}
	switch action {
	case "install":
		return "installed; it starts with the system. Now: linewatch-agent start", nil
	case "uninstall":
		return "uninstalled; the data folder is untouched", nil
	default:
		return action + ": done", nil
	}
}

// installable refuses what nobody has tried: a script for an init that would not
// start the agent again, and whose links the removal leaves behind.
func installable(system, platform string) error {
	if system == "linux" && platform != "linux-systemd" {
		return fmt.Errorf("install: there is no systemd here (but %s); let what starts services on this machine start: %s run --config FILE", platform, Name)
	}
	return nil
}

func newService(config string) (kardianos.Service, error) {
	abs, err := filepath.Abs(config)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	s, err := kardianos.New(&program{}, &kardianos.Config{
		Name:        Name,
		DisplayName: "Linewatch agent",
		Description: "Linewatch agent: records what the equipment of this station does",
		Arguments:   []string{"run", "--config", abs},
		Option: kardianos.KeyValue{
			"SystemdScript":          unit,
			"OnFailure":              "restart",
			"OnFailureDelayDuration": "2s",
			"OnFailureResetPeriod":   60,
			"DelayedAutoStart":       true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	return s, nil
}

func status(s kardianos.Service) (string, error) {
	st, err := s.Status()
	switch {
	case errors.Is(err, kardianos.ErrNotInstalled):
		return "not installed", nil
	case err != nil:
		return "", fmt.Errorf("status %s: %w", Name, err)
	case st == kardianos.StatusRunning:
		return "running", nil
	case st == kardianos.StatusStopped:
		return "stopped", nil
	default:
		return "unknown", nil
	}
}

// program adapts a blocking main to start and stop.
type program struct {
	main   func(context.Context) error
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	err    error
}

// Start returns at once, as the service control manager wants it.
func (p *program) Start(kardianos.Service) error {
	p.wg.Go(func() {
		p.err = p.main(p.ctx)
		if p.ctx.Err() == nil {
			// main ended by itself: only an abnormal end makes the service
			// control manager start it again.
			os.Exit(1)
		}
	})
	return nil
}

// Stop waits until main has ended, so that the journal is closed properly.
func (p *program) Stop(kardianos.Service) error {
	p.cancel()
	p.wg.Wait()
	return nil
}

var _ kardianos.Interface = (*program)(nil)
