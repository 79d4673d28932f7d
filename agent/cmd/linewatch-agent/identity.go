package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent"
	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/keystore"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/version"
)

func (a *app) enrolCommand() *cobra.Command {
	var tokenFile, replace string
	var wait time.Duration
	var again bool
	cmd := &cobra.Command{
		Use: "enrol --token-file FILE", Short: "Make this station's keys and ask the aggregator for admission", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			id, err := enrol.Load(cfg.DataDir)
			if replace != "" && (err == nil || errors.Is(err, keystore.ErrSealed) || errors.Is(err, keystore.ErrLost)) {
				id, err = a.replace(cmd, cfg, replace)
			}
			switch {
			case errors.Is(err, enrol.ErrNotEnrolled):
				id, err = a.create(cmd, cfg, tokenFile)
			case err != nil:
			case id.Pending:
				err = retry(cmd, id, cfg, tokenFile)
			case again:
				err = a.again(cmd, id, cfg, tokenFile)
			case !a.json:
				fmt.Fprintln(cmd.OutOrStdout(), "enrolled already; no token was used")
			}
			if err != nil {
				return err
			}
			id.Via(cfg.Aggregator.URLs, cfg.Aggregator.Proxy)
			return a.ask(cmd, id, wait)
		},
	}
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file with the token (- for standard input)")
	cmd.Flags().StringVar(&replace, "replace", "", "why this station needs a new identity in place of the one that it has (\"key compromised\")")
	cmd.Flags().BoolVar(&again, "again", false, "with a new token, under the same identity: the aggregator was restored from a backup that does not know this station")
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for a person's approval")
	return cmd
}

