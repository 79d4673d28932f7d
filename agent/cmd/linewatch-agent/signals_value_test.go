package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/pipeline"
)

func TestASignalWithoutAValueShowsTheEventThatItMakes(t *testing.T) {
	require.Equal(t, "(quality.check)", shownValue(pipeline.Signal{Event: "quality.check"}))
	require.Equal(t, "-", shownValue(pipeline.Signal{}))
	require.Equal(t, "41.5", shownValue(pipeline.Signal{Value: 41.5, Event: "x.a.b"}))
}
