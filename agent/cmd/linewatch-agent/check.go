package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent"
	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/source/mqtt"
	"github.com/linewatch/linewatch/agent/source/opcua"
	"github.com/linewatch/linewatch/shared/cli"
)

// perEvent is the mean size of an event on disk, for predictions: leaf, hash and
// the overhead of the file.
const perEvent = 800

// findings is what check found.
type findings struct {
	Config     string         `json:"config"`
	Disk       diskReport     `json:"disk"`
	OPCUA      []opcua.Report `json:"opcua"`
	MQTT       []mqtt.Report  `json:"mqtt"`
	Aggregator string         `json:"aggregator"`
	ClockMS    *int64         `json:"clock_offset_ms"` // null: not known
	Faults     []string       `json:"faults"`
	Warnings   []string       `json:"warnings"`
	PerSecond  float64        `json:"messages_per_second"`
	PerDay     float64        `json:"bytes_per_day"`
	HoursLeft  float64        `json:"hours_of_buffer"`
}

type diskReport struct {
	Bytes uint64 `json:"bytes"`
	Quota uint64 `json:"quota"`
}

func (a *app) checkCommand() *cobra.Command {
	var listen time.Duration
	var offline bool
	cmd := &cobra.Command{Use: "check", Short: "Check the configuration, connect to everything, report and predict", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.config()
		if err != nil {
			return err
		}
		f := &findings{Config: a.file, OPCUA: []opcua.Report{}, MQTT: []mqtt.Report{}, Faults: []string{}, Warnings: []string{}}
		f.disk(cfg)
		f.files(cfg)
		if !offline {
			f.sources(cmd.Context(), cfg, listen)
			a.checkAggregator(cmd.Context(), cfg, f)
		}
		f.predict()
		if a.json {
			if err := cli.JSON(cmd.OutOrStdout(), f); err != nil {
				return err
			}
		} else {
			f.print(cmd.OutOrStdout(), offline)
		}
		if len(f.Faults) > 0 {
			return errors.New(counted(len(f.Faults), "fault"))
		}
		return nil
	}}
	cmd.Flags().DurationVar(&listen, "for", 5*time.Second, "how long to listen to brokers")
	cmd.Flags().BoolVar(&offline, "offline", false, "only the file and the disk")
	return cmd
}

func (f *findings) fault(format string, args ...any) {
	f.Faults = append(f.Faults, fmt.Sprintf(format, args...))
}

// counted is "1 fault", "2 faults".
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func (f *findings) disk(cfg config.Config) {
	size, err := journal.DiskSize(cfg.DataDir)
	if err != nil {
		f.fault("data_dir: %s can't be made: %v; name another folder, or make it and give it to the user of the service", cfg.DataDir, err)
		return
	}
	if size == 0 {
		f.fault("data_dir: %s is on a file system without room for files; name a folder on a disk", cfg.DataDir)
		return
	}
	f.Disk.Bytes = size
	if f.Disk.Quota, err = cfg.Journal.QuotaBytes(size); err != nil {
		f.fault("journal.quota: %v", err)
	}
	if f.Disk.Quota > size {
		f.fault("journal.quota: %d MiB are more than the disk has (%d MiB)", f.Disk.Quota>>20, size>>20)
	}
}

// files looks at what else than the configuration must be right on this machine.
func (f *findings) files(cfg config.Config) {
	if err := control.Usable(cfg.DataDir); err != nil {
		f.Warnings = append(f.Warnings, "data_dir: status and other commands will not find the agent: "+err.Error())
	}
	for _, s := range cfg.OPCUA {
		f.secret("opcua "+s.Name, s.Auth.PasswordFile)
	}
	for _, s := range cfg.MQTT {
		f.secret("mqtt "+s.Name, s.Auth.PasswordFile)
		f.secret("mqtt "+s.Name, s.TLS.Key)
	}
}

// secret warns of a file that others than its owner and group may read. Windows
// has no such bits; its rights come with the folder.
func (f *findings) secret(source, path string) {
	info, err := os.Stat(path)
	if path == "" || err != nil || runtime.GOOS == "windows" {
		return // the source itself says that a file is missing
	}
	if info.Mode().Perm()&0o007 != 0 {
		f.Warnings = append(f.Warnings, source+": "+path+" can be read by others; chmod 600 it")
	}
}

