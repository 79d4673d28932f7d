package config

import (
	"testing"

	"github.com/linewatch/linewatch/shared/conf"
	"github.com/stretchr/testify/require"
)

func TestTheExampleSchemaAndReferenceAreThoseOfTheStructs(t *testing.T) {
	require.NoError(t, conf.CheckDocuments("../..", Config{}, "aggregator"))
	var c Config
	require.NoError(t, conf.Load("../../configs/aggregator.example.yaml", &c, conf.Options{}))
}
