// Package setup puts the detectors together as the configuration says: which ones
// a signal and a station get. The agent and the replay of recorded curves use the
// same set.
package setup

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/novelty"
	"github.com/linewatch/linewatch/agent/detect/spc"
	"github.com/linewatch/linewatch/agent/detect/station"
	"github.com/linewatch/linewatch/agent/detect/trend"
	"github.com/linewatch/linewatch/agent/detect/watch"
)

// Detection is everything that detects in one agent.
type Detection struct {
	Watch *watch.Watcher
	Book  *spc.Book // baselines of control charts
	// Lost says what could not be taken up from before the restart, nil for nothing.
	Lost error
}

// New makes the detection of an agent. What was learnt is kept in dir; dir "" keeps
// nothing. A damaged state is no error (Detection.Lost says so), a damaged book of
// baselines is: people approved them.
func New(cfg config.Config, dir string, log *slog.Logger) (*Detection, error) {
	state, baselines := "", ""
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("detection: %w", err)
		}
		state, baselines = filepath.Join(dir, "learnt"), filepath.Join(dir, "baselines.json")
	}
	book, err := spc.OpenBook(baselines)
	if err != nil {
		return nil, err
	}
	d := &Detection{Book: book}
	zone := time.Local
	if cfg.Detection.Production.Zone != "" {
		if zone, err = time.LoadLocation(cfg.Detection.Production.Zone); err != nil {
			return nil, fmt.Errorf("detection.production.zone: %w", err)
		}
	}
	lines := station.NewLines()
	d.Watch, err = watch.New(watch.Options{
		Signals: cfg.Signals, Detection: cfg.Detection, File: state, Home: cfg.Station, Logger: log,
		Make: func(of detect.Signal, c config.Signal, sensitivity string) []detect.Detector {
			return detectors(cfg, d.Book, zone, of, c, sensitivity)
		},
		Station: func(name string) []detect.Station {
			return []detect.Station{spc.NewQuality(cfg.Quality, name, d.Book), station.New(cfg.Alerting, name, lines)}
		},
	})
	if d.Watch == nil {
		return nil, errors.Join(errors.New("detection"), err)
	}
	d.Lost = err
	return d, nil
}

// detectors are those that learn: of one measured signal.
func detectors(cfg config.Config, book *spc.Book, zone *time.Location, of detect.Signal, c config.Signal, sensitivity string) (out []detect.Detector) {
	if sensitivity != "off" {
		out = append(out, novelty.New(novelty.Options{Signal: of, Sensitivity: sensitivity, Persist: cfg.Alerting.Persist, Location: zone}))
		if c.Limits != nil {
			out = append(out, trend.New(trend.LimitsOf(c.Limits), of))
		}
	}
	if c.SPC != nil {
		out = append(out, spc.New(*c.SPC, of, book))
	}
	return out
}
