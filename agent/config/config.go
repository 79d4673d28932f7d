// Package config is the agent's configuration: the structs, their defaults, and
// the strict loader that reports every mistake at once with its place.
package config

import "time"

// Config is the whole agent.yaml. A second file may deliver everything but
// Station, DataDir and Aggregator.
type Config struct {
	Station    string                    `yaml:"station" required:"true" doc:"ISA-95 path of this station; default for every source, topic and node" example:"hamburg/body/line3/st07"`
	DataDir    string                    `yaml:"data_dir" required:"true" doc:"folder of the journal, the identity and the certificates" example:"/var/lib/linewatch-agent"`
	Levels     []string                  `yaml:"levels" default:"[site, area, line, cell]" doc:"names of the levels of the station path, for ${station.line}; counted from the end"`
	Machine    string                    `yaml:"machine_file" doc:"facts of the machine by file instead of by reading them (tests, containers): lines name=value with smbios_uuid, disk_serial, mac, machine_id"`
	Aggregator Aggregator                `yaml:"aggregator" doc:"where events go; enrolment fills in what is left out"`
	Journal    Journal                   `yaml:"journal" doc:"the durable buffer"`
	OPCUA      []OPCUA                   `yaml:"opcua" doc:"OPC UA servers"`
	MQTT       []MQTT                    `yaml:"mqtt" doc:"MQTT brokers (3.1.1)"`
	Signals    map[string]Signal         `yaml:"signals" doc:"what is special about single signals; each named numeric signal is watched without a word here"`
	Quality    map[string]Characteristic `yaml:"quality" doc:"characteristics of parts that have control charts, by name"`
	Alerting   Alerting                  `yaml:"alerting" doc:"when what the detectors find becomes an alert"`
	Detection  Detection                 `yaml:"detection" doc:"watching of all signals, and what the plant is doing"`
	Sealing    []SealRule                `yaml:"sealing" doc:"fields that are sealed (encrypted for the aggregator) beside those of the catalogue, or that are not: see docs/privacy.md"`
	Log        Log                       `yaml:"log" doc:"the program's own log output"`

	// Dir is the folder of the file; relative paths count from it.
	Dir string `yaml:"-"`
}

// Aggregator says where events go.
type Aggregator struct {
	URLs  []string `yaml:"urls" doc:"addresses of the agents' listener, tried in turn" example:"[\"https://aggregator.plant:8444\"]"`
	Proxy string   `yaml:"proxy" doc:"HTTP proxy in between" example:"http://10.1.0.3:3128"`
}

// Journal is the durable buffer.
type Journal struct {
	Quota    string        `yaml:"quota" default:"10%" doc:"share of the disk (2 to 20 GiB) or a size" example:"4GiB"`
	Commit   string        `yaml:"commit" default:"fast" enum:"fast,gentle" doc:"gentle commits at most 10 times a second, for flash disks"`
	FileSize string        `yaml:"file_size" default:"64MiB" enum:"16MiB,32MiB,64MiB,128MiB" doc:"size of one journal file"`
	Refill   time.Duration `yaml:"refill_window" default:"168h" doc:"how long receipted events are kept to refill an aggregator that was restored"`
	KeyLife  time.Duration `yaml:"key_life" default:"8760h" doc:"age at which the key that signs the logs is changed; 0s: only by linewatch-agent journal rotate-key"`
}

// Log is the agent's own log output.
type Log struct {
	Level string `yaml:"level" default:"info" enum:"debug,info,warn,error" doc:"least severity that is printed"`
}

