package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
)

// checkScope refuses patterns that no station can match: station paths are lower
// case, 1 to 8 segments; * stands for a segment or a part of it, ** for several.
func checkScope(scope []string) error {
	for _, p := range scope {
		var path []string
		for segment := range strings.SplitSeq(p, "/") {
			if segment != "**" {
				path = append(path, strings.ReplaceAll(segment, "*", "x"))
			}
		}
		if len(path) == 0 {
			continue // ** alone
		}
		if err := event.ValidStation(strings.Join(path, "/")); err != nil {
			return cli.Usage("--scope %q matches no station: %v", p, err)
		}
	}
	return nil
}

// checkSeen is checkScope for who reads: without a scope nothing would be seen.
func checkSeen(scope []string) error {
	if len(scope) == 0 {
		return cli.Usage("--scope is empty: nothing would be seen; ** stands for all stations")
	}
	return checkScope(scope)
}

// warnUnknown tells of patterns that no station known today fits: a new line, or a
// slip of the pen.
func warnUnknown(cmd *cobra.Command, ctx context.Context, agg *aggregator.Aggregator, scope []string) error {
	known, err := agg.Store.Stations(ctx)
	if err != nil {
		return err
	}
	var unknown []string
	for _, p := range scope {
		fits := p == "**"
		for _, s := range known {
			fits = fits || query.InScope([]string{p}, s.Station)
		}
		if !fits {
			unknown = append(unknown, fmt.Sprintf("%q", p))
		}
	}
	if len(unknown) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: no station that has sent events yet fits --scope %s (a scope begins at the first segment of the path)\n", strings.Join(unknown, ", "))
	}
	return nil
}
