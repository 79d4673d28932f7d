package config

import (
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/conf"
	"github.com/stretchr/testify/require"
)

// full is the example of the documentation; it must stay valid.
const full = `
station: hamburg/body/line3/st07
data_dir: /var/lib/linewatch-agent
aggregator: {urls: ["https://aggregator.plant:8444", "https://10.1.0.9:8444"]}
journal: {quota: 10%, commit: fast}
opcua:
  - name: press-12
    endpoint: opc.tcp://10.4.1.12:4840
    security: {policy: Basic256Sha256, mode: SignAndEncrypt}
    auth: {user: linewatch, password_file: press12.pw}
    cover_outage: 5m
    namespaces: {v: "urn:vendor:press"}
    groups:
      - name: states
        sampling: 1s
        nodes:
          - {id: "nsu=urn:vendor:press;s=Line1.Press.Temperature", as: press.temperature, unit: degC}
          - {id: "nsu=urn:vendor:press;s=Line1.Press.State", as: press.state, map: {0: idle, 1: running, 2: blocked, 3: starved, 4: fault}, event: equipment.status}
          - {path: "/Objects/v:Line1/v:Press/v:FaultWord*", bits: {texts: faults.csv}, event: equipment.fault}
    alarms: [{notifier: "i=2253", min_severity: 100}]
mqtt:
  - name: uns
    broker: ssl://10.4.0.5:8883
    auth: {user: lw, password_file: mqtt.pw}
    tls: {ca: ca.pem}
    client_id: ""
    topics:
      - {match: "plant/${station.line}/quality", payload: json, event: quality.check, time: $.ts, data: {productId: $.panel}}
      - {match: "plant/${station.line}/press/{signal}", payload: json, value: $.value, time: $.ts, as: "press.{signal}"}
signals:
  press.temperature: {limits: {hihi: 95, hi: 90, deadband: 1, on_delay: 2s}}
`

func TestTheDocumentedExampleIsValid(t *testing.T) {
	c, err := Parse("agent.yaml", []byte(full), "/etc/linewatch")
	require.NoError(t, err)
	require.Equal(t, "/etc/linewatch/press12.pw", c.OPCUA[0].Auth.PasswordFile)
	require.Equal(t, "/etc/linewatch/faults.csv", c.OPCUA[0].Groups[0].Nodes[2].Bits.Texts)
	require.Equal(t, map[int64]string{0: "idle", 1: "running", 2: "blocked", 3: "starved", 4: "fault"}, c.OPCUA[0].Groups[0].Nodes[1].Map)
	require.Equal(t, 5*time.Minute, c.OPCUA[0].CoverOutage)
	require.Equal(t, 1, c.MQTT[0].QoS)
	require.Equal(t, "$.panel", c.MQTT[0].Topics[0].Data["productId"])
	require.Equal(t, 2*time.Second, *c.Signals["press.temperature"].Limits.OnDelay)
	require.Equal(t, []string{"site", "area", "line", "cell"}, c.Levels)
	require.Equal(t, "64MiB", c.Journal.FileSize)
}

