package layout

import (
	"path"
	"slices"
	"strings"
)

// doors names the one folder that may import a library. A test package
// (<name>test), packaging/demo and packaging/e2e are free.
var doors = map[string][]string{
	"github.com/gopcua/opcua":             {"agent/source/opcua"},
	"github.com/eclipse/paho.mqtt.golang": {"agent/source/mqtt"},
	"go.etcd.io/bbolt":                    {"agent/journal"},
	"github.com/jackc/pgx/v5":             {"aggregator/store/postgres"},
	"modernc.org/sqlite":                  {"aggregator/store/sqlite"},
	"github.com/coder/websocket":          {"aggregator/api"},
	"github.com/kardianos/service":        {"agent/service", "aggregator/service"},
	"github.com/goccy/go-yaml":            {"shared/conf"},
	"github.com/klauspost/compress":       {"shared/wire"},
	"github.com/prometheus/client_golang": {"aggregator/api"},
	"github.com/danielgtaylor/huma/v2":    {"aggregator/api"},
	"github.com/alexedwards/argon2id":     {"aggregator/auth"},
	"github.com/alexedwards/scs/v2":       {"aggregator/auth", "aggregator/api"},
	"github.com/mochi-mqtt/server/v2":     {},
	"github.com/pressly/goose/v3":         {"aggregator/store/sqlite", "aggregator/store/postgres"},
	"github.com/transparency-dev/merkle":  {},
	"github.com/transparency-dev/formats": {},
	"golang.org/x/mod":                    {},
}

// wirings are the packages that know all parts of a program.
var wirings = []string{"agent", "aggregator"}

// forbidden returns the rule that an import breaks, "" for none.
func forbidden(f file, imp string) string {
	if free(f.dir) {
		return ""
	}
	if rule := forbiddenLibrary(f, imp); rule != "" {
		return rule
	}
	target, ok := strings.CutPrefix(imp, Module+"/")
	if !ok {
		return ""
	}
	if strings.HasSuffix(path.Base(target), "test") && !f.test {
		return "a test package is never part of shipped code"
	}
	return forbiddenOwn(f, target)
}

func forbiddenOwn(f file, target string) string {
	from, to := top(f.dir), top(target)
	switch {
	case from == "shared" && (to == "agent" || to == "aggregator"):
		return "shared knows neither agent nor aggregator"
	case from == "agent" && to == "aggregator", from == "aggregator" && to == "agent":
		return "agent and aggregator never import each other"
	case to == "packaging":
		return "nothing imports packaging"
	}
	if from != "aggregator" || to != "aggregator" || f.test || isWiring(f.dir) {
		return ""
	}
	// Inside the aggregator a package sees the contracts and its own parts.
	if slices.Contains(contracts, target) || strings.HasPrefix(target, f.dir+"/") || strings.HasPrefix(f.dir, target+"/") {
		return ""
	}
	return "inside the aggregator a package sees only the contracts (store, rights) and shared; take a small interface instead"
}

func forbiddenLibrary(f file, imp string) string {
	for lib, dirs := range doors {
		if imp != lib && !strings.HasPrefix(imp, lib+"/") {
			continue
		}
		if f.test && len(dirs) == 0 {
			return "" // a yardstick for tests only
		}
		if !slices.ContainsFunc(dirs, func(d string) bool { return f.dir == d || strings.HasPrefix(f.dir, d+"/") }) {
			if len(dirs) == 0 {
				return "only tests may use this library"
			}
			return "the door of this library is " + strings.Join(dirs, " or ")
		}
	}
	return ""
}

func free(dir string) bool {
	return strings.HasSuffix(path.Base(dir), "test") || under(dir, "packaging")
}

// contracts are the packages that every part of the aggregator may know.
var contracts = []string{"aggregator/store", "aggregator/rights"}

// isWiring is true for the root packages and the folders of the programs.
func isWiring(dir string) bool {
	return slices.Contains(wirings, dir) || strings.Contains(dir, "/cmd/")
}

func under(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

func top(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}
