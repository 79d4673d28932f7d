package layout

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestTheRepositoryKeepsItsRules(t *testing.T) {
	found, err := Check(os.DirFS("../.."))
	require.NoError(t, err)
	for _, v := range found {
		t.Error(v)
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	allowed := map[string]bool{
		"agent": true, "aggregator": true, "shared": true, "packaging": true, "configs": true, "docs": true,
		"go.mod": true, "go.sum": true, "Makefile": true, "README.md": true, "LICENSE": true,
		".ci": true, ".git": true, ".gitignore": true, "bin": true, ".cache": true,
	}
	entries, err := os.ReadDir("../..")
	require.NoError(t, err)
	for _, e := range entries {
		if !allowed[e.Name()] {
			t.Errorf("%s does not belong to the top level", e.Name())
		}
	}
}

func TestPlantedViolationsAreFound(t *testing.T) {
	long := "// Package p is long.\npackage p\n\nfunc F() {\n" + strings.Repeat("\tprintln()\n", MaxFunctionLines) + "}\n"
	cases := []struct {
		name string
		path string
		src  string
		want string
	}{
		{"agent imports aggregator", "agent/x/x.go", imports("aggregator/store"), "never import each other"},
		{"aggregator imports agent", "aggregator/x/x.go", imports("agent/journal"), "never import each other"},
		{"shared imports agent", "shared/x/x.go", imports("agent/config"), "shared knows neither"},
		{"neighbour inside the aggregator", "aggregator/live/x.go", imports("aggregator/ledger"), "sees only the contracts"},
		{"test package in shipped code", "agent/x/x.go", imports("shared/peertest"), "never part of shipped code"},
		{"library beside its door", "agent/x/x.go", "// Package x is x.\npackage x\n\nimport _ \"go.etcd.io/bbolt\"\n", "the door of this library is agent/journal"},
		{"yardstick in shipped code", "shared/x/x.go", "// Package x is x.\npackage x\n\nimport _ \"golang.org/x/mod/sumdb/tlog\"\n", "only tests may use"},
		{"packaging imported", "agent/x/x.go", imports("packaging/demo"), "nothing imports packaging"},
		{"no package comment", "shared/x/x.go", "package x\n", "0 package comments"},
		{"long function", "shared/x/x.go", long, "function F has 82 lines"},
		{"long file", "shared/x/x.go", "// Package x is x.\npackage x\n" + strings.Repeat("\n", MaxFileLines), "has 502 lines"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found, err := Check(fstest.MapFS{c.path: {Data: []byte(c.src)}})
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Contains(t, found[0].String(), c.want)
		})
	}
}

func TestAllowedImportsPass(t *testing.T) {
	for path, target := range map[string]string{
		"aggregator/live/x.go":      "aggregator/store",
		"aggregator/aggregator.go":  "aggregator/ledger",
		"agent/pipeline/x.go":       "agent/source",
		"shared/peertest/x.go":      "shared/wire",
		"packaging/e2e/x.go":        "aggregator/store/sqlite",
		"aggregator/store/pg/x.go":  "aggregator/store",
		"aggregator/live/x_test.go": "aggregator/store/sqlite",
	} {
		found, err := Check(fstest.MapFS{path: {Data: []byte(imports(target))}})
		require.NoError(t, err)
		require.Empty(t, found, path)
	}
}

func imports(target string) string {
	return "// Package x is x.\npackage x\n\nimport _ \"" + Module + "/" + target + "\"\n"
}