func TestEachMistakeIsNamedWithItsPlace(t *testing.T) {
	const head = "station: a/b\ndata_dir: /x\n"
	cases := []struct{ name, text, want string }{
		{"no station", "data_dir: /x\n", "station"},
		{"bad station", "station: A/b\ndata_dir: /x\n", "agent.yaml:1:10: station"},
		{"unknown key", head + "statoin: x\n", "did you mean station"},
		{"quota", head + "journal: {quota: 99%}\n", "journal.quota"},
		{"insecure", head + opc("security: {policy: None, mode: None}"), "allow_insecure: true"},
		{"half none", head + opc("security: {policy: None, mode: Sign}, allow_insecure: true"), "go together"},
		{"password in the clear", head + opc("security: {policy: None, mode: None}, allow_insecure: true, auth: {user: a, password_file: b}"), "readable"},
		{"half auth", head + opc("auth: {user: a}"), "both user and password_file"},
		{"nothing to do", head + "opcua: [{name: a, endpoint: \"opc.tcp://h:1\"}]\n", "nothing would be recorded"},
		{"wrong scheme", head + "opcua: [{name: a, endpoint: \"http://h:1\", alarms: [{}]}]\n", "must be opc.tcp://"},
		{"same name twice", head + opc("") + "mqtt: [{name: a, broker: \"tcp://h:1\", topics: [{match: t, as: x}]}]\n", "opcua[0] has this name already"},
		{"id and path", head + node(`id: "i=1", path: "/Objects/a", as: x`), "either id or path"},
		{"bad id", head + node(`id: "Line1.Press", as: x`), "no node id"},
		{"unnamed node", head + node(`id: "i=1"`), "needs as"},
		{"unknown event", head + node(`id: "i=1", event: equipment.statu`), "did you mean equipment.status"},
		{"the log's own type", head + node(`id: "i=1", event: log.key`), "log.key is what Linewatch says about itself"},
		{"the agent's own type", head + broker(`broker: "tcp://h:1"`, `{match: t, event: audit.gap}`), "mqtt[0].topics[0].event: audit.gap is what Linewatch says about itself"},
		{"map and bits", head + node(`id: "i=1", as: x, map: {0: a}, bits: {texts: f}`), "not both"},
		{"broker with password", head + broker(`broker: "tcp://u:p@h:1"`, `{match: t, as: x}`), "holds a password"},
		{"readable password", head + broker(`broker: "tcp://h:1", auth: {user: a, password_file: b}`, `{match: t, as: x}`), "use ssl://"},
		{"qos 0", head + broker(`broker: "tcp://h:1", qos: 0`, `{match: t, as: x}`), "loses messages"},
		{"hash inside", head + broker(`broker: "tcp://h:1"`, `{match: "a/#/b", as: x}`), "# may only be the last"},
		{"unknown level", head + broker(`broker: "tcp://h:1"`, `{match: "a/${station.lin}/b", as: x}`), "did you mean line"},
		{"bad path", head + broker(`broker: "tcp://h:1"`, `{match: a, as: x, value: v}`), "no path such as $.a.b[0]"},
		{"path of a number", head + broker(`broker: "tcp://h:1"`, `{match: a, as: x, payload: number, value: $.v}`), "has no paths"},
		{"limits crossed", head + "signals: {a: {limits: {hi: 5, hihi: 4}}}\n", "must be above hi"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("agent.yaml", []byte(c.text), "/x")
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "agent.yaml:")
		})
	}
}

func TestTheClearedLogOfAHostIsNoTypeOfOurOwn(t *testing.T) {
	_, err := Parse("agent.yaml", []byte("station: a/b\ndata_dir: /x\n"+node(`id: "i=1", event: log.cleared`)), "/x")
	require.NoError(t, err)
}

func opc(more string) string {
	if more != "" {
		more = ", " + more
	}
	return "opcua: [{name: a, endpoint: \"opc.tcp://h:1\", alarms: [{}]" + more + "}]\n"
}

func node(fields string) string {
	return "opcua: [{name: a, endpoint: \"opc.tcp://h:1\", groups: [{nodes: [{" + fields + "}]}]}]\n"
}

func broker(fields, topic string) string {
	return "mqtt: [{name: a, " + fields + ", topics: [" + topic + "]}]\n"
}

func TestTheQuotaIsAShareWithinBounds(t *testing.T) {
	for quota, want := range map[string]uint64{"10%": 10 << 30, "1%": 2 << 30, "80%": 20 << 30, "512MiB": 512 << 20} {
		got, err := Journal{Quota: quota}.QuotaBytes(100 << 30)
		require.NoError(t, err)
		require.Equal(t, want, got, quota)
	}
}

func FuzzAnyTextIsAConfigurationOrAnError(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("station: a\ndata_dir: b\nopcua: [{name: x, endpoint: 'opc.tcp://h', groups: [{nodes: [{id: i=1, as: y}]}]}]"))
	f.Add([]byte("mqtt: [{}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = Parse("agent.yaml", text, "/x")
	})
}

func TestTheGeneratedExampleIsAGoodFile(t *testing.T) {
	var c Config
	text := conf.Example(Config{})
	require.NoError(t, conf.Parse("agent.yaml", text, &c, conf.Options{}), "%s", text)
	require.Equal(t, "press.temperature", c.OPCUA[0].Groups[0].Nodes[0].As)
	require.Equal(t, "press.{signal}", c.MQTT[0].Topics[0].As)
}
