package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/detect/spc"
)

// baselines shows and changes what the control charts compare with. A change is in
// force and on disk first, then recorded: an event of something that did not happen
// would be worse than the rare change without one, which the answer then names.
func (a *Agent) baselines() control.Baselines {
	return control.Baselines{
		Show: func(_ context.Context, name string) (any, error) { return a.detection.Book.Charts(name), nil },
		Change: func(ctx context.Context, c control.BaselineChange) (any, error) {
			change, err := a.detection.Book.Do(spc.Action(c.Action), c.Station, c.Name, c.Recipe, c.By, time.Now())
			if err != nil {
				return nil, err
			}
			if err := a.pipeline.EmitBy(ctx, change.Station, c.By, change.Type, nil, change.Data); err != nil {
				return nil, fmt.Errorf("the baseline of %s is %s, but the event of it could not be recorded: %w", c.Name, change.Entry.State, err)
			}
			return change, nil
		},
	}
}
