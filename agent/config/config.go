// Package config is the agent's configuration: the structs, their defaults, and
// the strict loader that reports every mistake at once with its place.
package config

import "time"

// Config is the whole agent.yaml. A second file may deliver everything but
// Station, DataDir and Aggregator.
type Config struct {
	Station    string            `yaml:"station"`
	DataDir    string            `yaml:"data_dir"`
	Levels     []string          `yaml:"levels"`       // names of the station path's levels, counted from the end
	Machine    string            `yaml:"machine_file"` // facts of the machine by file (tests, demo, LoadCredential)
	Aggregator Aggregator        `yaml:"aggregator"`
	Journal    Journal           `yaml:"journal"`
	OPCUA      []OPCUA           `yaml:"opcua"`
	MQTT       []MQTT            `yaml:"mqtt"`
	Signals    map[string]Signal `yaml:"signals"`
	Log        Log               `yaml:"log"`

	// Dir is the folder of the file; relative paths count from it.
	Dir string `yaml:"-"`
}

// Aggregator says where events go.
type Aggregator struct {
	URLs  []string `yaml:"urls"`
	Proxy string   `yaml:"proxy"`
}

// Journal is the durable buffer.
type Journal struct {
	Quota    string        `yaml:"quota"`     // "10%" of the disk or a size such as "4GiB"
	Commit   string        `yaml:"commit"`    // fast, gentle
	FileSize string        `yaml:"file_size"` // 16MiB, 32MiB, 64MiB, 128MiB
	Refill   time.Duration `yaml:"refill_window"`
}

// Log is the agent's own log output.
type Log struct {
	Level string `yaml:"level"`
}

// OPCUA is one OPC UA server.
type OPCUA struct {
	Name           string            `yaml:"name"`
	Endpoint       string            `yaml:"endpoint"`
	Station        string            `yaml:"station"`
	Equipment      string            `yaml:"equipment"`
	Security       OPCUASecurity     `yaml:"security"`
	AllowInsecure  bool              `yaml:"allow_insecure"`
	Auth           Auth              `yaml:"auth"`
	ApplicationURI string            `yaml:"application_uri"`
	CoverOutage    time.Duration     `yaml:"cover_outage"`
	KeepAlive      time.Duration     `yaml:"keep_alive"`
	Namespaces     map[string]string `yaml:"namespaces"`
	Groups         []OPCUAGroup      `yaml:"groups"`
	Alarms         []OPCUAAlarms     `yaml:"alarms"`
	PassAcks       bool              `yaml:"pass_acknowledgements"`
}

// OPCUASecurity is the policy and mode that the endpoint must offer.
type OPCUASecurity struct {
	Policy string `yaml:"policy"` // None, Basic256Sha256, Aes128_Sha256_RsaOaep, Aes256_Sha256_RsaPss
	Mode   string `yaml:"mode"`   // None, Sign, SignAndEncrypt
}

// Auth is a user with a password file; empty is anonymous.
type Auth struct {
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
}

// OPCUAGroup is one subscription.
type OPCUAGroup struct {
	Name       string        `yaml:"name"`
	Sampling   time.Duration `yaml:"sampling"`
	Publishing time.Duration `yaml:"publishing"`
	Nodes      []OPCUANode   `yaml:"nodes"`
}

// OPCUANode is one variable, or the variables that a browse path matches.
type OPCUANode struct {
	ID        string            `yaml:"id"`
	Path      string            `yaml:"path"`
	As        string            `yaml:"as"`
	Unit      string            `yaml:"unit"`
	Map       map[int64]string  `yaml:"map"`
	Event     string            `yaml:"event"`
	Class     string            `yaml:"class"`
	Severity  string            `yaml:"severity"`
	Station   string            `yaml:"station"`
	Equipment string            `yaml:"equipment"`
	Bits      *Bits             `yaml:"bits"`
	Data      map[string]string `yaml:"data"`
	Deadband  float64           `yaml:"deadband"`
	Queue     uint32            `yaml:"queue"`
}

// Bits makes one event per bit of a fault word that comes or goes.
type Bits struct {
	Texts string `yaml:"texts"` // CSV file: bit,code,text[,severity]
}

// OPCUAAlarms subscribes to alarms and conditions of one notifier.
type OPCUAAlarms struct {
	Notifier    string `yaml:"notifier"`
	MinSeverity int    `yaml:"min_severity"`
}

// MQTT is one broker.
type MQTT struct {
	Name          string      `yaml:"name"`
	Broker        string      `yaml:"broker"`
	Station       string      `yaml:"station"`
	Equipment     string      `yaml:"equipment"`
	Auth          Auth        `yaml:"auth"`
	TLS           TLS         `yaml:"tls"`
	ClientID      string      `yaml:"client_id"`
	QoS           int         `yaml:"qos"`
	AllowInsecure bool        `yaml:"allow_insecure"`
	Topics        []MQTTTopic `yaml:"topics"`
}

// TLS names the files of a TLS connection; empty CA means the system's roots.
type TLS struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// MQTTTopic is one topic filter with named levels and what its messages hold.
type MQTTTopic struct {
	Match      string            `yaml:"match"`   // plant/${station.line}/press/{signal}; +, # allowed
	Payload    string            `yaml:"payload"` // json, number, text, bool
	Event      string            `yaml:"event"`
	Class      string            `yaml:"class"`
	Severity   string            `yaml:"severity"`
	Value      string            `yaml:"value"`       // path
	Time       string            `yaml:"time"`        // path
	TimeFormat string            `yaml:"time_format"` // auto, rfc3339, s, ms
	User       string            `yaml:"user"`        // path of a user name
	As         string            `yaml:"as"`
	Unit       string            `yaml:"unit"`
	Station    string            `yaml:"station"`
	Equipment  string            `yaml:"equipment"`
	ID         string            `yaml:"id"` // path of the message's own identifier
	Data       map[string]string `yaml:"data"`
}

// Signal configures the watching of one signal.
type Signal struct {
	Limits *Limits `yaml:"limits"`
	Detect *bool   `yaml:"detect"`
}

// Limits are ISA-18.2 limits of a signal.
type Limits struct {
	HiHi     *float64      `yaml:"hihi"`
	Hi       *float64      `yaml:"hi"`
	Lo       *float64      `yaml:"lo"`
	LoLo     *float64      `yaml:"lolo"`
	Deadband float64       `yaml:"deadband"`
	OnDelay  time.Duration `yaml:"on_delay"`
	OffDelay time.Duration `yaml:"off_delay"`
}
