package event_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/event/gen/catalogue"
	"github.com/stretchr/testify/require"
)

func TestTheMadeFilesAreThoseOfTheCatalogue(t *testing.T) {
	csv, err := os.ReadFile("catalogue.csv")
	require.NoError(t, err)
	made, err := catalogue.Generate(csv)
	require.NoError(t, err)
	for name, want := range made {
		have, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, string(want) == string(have), "%s is old: run go generate ./shared/event", name)
	}
}

// TestThe14RequiredTypesAreAcceptedUnderTheirExactNames holds as far
// as the event itself goes.
func TestThe14RequiredTypesAreAcceptedUnderTheirExactNames(t *testing.T) {
	for name, class := range map[string]event.Class{
		"user.login": event.Security, "user.logout": event.Security, "permission.change": event.Security,
		"access.denied": event.Security, "station.operation": event.Manufacturing, "quality.check": event.Manufacturing,
		"equipment.status": event.Manufacturing, "maintenance.event": event.Manufacturing, "data.access": event.Security,
		"encryption.event": event.Security, "compliance.action": event.Security, "config.change": event.Security,
		"security.violation": event.Security, "system.error": event.Performance,
	} {
		t.Run(name, func(t *testing.T) {
			info, ok := event.Lookup(name)
			require.True(t, ok)
			require.True(t, info.RequiredType)
			require.True(t, info.Row)
			require.Equal(t, class, info.Class)
			e := sample()
			e.Type = name
			e.Class, e.Severity = event.Defaults(name)
			data := map[string]any{}
			for _, field := range info.Required {
				data[field] = "x"
			}
			var err error
			e.Data, err = event.Object(data)
			require.NoError(t, err)
			require.Empty(t, event.Missing(info, e.Data))
			require.Equal(t, info.Required, event.Missing(info, []byte("{}")))
			leaf, err := e.Leaf()
			require.NoError(t, err)
			back, problems, err := event.Parse(leaf)
			require.NoError(t, err)
			require.Empty(t, problems)
			require.Equal(t, name, back.Type)
		})
	}
	required := 0
	for _, info := range event.Types() {
		if info.RequiredType {
			required++
		}
	}
	require.Equal(t, 14, required)
}

func TestEachTypeOfTheCatalogueIsSound(t *testing.T) {
	types := event.Types()
	require.GreaterOrEqual(t, len(types), 14+126)
	for i, info := range types {
		require.True(t, event.ValidType(info.Name), info.Name)
		require.True(t, info.Class.Valid(), info.Name)
		require.True(t, info.Severity.Valid(), info.Name)
		require.NotEmpty(t, info.Category, info.Name)
		require.NotEmpty(t, info.Required, info.Name)
		require.NotEmpty(t, info.IEC62443, info.Name)
		require.Contains(t, []string{"AC", "RE", "OS", "CS", "BR", "CC", "PR", "AL"}, info.SR28, info.Name)
		require.Contains(t, []int{0, 1, 2}, info.PII, info.Name)
		found, ok := event.Lookup(info.Name)
		require.True(t, ok)
		require.Equal(t, info, found)
		if i > 0 {
			require.Less(t, types[i-1].Name, info.Name)
		}
	}
}

func TestLeavesThatDescribeTheLogAreNoRows(t *testing.T) {
	for _, name := range []string{
		event.TypeLogOpened, event.TypeLogClosed, event.TypeLogKey, event.TypeLogHeartbeat,
		event.TypeLogRegistered, event.TypeLogRoots, event.TypeSignalSummary,
	} {
		require.False(t, event.IsRow(name), name)
	}
	for _, name := range []string{event.TypeLogCleared, event.TypeLogForked, event.TypeAuditGap, "x.acme.door", "newer.type"} {
		require.True(t, event.IsRow(name), name)
	}
	class, _ := event.Defaults(event.TypeSignalSummary)
	require.Equal(t, event.Performance, class)
}

func TestTypesOfIntegratorsAreManufacturingAndKnown(t *testing.T) {
	class, severity := event.Defaults("x.acme.door_opened")
	require.Equal(t, event.Manufacturing, class)
	require.Equal(t, event.SeverityInfo, severity)
	require.True(t, event.Known("x.acme.door_opened"))
	for _, name := range []string{"x.acme", "acme.door", "x..door", "x.Acme.door", "", "x.a.b.c.d"} {
		require.False(t, event.Known(name), name)
	}
}

func TestMissingFieldsAreNamedAndNullCounts(t *testing.T) {
	info, _ := event.Lookup(event.TypeEquipmentStatus)
	require.Equal(t, []string{"status", "previous"}, event.Missing(info, []byte(`{"equipmentId":"p"}`)))
	require.Empty(t, event.Missing(info, []byte(`{"previous":null,"status":{"a":1},"equipmentI\u0064":1}`)))
	require.Len(t, event.Missing(info, nil), 3)
}

func TestTheJSONForTheWebHasTheSameTypes(t *testing.T) {
	text, err := os.ReadFile("catalogue.json")
	require.NoError(t, err)
	var types []event.TypeInfo
	require.NoError(t, json.Unmarshal(text, &types))
	require.Len(t, types, len(event.Types()))
	for i, info := range event.Types() {
		require.Equal(t, info.Name, types[i].Name)
		require.Equal(t, info.Class, types[i].Class)
		require.Equal(t, info.Severity, types[i].Severity)
		require.Equal(t, strings.Join(info.Required, " "), strings.Join(types[i].Required, " "))
	}
}
