package agent

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/detect/watch"
)

// lost says which detectors begin anew because their state could not be read.
func (a *Agent) lost(ctx context.Context) {
	f := a.detection.Watch.Began(a.detection.Lost)
	if f == nil {
		return
	}
	a.log.Warn("detectors begin anew", "error", a.detection.Lost)
	if err := a.pipeline.Emit(ctx, f.Type, f.Severity, f.Data); err != nil {
		a.log.Error("the loss of what detectors had learnt could not be recorded", "error", err)
	}
}

// saveLearnt writes what the detectors learnt from time to time, until ctx ends.
// The last time is after the pipeline has stopped.
func (a *Agent) saveLearnt(ctx context.Context) {
	ticker := time.NewTicker(max(a.cfg.Detection.Save, time.Minute))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := a.detection.Watch.Save(now); err != nil {
				a.log.Error("what the detectors learnt could not be written", "error", err)
			}
		}
	}
}

// detectionViews lets people at the station tell the detectors something. What
// they do is recorded before it is answered.
func (a *Agent) detectionViews() control.Detection {
	w := a.detection.Watch
	tell := func(ctx context.Context, list []watch.Out, done map[string]any) (any, error) {
		if err := a.pipeline.Tell(ctx, list); err != nil {
			return nil, err
		}
		return done, nil
	}
	return control.Detection{
		SetProduction: func(ctx context.Context, station, state string, until time.Time) (any, error) {
			w.Begin()
			list, err := w.Command(station, state, until, time.Now())
			w.End()
			switch {
			case err != nil:
				return nil, err
			case len(list) == 0:
				return nil, fmt.Errorf("no station %q has given values yet (without --station it is all of this agent)", station)
			}
			done := map[string]any{"state": state}
			if !until.IsZero() {
				done["until"] = until.UTC().Round(time.Second)
			}
			return tell(ctx, list, done)
		},
		Learn: func(ctx context.Context, pause bool) (any, error) {
			w.Begin()
			list := w.Learn(pause, time.Now())
			w.End()
			return tell(ctx, list, map[string]any{"paused": pause})
		},
		Reset: func(ctx context.Context, pattern string) (any, error) {
			if _, err := path.Match(pattern, ""); err != nil {
				return nil, errors.New("no pattern such as press.*")
			}
			w.Begin()
			list, n := w.Reset(func(_, signal string) bool { ok, _ := path.Match(pattern, signal); return ok }, time.Now())
			w.End()
			return tell(ctx, list, map[string]any{"signals": n})
		},
	}
}
