package api_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
)

// What people looked for stays in the signed record for ever: so it must not hold
// what is sealed everywhere else.
func TestWhatIsSearchedForIsInTheRecordWithoutNamesAndValues(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"security"})
	ask := func(path string, q url.Values) {
		r.Do(r.Client(), "GET", path+"?"+q.Encode(), token, nil)
	}
	const name, badge = "Annegret.Klarname", "B-4711-7"
	for range 2 {
		ask("/api/v1/events", url.Values{"q": {name + ` data.badge:` + badge + ` -data."der Name":"` + name + `",* user:` + name + ` station:hamburg/** severity>=low`}})
	}
	ask("/api/v1/events", url.Values{"q": {`"` + name + `"`}})
	ask("/api/v1/events", url.Values{"q": {"class:" + name + " " + name}})
	ask("/api/v1/events/histogram", url.Values{"q": {"nofield>" + name + " (" + badge}})
	ask("/api/v1/events/histogram", url.Values{"q": {"severity:" + name}})
	ask("/api/v1/events", url.Values{"q": {"user:p-klarname -user:p-Klarname*,p-9f*"}})
	require.NoError(t, r.Stop())
	rows := r.Rows("type:audit.accessed")
	require.Len(t, rows, 1)
	text := string(rows[0].Data)
	require.Contains(t, text, ",p-9f*", "a pattern of pseudonyms is no name")
	require.NotContains(t, strings.ToLower(text), "klarname")
	require.NotContains(t, text, "4711")
	var data struct{ Query []string }
	require.NoError(t, json.Unmarshal(rows[0].Data, &data))
	const mark = `#[0-9a-f]{16}`
	long := slices.IndexFunc(data.Query, func(q string) bool { return strings.Contains(q, "data.badge") })
	require.Regexp(t, `^`+mark+` data\.badge:`+mark+` -data\."der Name":`+mark+`,\* user:p-[0-9a-f]{32} station:hamburg/\*\* severity>=low$`, data.Query[long])
	require.Contains(t, data.Query, strings.Fields(data.Query[long])[0], "the same word gives the same mark")
	require.Contains(t, data.Query, "(a text that is no search)")
}

// To ask whether a value is there is to read it, bit by bit.
func TestASearchInSealedFieldsIsInTheRecordWithoutTheValue(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"security"})
	var found api.Events
	r.Get(token, "/api/v1/events?"+url.Values{"sealed": {"event_data.device:HMI-4711"}}.Encode(), &found)
	status, _ := r.Do(r.Client(), "GET", "/api/v1/events?"+url.Values{"sealed": {"HMI-4711:event_data.device"}}.Encode(), token, nil)
	require.Equal(t, 400, status, "the wrong way round")
	require.NoError(t, r.Stop())
	rows := r.Rows("type:audit.accessed")
	require.Len(t, rows, 1)
	require.Contains(t, string(rows[0].Data), "sealed:event_data.device")
	require.NotContains(t, string(rows[0].Data), "HMI-4711")
}
