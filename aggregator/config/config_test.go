package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	in := Config{
		DataDir: "/x/y z", Instance: "agg-1", Plant: "Plant \"A\": #1", TimeZone: "Europe/Berlin", Station: "hamburg/central", Store: "postgres://u@h/d",
		People: People{Listen: "127.0.0.1:1", Names: []string{"a.b"}}, Agents: Agents{Listen: ":2", URLs: []string{"https://a.b:2"}},
	}
	out, err := Parse("a.yaml", Write(in), "/x")
	require.NoError(t, err)
	in.Dir, in.Log.Level = "/x", "info"
	in.Vault = Vault{Root: "file", Credential: "linewatch-vault-root"} // defaults
	in.Vault = Vault{Root: "file", Credential: "linewatch-vault-root"}
	require.Equal(t, in, out)
}

func TestDefaultsAndRelativeFolders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "aggregator.yaml")
	require.NoError(t, os.WriteFile(file, []byte("data_dir: data\ninstance: a\n"), 0o600))
	c, err := Load(file)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(filepath.Dir(file), "data"), c.DataDir)
	require.Equal(t, ":8443", c.People.Listen)
	require.Equal(t, "sqlite", c.Store)
}

func TestEveryMistakeIsNamedAtOnceWithItsPlace(t *testing.T) {
	_, err := Parse("aggregator.yaml", []byte(`data_dir: /x
instance: A B
stor: sqlite
time_zone: Mars/Olympus
people:
  listen: nowhere
agents:
  urls: ["http://x:1"]
`), "/x")
	for _, want := range []string{"aggregator.yaml:2:", "aggregator.yaml:3:", "store", "time_zone", "people.listen", "agents.urls[0]"} {
		require.ErrorContains(t, err, want)
	}
}

func TestAWitnessKeepsTheKeysThatItHadBefore(t *testing.T) {
	const present, before = "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=", "PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0="
	parse := func(key, older string) (Config, error) {
		return Parse("aggregator.yaml", []byte("data_dir: /x\ninstance: a\nwitnesses:\n  - {name: w1, url: \"https://x:1\", key: "+key+", older_keys: [\""+older+"\"]}\n"), "/x")
	}
	c, err := parse(present, before+" until 2026-11-02T08:00:00Z")
	require.NoError(t, err)
	keys, err := c.WitnessKeys()
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.True(t, keys[0].Until.IsZero(), "the present one")
	require.Equal(t, "2026-11-02 08:00:00 +0000 UTC", keys[1].Until.String())
	require.Equal(t, keys[0].Name, keys[1].Name)
	for _, older := range []string{before, before + " until yesterday", "x until 2026-11-02T08:00:00Z", present + " until 2026-11-02T08:00:00Z", before + " for 2026-11-02T08:00:00Z"} {
		_, err := parse(present, older)
		require.ErrorContains(t, err, "witnesses", older)
	}
}
