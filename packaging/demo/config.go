package demo

import (
	"fmt"
	"os"
	"path/filepath"
)

// pressConfig is the agent of the press: OPC UA with security, and the quality
// station's messages.
const pressConfig = `station: hamburg/body/line3/st07
data_dir: data
machine_file: machine
opcua:
  - name: press-12
    endpoint: %[1]s
    security: {policy: Basic256Sha256, mode: SignAndEncrypt}
    auth: {user: linewatch, password_file: opcua.pw}
    groups:
      - name: states
        sampling: 100ms
        nodes:
          - {id: "nsu=urn:linewatch:demo;s=Press.State", as: press.state, map: {0: idle, 1: running, 2: blocked, 3: starved, 4: fault}, event: equipment.status}
          - {id: "nsu=urn:linewatch:demo;s=Press.Faults", as: press.faults, bits: {texts: faults.csv}, event: equipment.fault}
          - {id: "nsu=urn:linewatch:demo;s=Press.Temperature", as: press.temperature, unit: degC}
          - {id: "nsu=urn:linewatch:demo;s=Press.Pressure", as: press.pressure, unit: bar}
          - {id: "nsu=urn:linewatch:demo;s=Press.Oil", as: press.oil, unit: degC}
          - {id: "nsu=urn:linewatch:demo;s=Press.Strokes", as: press.strokes}
mqtt:
  - name: quality
    broker: tcp://127.0.0.1:%[2]d
    topics:
      - {match: "plant/${station.line}/${station.cell}/quality", payload: json, event: quality.check, time: $.ts, user: $.by}
      - {match: "plant/${station.line}/${station.cell}/login", payload: json, event: user.login, time: $.ts, user: $.userId}
      - {match: "plant/${station.line}/${station.cell}/maintenance", payload: json, event: maintenance.event, time: $.ts, user: $.by}
signals:
  press.temperature: {limits: {hihi: 95, hi: 90, deadband: 1, on_delay: 1s}}
  press.pressure: {limits: {hi: 190, deadband: 1, on_delay: 0s}}
  press.oil: {limits: {hi: 60, deadband: 0.5, on_delay: 5s}}
  press.state: {states: {longest: {fault: 4s}}}
` + qualityConfig

// weldConfig is the agent of the welding cell: MQTT only.
const weldConfig = `station: hamburg/body/line3/st08
data_dir: data
machine_file: machine
mqtt:
  - name: weld-3
    broker: tcp://127.0.0.1:%[2]d
    topics:
      - {match: "plant/${station.line}/${station.cell}/status", payload: json, event: equipment.status, time: $.ts}
      - {match: "plant/${station.line}/${station.cell}/quality", payload: json, event: quality.check, time: $.ts, user: $.by}
      - {match: "plant/${station.line}/${station.cell}/parameter", payload: json, event: parameter.change, time: $.ts, user: $.by}
      - {match: "plant/${station.line}/${station.cell}/value/{signal}", payload: json, value: $.value, time: $.ts, as: "weld.{signal}"}
signals:
  weld.current: {limits: {hi: 235, lo: 180, deadband: 2, on_delay: 1s}, deviation: {setpoint: "210", hi: 40, lo: -40, deadband: 5, on_delay: 2s}}
` + qualityConfig

// qualityConfig is common to both: a control chart of the torque, and rules about
// people that need not learn for a week.
const qualityConfig = `quality:
  torque: {unit: Nm, spc: {low: 40, high: 44.5}}
detection:
  guard: {learn: 30s, windows: [{days: sun, from: "03:00", to: "04:00"}]}
`

const faultTexts = `bit,code,text,severity
0,F0101,Hydraulic pressure low,high
1,F0102,Die temperature too high,high
2,F0103,Guard door open,medium
3,F0104,Lubrication interval exceeded,low
`

// writeStation makes the folder of one simulated station PC. The facts of its
// machine come by file: both run on one machine.
func (p *plant) writeStation(s *station, n int) error {
	dir := filepath.Dir(s.config)
	text := pressConfig
	if s.name == "st08" {
		text = weldConfig
	}
	files := map[string]string{
		"agent.yaml": fmt.Sprintf(text, p.endpoint, p.brokerPort),
		"machine":    fmt.Sprintf("smbios_uuid=4c4c4544-0042-3510-8051-b7c04f5933%02d\ndisk_serial=S4EVNX0R%06d\nmac=02:00:5e:10:00:%02d\nmachine_id=%032d\n", n, 130+n, n, n+1),
		"opcua.pw":   p.passwords["opcua"] + "\n",
		"faults.csv": faultTexts,
	}
	if err := os.MkdirAll(filepath.Join(dir, "data", "pki", "trusted", "certs"), 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	// As linewatch-agent opcua trust does it after a person compared the fingerprint.
	cert, err := os.ReadFile(p.path("opcua-server.pem"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "data", "pki", "trusted", "certs", "line.pem"), cert, 0o600)
}
