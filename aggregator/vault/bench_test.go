package vault_test

import (
	"testing"

	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
)

// BenchmarkProjector is what the blind index adds to a row with two sealed fields.
func BenchmarkProjector(b *testing.B) {
	r := newRig(b)
	leaf := r.login(anna, "Anna Schmidt")
	for name, projector := range map[string]store.Projector{"with": r.vault.Projector(project.Project), "without": project.Project} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				projector(leaf, store.LeafAt{Log: r.log.ID, AgentID: r.log.AgentID, Class: r.log.Class})
			}
		})
	}
}