// OPCUA is one OPC UA server.
type OPCUA struct {
	Name           string            `yaml:"name" required:"true" doc:"unique name of the source; default of equipment" example:"press-12"`
	Endpoint       string            `yaml:"endpoint" required:"true" doc:"address of the server" example:"opc.tcp://10.4.1.12:4840"`
	Station        string            `yaml:"station" doc:"another station than the agent's, within the enrolled scope"`
	Equipment      string            `yaml:"equipment" doc:"equipmentId of the events; default: name"`
	Security       OPCUASecurity     `yaml:"security" doc:"policy and mode that the server must offer; never less"`
	AllowInsecure  bool              `yaml:"allow_insecure" doc:"allow policy None; each connection is recorded as channel.insecure"`
	Auth           Auth              `yaml:"auth" doc:"user and password file; without it anonymous"`
	ApplicationURI string            `yaml:"application_uri" doc:"ApplicationURI of the agent's own certificate; default urn:<host>:linewatch:agent"`
	CoverOutage    time.Duration     `yaml:"cover_outage" default:"5m" doc:"outage that the server's queues shall cover"`
	KeepAlive      time.Duration     `yaml:"keep_alive" default:"3s" doc:"keep-alive of the subscription; silence for 2.5 times is a lost connection"`
	Namespaces     map[string]string `yaml:"namespaces" doc:"short names of namespace URIs for browse paths" example:"{v: \"urn:vendor:press\"}"`
	Groups         []OPCUAGroup      `yaml:"groups" doc:"subscriptions"`
	Alarms         []OPCUAAlarms     `yaml:"alarms" doc:"alarms and conditions"`
}

// OPCUASecurity is the policy and mode that the endpoint must offer.
type OPCUASecurity struct {
	Policy string `yaml:"policy" default:"Basic256Sha256" enum:"None,Basic256Sha256,Aes128_Sha256_RsaOaep,Aes256_Sha256_RsaPss" doc:"security policy"`
	Mode   string `yaml:"mode" default:"SignAndEncrypt" enum:"None,Sign,SignAndEncrypt" doc:"message security mode"`
}

// Auth is a user with a password file; empty is anonymous.
type Auth struct {
	User         string `yaml:"user" doc:"user name"`
	PasswordFile string `yaml:"password_file" doc:"file with the password, readable by the service alone"`
}

// OPCUAGroup is one subscription.
type OPCUAGroup struct {
	Name       string        `yaml:"name" show:"true" doc:"name of the group" example:"states"`
	Sampling   time.Duration `yaml:"sampling" default:"1s" doc:"sampling interval"`
	Publishing time.Duration `yaml:"publishing" doc:"publishing interval; default: sampling"`
	Nodes      []OPCUANode   `yaml:"nodes" doc:"variables"`
}

// OPCUANode is one variable, or the variables that a browse path matches.
type OPCUANode struct {
	ID        string            `yaml:"id" show:"true" doc:"node id with namespace URI" example:"nsu=urn:vendor:press;s=Line1.Press.Temperature"`
	Path      string            `yaml:"path" doc:"browse path instead of id; a trailing * matches several" example:"/Objects/v:Line1/v:Press/v:FaultWord*"`
	As        string            `yaml:"as" show:"true" doc:"name of the signal" example:"press.temperature"`
	Unit      string            `yaml:"unit" show:"true" doc:"engineering unit" example:"degC"`
	Map       map[int64]string  `yaml:"map" doc:"names of state numbers" example:"{0: idle, 1: running}"`
	Event     string            `yaml:"event" doc:"type of the event that each change makes; without it the node is watched and summarised" example:"equipment.status"`
	Class     string            `yaml:"class" enum:"security,manufacturing,performance,debug" doc:"retention class; default: the catalogue's"`
	Severity  string            `yaml:"severity" enum:"debug,info,low,medium,high,critical" doc:"severity; default: the catalogue's"`
	Station   string            `yaml:"station" doc:"another station"`
	Equipment string            `yaml:"equipment" doc:"equipmentId of the events"`
	Bits      *Bits             `yaml:"bits" doc:"one event per bit of a fault word that comes or goes"`
	Data      map[string]string `yaml:"data" doc:"further fields of event_data: fixed text"`
	Deadband  float64           `yaml:"deadband" doc:"absolute deadband at the server; none by default"`
	Queue     uint32            `yaml:"queue" doc:"queue size asked of the server; default from cover_outage"`
}

