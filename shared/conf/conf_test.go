package conf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/stretchr/testify/require"
)

// config has each kind of field once.
type config struct {
	Station  string            `yaml:"station" required:"true" doc:"ISA-95 path." example:"hamburg/body/line3/st07"`
	DataDir  string            `yaml:"data_dir" default:"/var/lib/x" doc:"Where everything is kept."`
	Journal  journal           `yaml:"journal" doc:"The durable buffer."`
	Servers  []server          `yaml:"servers" doc:"One entry for each server."`
	Signals  map[string]limits `yaml:"signals" doc:"Limits by signal." example:"{press.temperature: {hi: 90}}"`
	Levels   []string          `yaml:"levels" default:"[site, area, line, cell]" doc:"Names of the levels."`
	Severity event.Severity    `yaml:"severity" default:"low" doc:"From this severity on."`
	Dir      string            `yaml:"-"`
}

type journal struct {
	Commit string        `yaml:"commit" default:"fast" enum:"fast,gentle" doc:"gentle spares flash disks."`
	Window time.Duration `yaml:"window" default:"7d" doc:"How long receipted files stay."`
}

type server struct {
	Name     string            `yaml:"name" required:"true" doc:"Unique name." example:"press-12"`
	Endpoint string            `yaml:"endpoint" required:"true" doc:"Address." example:"opc.tcp://10.4.1.12:4840"`
	Port     uint16            `yaml:"port" default:"4840" doc:"TCP port."`
	Insecure bool              `yaml:"allow_insecure" doc:"Allow a connection without security."`
	Map      map[int64]string  `yaml:"map" doc:"Names of state numbers." example:"{0: idle, 1: running}"`
	Data     map[string]string `yaml:"data" doc:"Further fields."`
}

type limits struct {
	Hi       *float64      `yaml:"hi" doc:"High limit."`
	Lo       *float64      `yaml:"lo" doc:"Low limit."`
	Deadband float64       `yaml:"deadband" doc:"Return only when back by this much."`
	OnDelay  time.Duration `yaml:"on_delay" default:"2s" doc:"How long before it counts."`
}

// Validate checks what types can't.
func (c *config) Validate(r *conf.Report) {
	if c.Station != "" && event.ValidStation(c.Station) != nil {
		r.Add("station", "is no station path")
	}
	for i, s := range c.Servers {
		if strings.HasPrefix(s.Endpoint, "http") {
			r.Suggest("servers["+string(rune('0'+i))+"].endpoint", "must begin with opc.tcp://", "opc.tcp://"+strings.TrimPrefix(s.Endpoint, "http://"))
		}
	}
}

func parse(t *testing.T, text string) (config, error) {
	t.Helper()
	var c config
	err := conf.Parse("x.yaml", []byte(text), &c, conf.Options{})
	return c, err
}

func TestAGoodFileIsReadWithItsDefaults(t *testing.T) {
	c, err := parse(t, `
station: hamburg/line3
journal: {commit: gentle}
servers:
  - name: a
    endpoint: opc.tcp://a:4840
    map: {0: idle, 0x1: running}
    data: {panel: $.panel}
  - {name: "7", endpoint: b, port: 1234, allow_insecure: true}
signals:
  press.temperature: {hi: 90, deadband: 0.5}
`)
	require.NoError(t, err)
	hi := 90.0
	require.Equal(t, config{
		Station: "hamburg/line3", DataDir: "/var/lib/x",
		Journal: journal{Commit: "gentle", Window: 7 * 24 * time.Hour},
		Servers: []server{
			{Name: "a", Endpoint: "opc.tcp://a:4840", Port: 4840, Map: map[int64]string{0: "idle", 1: "running"}, Data: map[string]string{"panel": "$.panel"}},
			{Name: "7", Endpoint: "b", Port: 1234, Insecure: true},
		},
		Signals: map[string]limits{"press.temperature": {Hi: &hi, Deadband: 0.5, OnDelay: 2 * time.Second}},
		Levels:  []string{"site", "area", "line", "cell"}, Severity: event.SeverityLow,
	}, c)
}

func TestAllMistakesComeAtOnceWithTheirPlaceAndASuggestion(t *testing.T) {
	_, err := parse(t, `station: Hamburg
statoin: x
endpoint: y
journal:
  commit: fats
  window: 5
servers:
  - name: a
    endpoint: http://a
    port: 70000
  - nmae: b
    allow_insecure: yes
    map: {x: idle}
levels: one
severity: medum
signals:
  t: {hi: high, hi: 3}
`)
	require.Error(t, err)
	require.Equal(t, []string{
		`x.yaml:1:10: station: is no station path`,
		`x.yaml:2:1: statoin: unknown key; did you mean station?`,
		`x.yaml:3:1: endpoint: unknown key; it belongs into servers[]`,
		`x.yaml:5:11: journal.commit: "fats" is none of fast, gentle; did you mean fast?`,
		`x.yaml:6:11: journal.window: "5" is no duration such as 500ms, 5m or 7d; did you mean 5s?`,
		`x.yaml:9:15: servers[0].endpoint: must begin with opc.tcp://; did you mean opc.tcp://a?`,
		`x.yaml:10:11: servers[0].port: must be a whole number from 0 of at most 16 bits`,
		`x.yaml:11:5: servers[1].nmae: unknown key; did you mean name?`,
		`x.yaml:11:5: servers[1].name: is missing`,
		`x.yaml:11:5: servers[1].endpoint: is missing`,
		`x.yaml:12:21: servers[1].allow_insecure: must be true or false, not the text "yes"; did you mean true?`,
		`x.yaml:13:11: servers[1].map.x: the key must be a whole number`,
		`x.yaml:14:9: levels: must be a list (- one, - two), not a text`,
		`x.yaml:15:11: severity: severity "medum" is none of debug, info, low, medium, high, critical`,
		`x.yaml:17:11: signals.t.hi: must be a number, not the text "high"`,
		`x.yaml:17:17: signals.t.hi: stands there twice`,
	}, strings.Split(err.Error(), "\n"))
}