// replace makes a new identity, which names the one before and waits for approval.
// Events that were not forwarded go on in new logs, which name the old ones.
// A key that is sealed and does not open here is replaced too.
func (a *app) replace(cmd *cobra.Command, cfg config.Config, reason string) (*enrol.Identity, error) {
	if err := a.stopped(cmd.Context(), cfg); err != nil {
		return nil, err
	}
	old, err := enrol.Peek(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	machine, err := identity.Machine(cmd.Context(), cfg.Machine)
	if err != nil {
		return nil, err
	}
	id, err := old.Replace(cfg.DataDir, machine, reason)
	if err == nil && !a.json {
		fmt.Fprintf(cmd.OutOrStdout(), "%s is set aside; on the aggregator, once the new one waits:  linewatch-aggregator agents approve %s --replaces %s\n", old.AgentID, id.AgentID, old.AgentID)
	}
	return id, err
}

// stopped makes sure that no agent runs with the data folder.
func (a *app) stopped(ctx context.Context, cfg config.Config) error {
	var s agent.Status
	running := control.Get(ctx, cfg.DataDir, "/status", nil, &s) == nil
	j, err := a.openJournal(ctx, cfg)
	switch {
	case running || errors.Is(err, journal.ErrLocked):
		return errors.New("the agent is running with " + cfg.DataDir + "; stop it first: linewatch-agent stop")
	case errors.Is(err, keystore.ErrSealed), errors.Is(err, keystore.ErrLost): // the journal opens only with the key
		return nil
	case err != nil:
		return err
	}
	return j.Close()
}

// retry uses the token of this call, if there is one: that of the first may have
// been refused.
func retry(cmd *cobra.Command, id *enrol.Identity, cfg config.Config, tokenFile string) error {
	token := ""
	if tokenFile != "" {
		var err error
		if token, err = cli.Secret("enrolment token", "--token-file", tokenFile, cmd.InOrStdin(), cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	return id.Retry(cfg.Station, token)
}

// again asks anew under the identity that the station has.
func (a *app) again(cmd *cobra.Command, id *enrol.Identity, cfg config.Config, tokenFile string) error {
	if _, err := a.unsent(cmd.Context(), cfg); errors.Is(err, journal.ErrLocked) {
		return errors.New("the agent is running with " + cfg.DataDir + "; stop it first: linewatch-agent stop")
	}
	token, err := cli.Secret("enrolment token", "--token-file", tokenFile, cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	return id.Again(cfg.Station, token)
}

func (a *app) create(cmd *cobra.Command, cfg config.Config, tokenFile string) (*enrol.Identity, error) {
	token, err := cli.Secret("enrolment token", "--token-file", tokenFile, cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	machine, err := identity.Machine(cmd.Context(), cfg.Machine)
	if err != nil {
		return nil, err
	}
	return enrol.Create(cfg.DataDir, cfg.Station, token, machine)
}

// ask asks until the agent is admitted or the time is over. An enrolment that
// waits for approval is no failure: run goes on asking.
func (a *app) ask(cmd *cobra.Command, id *enrol.Identity, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), max(wait, 30*time.Second))
	defer cancel()
	out := cmd.OutOrStdout()
	for until := time.Now().Add(wait); id.Pending; {
		admitted, err := id.Ask(ctx, version.String())
		if _, refused := errors.AsType[*enrol.RefusedError](err); refused {
			return fmt.Errorf("%w; with a new token run the same command again", err)
		}
		if err != nil {
			return &cli.ExitError{Code: cli.ExitTemporary, Err: fmt.Errorf("%w (the keys are kept; run the same command again)", err)}
		}
		if admitted {
			break
		}
		if !time.Now().Before(until) {
			waits := map[string]any{"agent_id": id.AgentID, "station": id.Station, "pending": true, "reason": id.Reason, "fingerprint": evidence.Fingerprint(id.PublicKey())}
			return cli.Done(out, a.json, waits, "agent %s waits for approval: %s\nkey fingerprint (keep it on paper; it is compared before the approval, and anchors this station's proofs):\n  station %s %s\non the aggregator:  linewatch-aggregator agents approve %s",
				id.AgentID, id.Reason, id.AgentID, evidence.Fingerprint(id.PublicKey()), id.AgentID)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Second):
		}
	}
	pub := id.PublicKey()
	if a.json {
		return cli.JSON(out, map[string]any{"agent_id": id.AgentID, "station": id.Station, "scope": id.Scope, "fingerprint": evidence.Fingerprint(pub), "urls": id.URLs})
	}
	fmt.Fprintf(out, "enrolled as %s for %s\nkey fingerprint (keep it on paper; it anchors this station's proofs):\n  station %s %s\nnext:  linewatch-agent run --config %s\n",
		id.AgentID, id.Station, id.AgentID, evidence.Fingerprint(pub), a.file)
	return nil
}

func (a *app) prepareImageCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "prepare-image", Short: "Strip identity and journal from a master disk before it is copied", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			var s agent.Status
			err = control.Get(cmd.Context(), cfg.DataDir, "/status", nil, &s)
			if err != nil && !errors.Is(err, control.ErrNotRunning) {
				return err
			}
			var unsent uint64
			if err != nil {
				unsent, err = a.unsent(cmd.Context(), cfg)
			}
			// Also without a control channel the lock tells that it runs.
			if err == nil && s.AgentID != "" || errors.Is(err, journal.ErrLocked) {
				return errors.New("the agent is running with " + cfg.DataDir + "; stop it first: linewatch-agent stop")
			}
			if err != nil && !force {
				return fmt.Errorf("%w (--force strips it all the same)", err)
			}
			removed, err := enrol.PrepareImage(cfg.DataDir, unsent, force)
			if a.json {
				return errors.Join(err, cli.JSON(cmd.OutOrStdout(), map[string]any{"removed": append([]string{}, removed...), "ready": err == nil}))
			}
			for _, p := range removed {
				fmt.Fprintln(cmd.OutOrStdout(), "removed", p)
			}
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), "ready to be copied; each copy enrols with a token of its own or a shared one with --uses")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also when events are not forwarded yet: they are lost")
	return cmd
}

// unsent counts the leaves that no receipt covers, 0 for an agent never enrolled.
func (a *app) unsent(ctx context.Context, cfg config.Config) (uint64, error) {
	j, err := a.openJournal(ctx, cfg)
	if errors.Is(err, enrol.ErrNotEnrolled) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := j.Backlog()
	return n, j.Close()
}