// Bits makes one event per bit of a fault word that comes or goes.
type Bits struct {
	Texts string `yaml:"texts" required:"true" doc:"CSV file: bit,code,text[,severity]" example:"faults.csv"`
}

// OPCUAAlarms subscribes to alarms and conditions of one notifier.
type OPCUAAlarms struct {
	Notifier    string `yaml:"notifier" default:"i=2253" doc:"notifier node"`
	MinSeverity int    `yaml:"min_severity" default:"1" doc:"least OPC UA severity, 1 to 1000"`
}

// MQTT is one broker.
type MQTT struct {
	Name          string      `yaml:"name" required:"true" doc:"unique name of the source; default of equipment" example:"uns"`
	Broker        string      `yaml:"broker" required:"true" doc:"address: ssl:// or tcp://" example:"ssl://10.4.0.5:8883"`
	Station       string      `yaml:"station" doc:"another station than the agent's, within the enrolled scope"`
	Equipment     string      `yaml:"equipment" doc:"equipmentId of the events; default: name"`
	Auth          Auth        `yaml:"auth" doc:"user and password file"`
	TLS           TLS         `yaml:"tls" doc:"files of the TLS connection"`
	ClientID      string      `yaml:"client_id" doc:"owns the persistent session, never shared; default from the agent id"`
	QoS           int         `yaml:"qos" default:"1" doc:"1, or 2 where repeats must be told apart exactly"`
	AllowInsecure bool        `yaml:"allow_insecure" doc:"allow a password over tcp:// to another machine"`
	Topics        []MQTTTopic `yaml:"topics" required:"true" doc:"topic filters and what their messages hold"`
}

// TLS names the files of a TLS connection; empty CA means the system's roots.
type TLS struct {
	CA   string `yaml:"ca" doc:"CA certificates, PEM; default: the system's"`
	Cert string `yaml:"cert" doc:"client certificate, PEM"`
	Key  string `yaml:"key" doc:"its key, PEM"`
}

// MQTTTopic is one topic filter with named levels and what its messages hold.
type MQTTTopic struct {
	Match      string            `yaml:"match" required:"true" doc:"topic filter with +, #, named levels and levels of the station path" example:"plant/${station.line}/press/{signal}"`
	Payload    string            `yaml:"payload" default:"json" enum:"json,number,text,bool" doc:"form of the message"`
	Event      string            `yaml:"event" doc:"type of the event that each message makes; without it the message is a reading" example:"quality.check"`
	Class      string            `yaml:"class" enum:"security,manufacturing,performance,debug" doc:"retention class; default: the catalogue's"`
	Severity   string            `yaml:"severity" enum:"debug,info,low,medium,high,critical" doc:"severity; default: the catalogue's"`
	Value      string            `yaml:"value" show:"true" doc:"path of the value in a JSON message" example:"$.value"`
	Time       string            `yaml:"time" show:"true" doc:"path of the time" example:"$.ts"`
	TimeFormat string            `yaml:"time_format" default:"auto" enum:"auto,rfc3339,s,ms" doc:"form of the time"`
	User       string            `yaml:"user" doc:"path of a user name; it becomes a pseudonym" example:"$.operator"`
	As         string            `yaml:"as" show:"true" doc:"name of the signal; {name} takes a topic level" example:"press.{signal}"`
	Unit       string            `yaml:"unit" doc:"engineering unit"`
	Station    string            `yaml:"station" doc:"another station; {name} takes a topic level"`
	Equipment  string            `yaml:"equipment" doc:"equipmentId; {name} takes a topic level"`
	ID         string            `yaml:"id" doc:"path of the message's own identifier" example:"$.id"`
	Data       map[string]string `yaml:"data" doc:"further fields of event_data: paths or {name}" example:"{productId: $.panel}"`
}