func TestAFileThatIsNoYAMLNamesThePlace(t *testing.T) {
	for text, want := range map[string]string{
		"station: [a":                        "x.yaml:1:",
		"station: a\n\tdata_dir: b":          "x.yaml:2:",
		"- a\n- b":                           "must have keys",
		"station: a\n---\nstation: b":        "a second document",
		"station: !!str a":                   "tags have no meaning",
		"station: *a":                        "no anchor is called a",
		"":                                   "station: is missing",
		"# only a comment\n":                 "station: is missing",
		"station:\n":                         "station: is missing",
		"station: {a: b}":                    "must be a text, not keys",
		"station: a\nservers: {name: a}":     "must be a list",
		"station: a\njournal: [1]":           "must have keys (name: value), not a list",
		"station: a\nlevels: [a, [b]]":       "levels[1]: must be a text",
		"station: a\njournal: {window: {}}":  "must be a duration",
		"station: a\njournal: {window: -5m}": "journal.window: must not be negative; did you mean 5m?",
		"station: a\nservers: [{name: a, endpoint: b, port: 0640}]":        "servers[0].port: has a leading zero",
		"station: a\nservers: [{name: a, endpoint: b, map: {010: idle}}]":  "servers[0].map.010: the key has a leading zero",
		"station: a\nservers: [{name: a, endpoint: b, allow_insecure: 1}]": "servers[0].allow_insecure: must be true or false, not a number",
	} {
		_, err := parse(t, text)
		require.ErrorContains(t, err, want, "%q", text)
	}
}

func TestAnchorsAndMergedKeysWork(t *testing.T) {
	c, err := parse(t, "station: a\nservers:\n  - &base {name: a, endpoint: e, port: 1}\n  - <<: *base\n    name: b\n")
	require.NoError(t, err)
	require.Equal(t, server{Name: "b", Endpoint: "e", Port: 1}, c.Servers[1])
}

func TestAPartialFileMayLackWhatIsRequired(t *testing.T) {
	var c config
	var places conf.Places
	require.NoError(t, conf.Parse("x.yaml", []byte("servers:\n  - name: a\n    endpoint: e\n"), &c, conf.Options{Partial: true, Places: &places}))
	m := places.Mistake("servers[0].endpoint", "does not answer", "")
	require.Equal(t, "x.yaml:3:15: servers[0].endpoint: does not answer", m.String())
	line, column := places.Locate("servers[0].port.deeper")
	require.Equal(t, []int{2, 5}, []int{line, column}, "the closest thing above")
}

func TestLoadReadsAFileAndNamesAMissingOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	var c config
	require.ErrorIs(t, conf.Load(path, &c, conf.Options{}), os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("station: a\nx: 1\n"), 0o600))
	require.ErrorContains(t, conf.Load(path, &c, conf.Options{}), "agent.yaml:2:1: x: unknown key")
	require.NoError(t, os.WriteFile(path, make([]byte, 5<<20), 0o600))
	require.ErrorContains(t, conf.Load(path, &c, conf.Options{}), "larger than 4 MiB")
}

func TestDurationsAndSizes(t *testing.T) {
	for text, want := range map[string]time.Duration{"500ms": time.Second / 2, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "0s": 0} {
		got, err := conf.ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for text, want := range map[string]uint64{"0": 0, "512": 512, "64MiB": 64 << 20, "4 GiB": 4 << 30, "10MB": 10e6, "1T": 1 << 40} {
		got, err := conf.ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"", "d", "1d-2h", "MiB", "1XB", "-1", "99999999999999999999", "9999999999999TiB"} {
		_, err := conf.ParseSize(bad)
		require.Error(t, err, bad)
		_, err = conf.ParseDuration(bad)
		require.Error(t, err, bad)
	}
}

func TestFilesOfWindowsEditorsAreReadOrNamed(t *testing.T) {
	var c struct {
		Name string `yaml:"name"`
	}
	require.NoError(t, conf.Parse("a.yaml", []byte("\xef\xbb\xbfname: x\r\n"), &c, conf.Options{}))
	require.Equal(t, "x", c.Name)
	require.ErrorContains(t, conf.Parse("a.yaml", []byte("\xff\xfen\x00"), &c, conf.Options{}), "a.yaml: is no UTF-8 text")
	require.ErrorContains(t, conf.Parse("a.yaml", []byte("a:\n\tb: c\n"), &c, conf.Options{}), "indent with spaces")
	require.ErrorContains(t, conf.Parse("a.yaml", []byte(`name: "C:\lw"`), &c, conf.Options{}), "single quotes")
}
