package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

const (
	tick  = 500 * time.Millisecond // time step of the simulation
	cycle = 68                     // steps of one cycle of the press
)

// line is the simulated line: it changes the machines and counts what it handed
// over, so that the end can tell whether all of it arrived.
type line struct {
	commands io.WriteCloser
	answers  <-chan string
	client   paho.Client

	sent    map[string]bool // keys of messages and changes with event:
	n       int             // messages
	sets    int             // changes of OPC UA variables
	step    int
	weld    string
	panel   int
	held    float64 // pressure that stands still
	started time.Time
}

func opcuaVariables() []map[string]any {
	return []map[string]any{
		{"id": "Press.State", "type": "Int32", "value": 0},
		{"id": "Press.Faults", "type": "UInt32", "value": 0},
		{"id": "Press.Temperature", "type": "Double", "value": usualTemperature},
		{"id": "Press.Pressure", "type": "Double", "value": usualPressure},
		{"id": "Press.Oil", "type": "Double", "value": oilUsual},
		{"id": "Press.Strokes", "type": "Double", "value": 100000},
	}
}

func (p *plant) startLine(context.Context) error {
	l := p.line
	l.sent, l.weld, l.panel = map[string]bool{}, "idle", 4711
	o := paho.NewClientOptions().AddBroker("tcp://127.0.0.1:" + strconv.Itoa(p.brokerPort)).SetClientID("demo-line").SetConnectTimeout(5 * time.Second)
	l.client = paho.NewClient(o)
	t := l.client.Connect()
	if !t.WaitTimeout(10*time.Second) || t.Error() != nil {
		return errors.Join(errors.New("the line could not reach the broker"), t.Error())
	}
	return nil
}

func (l *line) close() {
	if l.client != nil {
		l.client.Disconnect(200)
	}
	_ = l.commands.Close() // the OPC UA server ends with its input
}

// run lives until ctx ends; what was handed over by then is in sent.
func (l *line) run(ctx context.Context) error {
	l.started = time.Now()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		if err := l.live(); err != nil {
			return fmt.Errorf("the simulated line: %w", err)
		}
		l.step++
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// live is one step. The press runs for 20 s, drifts hot for 8 s, faults for 6 s and
// is repaired; the welding cell follows its own rhythm.
func (l *line) live() error {
	phase := l.step % cycle
	var errs []error
	switch phase {
	case 0:
		errs = append(errs, l.set("Press.State", 1, true), l.login("anna.kovacs", true))
	case 20:
		errs = append(errs, l.set("Press.State", 3, true)) // starved for a moment
	case 24:
		errs = append(errs, l.set("Press.State", 1, true))
	case 56:
		errs = append(errs, l.set("Press.Faults", 2, true), l.set("Press.State", 4, true), l.login("bert.meyer", false))
	case 58:
		errs = append(errs, l.maintain("start"))
	case 62:
		errs = append(errs, l.parameter())
	case 66:
		errs = append(errs, l.set("Press.Faults", 0, true), l.set("Press.State", 0, true), l.maintain("done"))
	}
	if l.step == strangerAt {
		errs = append(errs, l.login("dora.neumann", true))
	}
	errs = append(errs, l.values())
	if l.step%2 == 0 {
		errs = append(errs, l.quality(phase))
	}
	errs = append(errs, l.weldStatus())
	return errors.Join(errs...)
}

// values gives each signal its next value.
func (l *line) values() error {
	v := simulate(l.step, l.held)
	if l.step < stuckFrom {
		l.held = math.Round(v.pressure*10) / 10
	}
	errs := []error{
		l.set("Press.Temperature", math.Round(v.temperature*10)/10, false),
		l.set("Press.Pressure", math.Round(v.pressure*10)/10, false),
		l.set("Press.Oil", math.Round(v.oil*100)/100, false),
		l.set("Press.Strokes", v.strokes, false),
		l.publish("st08/value/current", map[string]any{"value": math.Round(v.current)}, false),
	}
	if !v.noForce {
		errs = append(errs, l.publish("st08/value/force", map[string]any{"value": math.Round(v.force*100) / 100}, false))
	}
	var gas any = math.Round(v.gas*100) / 100
	if v.noGas {
		gas = "sensor fault"
	}
	return errors.Join(append(errs, l.publish("st08/value/gas", map[string]any{"value": gas}, false))...)
}

func (l *line) quality(phase int) error {
	l.panel++
	value, result := torque(l.step, phase)
	station := "st07"
	if l.step%4 == 0 {
		station = "st08"
	}
	return l.publish(station+"/quality", map[string]any{
		"productId": l.panel, "characteristic": "torque", "value": value, "unit": "Nm", "result": result, "by": "anna.kovacs",
	}, true)
}

func (l *line) login(name string, success bool) error {
	return l.publish("st07/login", map[string]any{"userId": name, "action": "login", "success": success, "method": "badge", "device": "hmi-07"}, true)
}

func (l *line) maintain(phase string) error {
	return l.publish("st07/maintenance", map[string]any{"equipmentId": "press-12", "kind": "repair", "phase": phase, "by": "carla.novak", "workOrder": "WO-" + strconv.Itoa(2000+l.step/cycle)}, true)
}

func (l *line) parameter() error {
	return l.publish("st08/parameter", map[string]any{"nodeId": "WeldCurrent", "old": 210, "new": 212, "unit": "A", "by": "carla.novak", "reason": "spatter"}, true)
}

// weldStatus changes the cell's state every seven seconds.
func (l *line) weldStatus() error {
	if l.step%14 != 0 {
		return nil
	}
	next := map[string]string{"idle": "running", "running": "blocked", "blocked": "running"}[l.weld]
	if l.weld == "running" && l.step%28 == 0 {
		next = "idle"
	}
	err := l.publish("st08/status", map[string]any{"equipmentId": "weld-3", "status": next, "previous": l.weld}, true)
	l.weld = next
	return err
}

// set changes an OPC UA variable and waits until the server has done it.
func (l *line) set(id string, value any, event bool) error {
	at := time.Now().Truncate(time.Millisecond)
	text, err := json.Marshal(map[string]any{"id": id, "value": value, "at": at.UnixMilli()})
	if err != nil {
		return err
	}
	if _, err := l.commands.Write(append(text, '\n')); err != nil {
		return err
	}
	l.sets++
	want := fmt.Sprintf(`{"set":%d}`, l.sets)
	if got, ok := <-l.answers; !ok || got != want {
		return fmt.Errorf("the OPC UA server said %q instead of %q", got, want)
	}
	if event {
		l.sent[changeKey("urn:linewatch:demo;s="+id, at)] = true
	}
	return nil
}

// changeKey names one change: the node and its source time.
func changeKey(item string, at time.Time) string {
	return fmt.Sprintf("%s@%d", item, at.UnixMilli())
}

// publish hands one message to the broker and waits for its acknowledgement.
func (l *line) publish(topic string, data map[string]any, event bool) error {
	l.n++
	data["n"], data["ts"] = l.n, time.Now().UTC().Format(time.RFC3339Nano)
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	t := l.client.Publish("plant/line3/"+topic, 1, false, text)
	if !t.WaitTimeout(10 * time.Second) {
		return errors.New("the broker does not acknowledge")
	}
	if t.Error() == nil && event {
		l.sent["n"+strconv.Itoa(l.n)] = true
	}
	return t.Error()
}
