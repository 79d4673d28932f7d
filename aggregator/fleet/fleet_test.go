package fleet_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/enrol"
	"github.com/linewatch/linewatch/aggregator/fleet"
	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

func status(t *testing.T, a *wiretest.Agent, st wire.Status) (int, wire.StatusResponse) {
	t.Helper()
	body, err := json.Marshal(st)
	require.NoError(t, err)
	var answer wire.StatusResponse
	code, err := a.Post(t.Context(), wire.PathStatus, strings.NewReader(string(body)), &answer)
	require.NoError(t, err)
	return code, answer
}

func agent(t *testing.T, r *ingesttest.Rig, id string) fleet.Agent {
	t.Helper()
	list, err := r.Fleet.Agents(t.Context())
	require.NoError(t, err)
	for _, a := range list {
		if a.ID == id {
			return a
		}
	}
	t.Fatalf("no agent %s", id)
	return fleet.Agent{}
}

func TestAStatusCallMeasuresTheClockAndAnswersWhatTheAgentNeeds(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	require.Equal(t, fleet.StateNever, agent(t, r, a.ID).State)
	code, answer := status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now(), Version: "1.0.0", Backlog: 5})
	require.Equal(t, http.StatusOK, code)
	require.Len(t, answer.Cosigners, 1)
	require.Equal(t, "hamburg", answer.Pseudonyms[0].Plant)
	require.False(t, answer.Renew)
	require.WithinDuration(t, r.Clock.Now(), answer.Time, 10*time.Second)
	v := agent(t, r, a.ID)
	require.Equal(t, fleet.StateOnline, v.State, v.Reason)
	require.Equal(t, uint64(5), v.Backlog)
	require.NotNil(t, v.LastContact)

	code, _ = status(t, a, wire.Status{AgentID: "a000000000000000", Time: r.Clock.Now()})
	require.Equal(t, http.StatusForbidden, code)
	r.Clock.Move(365*24*time.Hour - enrol.RenewBefore)
	_, answer = status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now(), Version: "1.0.0"})
	require.True(t, answer.Renew)

	r.Clock.Move(200 * 24 * time.Hour)
	code, answer = status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now(), Version: "1.0.0"})
	require.Equal(t, http.StatusOK, code, "an expired certificate still serves to be told")
	require.True(t, answer.Renew)
}

func TestAWrongClockStopsNothingAndIsRecordedOnce(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	off := 17 * 365 * 24 * time.Hour // a station in 2009
	for range 3 {
		code, _ := status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now().Add(-off), Version: "1"})
		require.Equal(t, http.StatusOK, code)
	}
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(1))[0].Result)
	got, ok := r.Fleet.Offset(a.ID)
	require.True(t, ok)
	require.InDelta(t, off.Seconds(), got.Seconds(), 10)
	require.Len(t, r.Events("time.drift"), 1)
	v := agent(t, r, a.ID)
	require.Equal(t, fleet.StateAttention, v.State)
	require.Contains(t, v.Reason, "behind")
	page, err := r.Store.Feed(t.Context(), "", 100)
	require.NoError(t, err)
	for _, row := range page.Rows {
		if row.AgentID == a.ID {
			require.InDelta(t, off.Seconds(), row.Offset.Seconds(), 10, "the offset is kept with the segment")
		}
	}
	status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now(), Version: "1"})
	status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now().Add(time.Hour), Version: "1"})
	require.Len(t, r.Events("time.drift"), 2, "off again after it was right")
}

func TestSilenceAndReturnAreToldOnceAlsoAcrossARestart(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now(), Version: "1", Sizes: map[string]uint64{"linewatch/x": 7}})
	require.NoError(t, r.Fleet.Watch(t.Context()))
	r.Clock.Move(fleet.Silence + time.Second)
	for range 3 {
		require.NoError(t, r.Fleet.Watch(t.Context()))
	}
	e := r.Event("agent.offline", nil)
	require.Equal(t, a.ID, e["agentId"])
	require.Equal(t, fleet.StateOffline, agent(t, r, a.ID).State)

	r.Stop()
	r.Start()
	a.URL = r.URL
	require.NoError(t, r.Fleet.Watch(t.Context()))
	r.Clock.Move(fleet.Silence + time.Second)
	require.NoError(t, r.Fleet.Watch(t.Context()))
	require.Len(t, r.Events("agent.offline"), 1)

	status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now(), Version: "2"})
	require.NoError(t, r.Fleet.Watch(t.Context()))
	require.NoError(t, r.Fleet.Watch(t.Context()))
	require.Len(t, r.Events("agent.online"), 1)
	require.Equal(t, "2", r.Event("agent.updated", nil)["newVersion"])
}

func TestTheReasonSaysWhatNeedsAPerson(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	sources := json.RawMessage(`[{"name":"press-12","state":"refused","reason":"the server's certificate is not trusted"}]`)
	status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now(), Version: "1", Sources: sources})
	v := agent(t, r, a.ID)
	require.Equal(t, fleet.StateAttention, v.State)
	require.Equal(t, "source press-12 is refused: the server's certificate is not trusted", v.Reason)
	status(t, a, wire.Status{AgentID: a.ID, Time: r.Clock.Now(), Version: "1", Refused: map[string]uint64{"debug": 4}})
	require.Contains(t, agent(t, r, a.ID).Reason, "4 readings refused")
	require.NoError(t, r.Enrol.Revoke(t.Context(), a.ID, "anna", "sold"))
	require.Equal(t, "sold", agent(t, r, a.ID).Reason)
}
