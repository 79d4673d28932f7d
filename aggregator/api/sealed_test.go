package api_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
)

// To ask whether a value is there is to read it, bit by bit.
func TestASearchInSealedFieldsIsInTheRecordWithoutTheValue(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"security"})
	var found api.Events
	r.Get(token, "/api/v1/events?"+url.Values{"sealed": {"event_data.device:HMI-4711"}}.Encode(), &found)
	require.NoError(t, r.Stop())
	rows := r.Rows("type:audit.accessed")
	require.Len(t, rows, 1)
	require.Contains(t, string(rows[0].Data), "sealed:event_data.device")
	require.NotContains(t, string(rows[0].Data), "HMI-4711")
}
