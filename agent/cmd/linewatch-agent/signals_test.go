package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/pipeline"
)

func TestALineOfSignalsSaysWhatMattersMost(t *testing.T) {
	learning := []detect.Report{{Detector: "novelty", State: "learning", Detail: "10 minutes to go", Values: 3, Found: 1}}
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	signal := func(name string, v *watch.View) pipeline.Signal {
		return pipeline.Signal{Source: "uns", Signal: name, Value: 61.5, Unit: "degC", Quality: "good", At: at, Watch: v}
	}
	list := []pipeline.Signal{
		signal("press.a", &watch.View{Low: new(59.0), High: new(64.5), Found: 2, Alarms: 1, Detectors: learning}),
		signal("press.b", &watch.View{Problem: "text"}),
		signal("press.c", &watch.View{Production: "maintenance", Detectors: learning}),
		signal("press.d", &watch.View{Production: "production", Detectors: learning}),
		signal("press.e", &watch.View{Production: "production"}),
		signal("press.f", &watch.View{}),
		signal("other", nil),
	}
	var got []string
	for _, row := range signalRows(list) {
		got = append(got, row[1]+" "+row[4]+" "+row[5])
	}
	require.Equal(t, []string{
		"press.a 59 to 64.5 1 active", "press.b - text", "press.c - maintenance", "press.d - learning", "press.e - production", "press.f - watching", "other - -",
	}, got)
	require.Equal(t, []string{"press.a", "novelty", "learning", "3", "1", "10 minutes to go"}, detectorRows(list)[0])

	some, err := matching(list, "press.*")
	require.NoError(t, err)
	require.Len(t, some, 6)
	_, err = matching(list, "none")
	require.ErrorContains(t, err, "no signal is called none")
	_, err = matching(list, "[")
	require.ErrorContains(t, err, "pattern")
}
