package main

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/agent/pipeline"
	"github.com/linewatch/linewatch/shared/cli"
)

func (a *app) signalsCommand() *cobra.Command {
	var detail bool
	cmd := &cobra.Command{
		Use: "signals [NAME]", Short: "Live values of the running agent: band, state, detectors",
		Long: `Shows what the running agent knows of its signals: the newest value, the band that
is usual for it, what the plant is doing, and what is wrong or found. NAME is a
signal or a pattern such as press.*; --detail shows each detector.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			var list []pipeline.Signal
			if err := control.Get(cmd.Context(), cfg.DataDir, "/signals", nil, &list); err != nil {
				return err
			}
			if len(args) == 1 {
				if list, err = matching(list, args[0]); err != nil {
					return err
				}
			}
			if a.json {
				return cli.JSON(cmd.OutOrStdout(), list)
			}
			if detail {
				return cli.Table(cmd.OutOrStdout(), []string{"SIGNAL", "DETECTOR", "STATE", "VALUES", "FOUND", "DETAIL"}, detectorRows(list))
			}
			return cli.Table(cmd.OutOrStdout(), []string{"SOURCE", "SIGNAL", "VALUE", "UNIT", "USUAL", "STATE", "FOUND", "QUALITY", "AT", "PER S", "ITEM"}, signalRows(list))
		},
	}
	cmd.Flags().BoolVar(&detail, "detail", false, "one line per detector")
	return cmd
}

func matching(list []pipeline.Signal, pattern string) ([]pipeline.Signal, error) {
	out := []pipeline.Signal{}
	for _, s := range list {
		ok, err := path.Match(pattern, s.Signal)
		if err != nil {
			return nil, cli.Usage("%q is no name or pattern such as press.*", pattern)
		}
		if ok {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no signal is called %s; linewatch-agent signals lists them", pattern)
	}
	return out, nil
}

func signalRows(list []pipeline.Signal) [][]string {
	rows := make([][]string, len(list))
	for i, s := range list {
		usual, state, found := "-", "-", "-"
		if v := s.Watch; v != nil {
			if v.Low != nil && v.High != nil {
				usual = words.Number(*v.Low, *v.High-*v.Low) + " to " + words.Number(*v.High, *v.High-*v.Low)
			}
			state, found = watchState(s), strconv.FormatUint(v.Found, 10)
		}
		rows[i] = []string{
			s.Source, s.Signal, shownValue(s), s.Unit, usual, state, found, s.Quality,
			s.At.Format("15:04:05.000"), strconv.FormatFloat(s.Rate, 'g', 3, 64), s.Item,
		}
	}
	return rows
}

// watchState is the one word that matters most.
func watchState(s pipeline.Signal) string {
	v := s.Watch
	switch {
	case v.Alarms > 0:
		return fmt.Sprintf("%d active", v.Alarms)
	case v.Problem != "":
		return v.Problem
	case v.Production == "off" || v.Production == "maintenance":
		return v.Production
	}
	for _, d := range v.Detectors {
		if d.State == "paused" || d.State == "learning" && d.Detector == "novelty" {
			return d.State
		}
	}
	if v.Production != "" {
		return v.Production
	}
	return "watching"
}

func detectorRows(list []pipeline.Signal) [][]string {
	var rows [][]string
	for _, s := range list {
		if s.Watch == nil {
			continue
		}
		for _, d := range s.Watch.Detectors {
			rows = append(rows, []string{s.Signal, d.Detector, d.State, strconv.FormatUint(d.Values, 10), strconv.FormatUint(d.Found, 10), strings.TrimSpace(d.Detail)})
		}
	}
	return rows
}
