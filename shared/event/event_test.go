package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/stretchr/testify/require"
)

// sample is an event that uses every field.
func sample() *event.Event {
	at := time.Date(2026, 11, 22, 4, 5, 6, 789_000_000, time.UTC)
	return &event.Event{
		ID: event.NewID(at), Type: event.TypeEquipmentStatus, Class: event.Manufacturing, Severity: event.SeverityInfo,
		Timestamp: at, CollectedAt: at.Add(3 * time.Millisecond), Station: "hamburg/body/line3/st07",
		Equipment: "press-12", Signal: "press.state", CorrelationID: "order-4711",
		UserID: event.Pseudonym([]byte("0123456789abcdef0123456789abcdef"), "Anna"), SourceIP: "10.4.1.12",
		Source:  &event.Source{Kind: "opcua", Endpoint: "opc.tcp://10.4.1.12:4840", Item: "nsu=urn:v:press;s=State", OriginalID: "17"},
		Data:    json.RawMessage(`{"equipmentId":"press-12","status":"running","previous":"idle"}`),
		Context: json.RawMessage(`{"shift":"early"}`),
		Metadata: event.Metadata{
			Catalogue: event.CatalogueVersion, Agent: "1.0.0", Parser: "opcua",
			Problems: []event.Problem{{Field: "timestamp", Reason: "ahead of the agent's clock"}, {Field: "x", Reason: "ä\"\\\n\x01"}},
		},
		Curve:  &event.Curve{Start: at, StepMS: 100, Unit: "degC", Min: []float32{1, 2.5}, Max: []float32{2, 3.5}},
		Sealed: map[string]event.SealedField{"event_data.user": {Key: strings.Repeat("ab", 32), Text: "AAAA"}, "a": {Key: strings.Repeat("0f", 32), Text: "AQ=="}},
		Salt:   event.NewSalt(),
	}
}

func TestALeafIsReadBackAsItWasWritten(t *testing.T) {
	want := sample()
	leaf, err := want.Leaf()
	require.NoError(t, err)
	require.NoError(t, event.Check(leaf))
	require.True(t, json.Valid(leaf))
	got, problems, err := event.Parse(leaf)
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Equal(t, want, got)
	again, err := got.Leaf()
	require.NoError(t, err)
	require.Equal(t, string(leaf), string(again))
}