func (f *findings) sources(ctx context.Context, cfg config.Config, listen time.Duration) {
	log := cli.Logger(discard{}, "error")
	for _, s := range cfg.OPCUA {
		r, err := opcua.Check(ctx, s, opcua.Options{Station: cfg.Station, Dir: cfg.Dir, PKI: agent.PKIDir(cfg), Logger: log})
		if err != nil {
			f.fault("opcua %s: %v", s.Name, err)
			continue
		}
		f.OPCUA = append(f.OPCUA, r)
		for _, g := range r.Groups {
			for _, n := range g.Failed {
				f.fault("opcua %s, group %s: %s", s.Name, g.Group, n)
			}
			for _, w := range g.Warnings {
				f.Warnings = append(f.Warnings, "opcua "+s.Name+": "+w)
			}
		}
		for _, w := range r.Warnings {
			f.Warnings = append(f.Warnings, "opcua "+s.Name+": "+w)
		}
		for bare, uri := range r.BareIndexes {
			f.Warnings = append(f.Warnings, fmt.Sprintf("opcua %s: %s depends on the server's order of namespaces; write %s", s.Name, bare, uri))
		}
	}
	for _, s := range cfg.MQTT {
		r, err := mqtt.New(s, mqtt.Options{Station: cfg.Station, Levels: cfg.Levels, AgentID: "check", Dir: cfg.Dir, Logger: log}).Check(ctx, listen)
		if err != nil {
			f.fault("mqtt %s: %s", s.Name, strings.TrimPrefix(err.Error(), "check mqtt "+s.Name+": "))
			continue
		}
		f.MQTT = append(f.MQTT, r)
		f.PerSecond += r.PerSecond
		for _, filter := range r.Refused {
			f.fault("mqtt %s: the broker refuses %s", s.Name, filter)
		}
		for _, w := range r.Warnings {
			f.Warnings = append(f.Warnings, "mqtt "+s.Name+": "+w)
		}
	}
}

func (a *app) checkAggregator(ctx context.Context, cfg config.Config, f *findings) {
	id, err := enrol.Load(cfg.DataDir)
	switch {
	case errors.Is(err, enrol.ErrNotEnrolled):
		f.Aggregator = "not enrolled yet"
		f.Warnings = append(f.Warnings, a.hint(err).Error())
		return
	case err != nil:
		f.fault("identity: %v", err)
		return
	case id.Pending:
		f.Aggregator = "waits for approval"
		return
	}
	urls := cfg.Aggregator.URLs
	if len(urls) == 0 {
		urls = id.URLs
	}
	offset, url, err := id.Reach(ctx, urls, cfg.Aggregator.Proxy)
	if err != nil {
		f.fault("aggregator: %v", err)
		return
	}
	ms := offset.Milliseconds()
	f.Aggregator, f.ClockMS = "reached at "+url, &ms
	if offset.Abs() > time.Minute {
		f.Warnings = append(f.Warnings, fmt.Sprintf("this station's clock is wrong by %s; events carry it as it is, and the offset beside it", offset.Round(time.Second)))
	}
	if until, err := id.CertificateUntil(); err == nil {
		f.Aggregator += ", certificate until " + until.Format(time.DateOnly)
	}
}

// predict takes what was seen while listening for the rate of every day.
func (f *findings) predict() {
	f.PerDay = f.PerSecond * perEvent * 86400
	f.HoursLeft = -1
	if f.PerSecond > 0 {
		f.HoursLeft = float64(f.Disk.Quota) / (f.PerSecond * perEvent) / 3600
	}
}

func (f *findings) print(out printer, offline bool) {
	fmt.Fprintf(out, "configuration  %s is valid\n", f.Config)
	if f.Disk.Bytes > 0 {
		fmt.Fprintf(out, "disk           %.1f GiB, of which the journal may take %d MiB\n", float64(f.Disk.Bytes)/(1<<30), f.Disk.Quota>>20)
	} else {
		fmt.Fprint(out, "disk           not known, see the fault below\n")
	}
	for _, r := range f.OPCUA {
		fmt.Fprintf(out, "opcua          %s at %s: %s, %s, %s, clock offset %s\n", r.Name, r.Endpoint, r.Security, r.Product, r.State, r.ClockOffset.Round(time.Millisecond))
		for _, g := range r.Groups {
			fmt.Fprintf(out, "               group %s: %d nodes resolved, %d failed, publishing %d ms, sampling %g ms, queue %d of %d asked\n",
				g.Group, g.Nodes, len(g.Failed), g.PublishingMS, g.SamplingMS, g.QueueGranted, g.QueueAsked)
		}
	}
	for _, r := range f.MQTT {
		fmt.Fprintf(out, "mqtt           %s at %s: %d topics in %.0f s, %.1f messages/s\n", r.Source, r.Broker, len(r.Topics), r.Listened, r.PerSecond)
		for i, t := range r.Topics {
			if i == 10 {
				fmt.Fprintf(out, "               and %d more (--json shows all)\n", len(r.Topics)-i)
				break
			}
			fmt.Fprintf(out, "               %s  %s  %s\n", t.Topic, t.Value, t.Problem)
		}
	}
	if !offline {
		offset := "clock offset not known"
		if f.ClockMS != nil {
			offset = fmt.Sprintf("clock offset %d ms", *f.ClockMS)
		}
		fmt.Fprintf(out, "aggregator     %s, %s\n", cmp.Or(f.Aggregator, "not reached"), offset)
	}
	if f.HoursLeft > 0 {
		fmt.Fprintf(out, "prediction     %.1f MiB a day at the rate just seen; the journal covers %.0f hours without the aggregator\n", f.PerDay/(1<<20), f.HoursLeft)
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(out, "WARNING        %s\n", w)
	}
	for _, w := range f.Faults {
		fmt.Fprintf(out, "FAULT          %s\n", w)
	}
}
