package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) journalVerify() *cobra.Command {
	return &cobra.Command{Use: "verify", Short: "Hash every file again and open every signature", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.config()
		if err != nil {
			return err
		}
		var files []journal.FileReport
		progress := cli.Progress(cmd.ErrOrStderr(), "files")
		err = control.Verify(cmd.Context(), cfg.DataDir, progress, &files)
		if errors.Is(err, control.ErrNotRunning) {
			err = a.withJournal(cmd.Context(), cfg, func(j *journal.Journal) (err error) {
				files, err = j.Verify(cmd.Context(), func(done, total int) { progress(uint64(done), uint64(total)) })
				return err
			})
		}
		if err != nil {
			return err
		}
		return a.showFiles(cmd, files)
	}}
}

// remote is the journal of a running agent.
type remote struct{ dataDir string }

func (r remote) Heads(ctx context.Context) (heads []carry.Head, err error) {
	return heads, control.Get(ctx, r.dataDir, "/journal/heads", nil, &heads)
}

func (r remote) Packed(ctx context.Context, log string, from uint64) (*journal.Packed, error) {
	s, err := control.SegmentOf(ctx, r.dataDir, log, from)
	if s == nil || err != nil {
		return nil, err
	}
	return &journal.Packed{Next: s.Next, Leaves: s.Leaves, Body: s.Body}, nil
}

// exported is what journal export prints with --json.
type exported struct {
	Dir    string `json:"dir"`
	Leaves uint64 `json:"leaves"`
}

const exportHelp = `Writes all events that this station keeps into a folder, as they would be sent: signed,
sealed fields sealed, with the keys that the aggregator needs to open them. It works while the
agent runs and without a network, and removes nothing.

Anybody can check the folder (linewatch-verify); the administrator of the aggregator brings it
in (linewatch-aggregator import), which verifies it as if the station had sent it. A disk with
FAT takes no file above 4 GiB: use exFAT, NTFS or ext4 for a large journal.`

func (a *app) journalExport() *cobra.Command {
	var dir string
	cmd := &cobra.Command{Use: "export --dir DIR", Short: "Write what is kept as segments, for a USB stick", Args: cobra.NoArgs, Long: exportHelp, RunE: func(cmd *cobra.Command, _ []string) error {
		if dir == "" {
			return cli.Usage("--dir DIR is needed")
		}
		cfg, err := a.config()
		if err != nil {
			return err
		}
		out := exported{Dir: filepath.Clean(dir)}
		progress := cli.Progress(cmd.ErrOrStderr(), "events")
		out.Leaves, err = journal.Export(cmd.Context(), remote{cfg.DataDir}, cfg.Station, dir, progress)
		if errors.Is(err, control.ErrNotRunning) {
			err = a.withJournal(cmd.Context(), cfg, func(j *journal.Journal) (err error) {
				out.Leaves, err = journal.Export(cmd.Context(), j, cfg.Station, dir, progress)
				return err
			})
		}
		switch {
		case err != nil:
			return err
		case a.json:
			return cli.JSON(cmd.OutOrStdout(), out)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d leaves in %s\ncheck it anywhere with:       linewatch-verify --trust FILE %s\nbring it in, at the centre:   linewatch-aggregator import %s\n", out.Leaves, out.Dir, out.Dir, out.Dir)
		return nil
	}}
	cmd.Flags().StringVar(&dir, "dir", "", "empty folder to write")
	return cmd
}

func (a *app) rotateKey() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "rotate-key", Short: "Hand the signing of the logs to a new key", Args: cobra.NoArgs,
		Long: `Makes a new key, which signs the logs from now on. The logs go on; a leaf log.key,
signed by the old key, names the new one, so that every verifier follows. For a key
that somebody else may have, use linewatch-agent enrol --replace instead.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			var change agent.KeyChange
			err = control.Post(cmd.Context(), cfg.DataDir, "/journal/rotate-key", url.Values{"reason": {reason}}, &change)
			if errors.Is(err, control.ErrNotRunning) {
				err = a.withJournal(cmd.Context(), cfg, func(j *journal.Journal) error {
					id, err := enrol.Load(cfg.DataDir)
					if err == nil {
						change, err = agent.RotateKey(cmd.Context(), id, j, reason)
					}
					return err
				})
			}
			switch {
			case err != nil:
				return err
			case a.json:
				return cli.JSON(cmd.OutOrStdout(), change)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "the logs of %s are signed by a new key now\nkey fingerprint (keep it on paper beside the one before; it anchors logs that begin from now on):\n  station %s %s\nbefore           %s\n",
				change.AgentID, change.AgentID, change.Fingerprint, change.Previous)
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "operator", "why, for the record")
	return cmd
}
