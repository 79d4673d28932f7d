package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
)

// TestAListByArrivalOfWhatIsCommonIsWalkedAndOfWhatIsRareSorted asks SQLite for its
// plan: it once read all rows of a common type for each page, and sorted them.
func TestAListByArrivalOfWhatIsCommonIsWalkedAndOfWhatIsRareSorted(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "s.db"))
	defer s.Close()
	storetest.NewPlant(t, s, 5).Fill(t, s, 6000, 200, time.Second)
	walked := []string{
		"", "type:quality.check", "type:quality.check,quality.trend", "-type:quality.check", "severity>=info", "pass", "station:st0* pass",
		"data.result:pass", "since:2026-03-10T06:00:00Z",
	}
	for _, text := range walked {
		plan := strings.Join(sqlite.ArrivalPlan(t, s, storetest.All(text)), "\n")
		require.Contains(t, plan, "SEARCH e USING INDEX g0_pos", text)
		require.NotContains(t, plan, "TEMP B-TREE FOR ORDER BY", text)
	}
	for text, index := range map[string]string{
		"type:equipment.fault": "g0_type", "user:p-00000000000000000000000000000007": "g0_user", "correlation:order-42 type:equipment.status": "g0_",
		"station:st01 type:quality.check": "g0_station", "since:2026-03-10T07:30:00Z": "g0_at", "hydraulic": "words",
	} {
		plan := strings.Join(sqlite.ArrivalPlan(t, s, storetest.All(text)), "\n")
		require.Contains(t, plan, index, text)
		require.NotContains(t, plan, "g0_pos", text)
	}
}
