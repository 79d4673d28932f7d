package conf_test

import (
	"encoding/json"
	"testing"

	"github.com/linewatch/linewatch/shared/conf"
	"github.com/stretchr/testify/require"
)

func TestTheExampleIsItselfAGoodFile(t *testing.T) {
	text := conf.Example(config{})
	var c config
	require.NoError(t, conf.Parse("example.yaml", text, &c, conf.Options{}), "%s", text)
	require.Equal(t, "press-12", c.Servers[0].Name)
	require.Equal(t, "fast", c.Journal.Commit)
	require.Equal(t, `# ISA-95 path
station: hamburg/body/line3/st07

# Where everything is kept
# data_dir: /var/lib/x

# The durable buffer
journal:
  # gentle spares flash disks; one of fast, gentle
  # commit: fast
  # How long receipted files stay
  # window: 7d

# One entry for each server
servers:
    # Unique name
  - name: press-12
    # Address
    endpoint: opc.tcp://10.4.1.12:4840
    # TCP port
    # port: 4840
    # Allow a connection without security
    # allow_insecure: false
    # Names of state numbers
    # map: {0: idle, 1: running}
    # Further fields
    # data: {}

# Limits by signal
# signals: {press.temperature: {hi: 90}}

# Names of the levels
# levels: [site, area, line, cell]

# From this severity on
# severity: low
`, string(text))
}

func TestTheSchemaDescribesEachKeyAndRefusesOthers(t *testing.T) {
	text, err := conf.Schema(&config{}, "x.yaml")
	require.NoError(t, err)
	var s struct {
		Required             []string                  `json:"required"`
		AdditionalProperties bool                      `json:"additionalProperties"`
		Properties           map[string]map[string]any `json:"properties"`
	}
	require.NoError(t, json.Unmarshal(text, &s))
	require.Equal(t, []string{"station"}, s.Required)
	require.False(t, s.AdditionalProperties)
	require.Len(t, s.Properties, 7)
	require.Equal(t, "string", s.Properties["severity"]["type"])
	require.Equal(t, []any{"site", "area", "line", "cell"}, s.Properties["levels"]["default"])
	journal := s.Properties["journal"]["properties"].(map[string]any)
	require.Equal(t, []any{"fast", "gentle"}, journal["commit"].(map[string]any)["enum"])
}

func TestTheReferenceNamesEachPath(t *testing.T) {
	text := string(conf.Reference(config{}))
	for _, row := range []string{
		"| `station` | text | required | ISA-95 path; example `hamburg/body/line3/st07` |",
		"| `journal.window` | duration | `7d` | How long receipted files stay |",
		"| `servers[].map` | text by name |",
		"| `signals.<name>.hi` | number |",
	} {
		require.Contains(t, text, row)
	}
}

func FuzzAnyFileIsReadOrRefusedWithAPlace(f *testing.F) {
	f.Add("station: a\nservers:\n  - {name: a, endpoint: b}\n")
	f.Add("station: &a [*a]\nlevels: *a")
	f.Add("<<: {station: a}\n? b\n: c")
	f.Add("a: |\n  b\n\t c")
	f.Fuzz(func(t *testing.T, text string) {
		var c config
		err := conf.Parse("x.yaml", []byte(text), &c, conf.Options{})
		if err != nil {
			require.IsType(t, conf.Errors{}, err)
			require.NotEmpty(t, err.Error())
		}
	})
}
