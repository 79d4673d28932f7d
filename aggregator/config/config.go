// Package config is the aggregator's configuration: the structs, their defaults,
// and the strict loader that reports every mistake at once with its place.
package config

// Config is the whole aggregator.yaml.
type Config struct {
	DataDir  string `yaml:"data_dir" required:"true" doc:"folder of the keys, the certificate authority and, with SQLite, the database" example:"/var/lib/linewatch-aggregator"`
	Instance string `yaml:"instance" required:"true" doc:"name of this aggregator in the origins of its own logs: one segment of a-z 0-9 . _ -" example:"agg-hamburg"`
	Plant    string `yaml:"plant" default:"Plant" doc:"name shown to people" example:"Plant Hamburg"`
	TimeZone string `yaml:"time_zone" default:"UTC" doc:"IANA name of the plant's time zone" example:"Europe/Berlin"`
	Station  string `yaml:"station" default:"aggregator" doc:"station path under which the aggregator's own events appear" example:"hamburg/central/aggregator"`
	Store    string `yaml:"store" default:"sqlite" doc:"sqlite (a file in data_dir) or postgres://user@host/database" example:"sqlite"`
	People   People `yaml:"people" doc:"listener for people and programs"`
	Agents   Agents `yaml:"agents" doc:"listener for the agents (TLS 1.3, mTLS)"`
	Log      Log    `yaml:"log" doc:"the program's own log output"`

	Witnesses  []Witness  `yaml:"witnesses" doc:"who cosigns the checkpoints of this aggregator's own logs, each minute; one that is away holds nothing up"`
	WitnessFor []Followed `yaml:"witness_for" doc:"other aggregators for which this one is a witness, at /witness/add-checkpoint of the people's listener"`

	Vault Vault `yaml:"vault" doc:"keys of sealed fields"`

	// Dir is the folder of the file; relative paths count from it.
	Dir string `yaml:"-"`
}

// People is the listener for people and programs.
type People struct {
	Listen string   `yaml:"listen" default:":8443" doc:"address and port (HTTPS)" example:":8443"`
	Names  []string `yaml:"names" doc:"host names and addresses in the certificate that our own CA issues; the machine's own are always in it" example:"[linewatch.plant, 10.1.0.9]"`
	TLS    TLS      `yaml:"tls" doc:"a certificate of the plant instead of one of our own CA"`
}

// TLS names the files of a certificate, PEM.
type TLS struct {
	Cert string `yaml:"cert" doc:"certificate chain" example:"people.crt"`
	Key  string `yaml:"key" doc:"private key" example:"people.key"`
}

// Agents is the listener for the agents.
type Agents struct {
	Listen string   `yaml:"listen" default:":8444" doc:"address and port" example:":8444"`
	URLs   []string `yaml:"urls" doc:"addresses under which agents reach this listener; written into tokens" example:"[\"https://linewatch.plant:8444\", \"https://10.1.0.9:8444\"]"`
}

// Log is the program's own log output.
type Log struct {
	Level string `yaml:"level" default:"info" doc:"debug, info, warn, error" example:"info"`
}
