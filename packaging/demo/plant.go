package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// plant is everything that the demo starts.
type plant struct {
	o         Options
	dir       string
	passwords map[string]string

	broker     *process
	opcua      *process
	aggregator *process
	agents     []*station
	line       *line
	people     string // address of the page
	token      string // auditor's bearer token
	brokerPort int
	endpoint   string
}

// station is one simulated station PC.
type station struct {
	name   string
	config string
	proc   *process
}

const startWithin = 60 * time.Second

func (p *plant) path(parts ...string) string {
	return filepath.Join(append([]string{p.dir}, parts...)...)
}

func (p *plant) tool(name string) string { return filepath.Join(p.o.Bin, name) }

func (p *plant) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for _, step := range []func(context.Context) error{p.startBroker, p.startOPCUA, p.startAggregator, p.startAgents, p.startLine} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// freePort asks the system for a free loopback port; wanted is taken if it is free.
func freePort(wanted int) (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(wanted))
	if err != nil && wanted != 0 {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// until polls f until it returns nil, the process ends, or ctx ends.
func until(ctx context.Context, p *process, what string, f func() error) error {
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		var ended <-chan struct{}
		if p != nil {
			ended = p.done
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (last: %w)", what, context.Cause(ctx), err)
		case <-ended:
			return fmt.Errorf("%s: %s ended: %v", what, p.name, p.err)
		case <-t.C:
		}
	}
}

func (p *plant) startBroker(ctx context.Context) error {
	port, err := freePort(0)
	if err != nil {
		return err
	}
	p.brokerPort = port
	conf := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\npersistence false\n", port)
	if err := os.WriteFile(p.path("mosquitto.conf"), []byte(conf), 0o600); err != nil {
		return err
	}
	program := "mosquitto"
	if _, err := os.Stat("/usr/sbin/mosquitto"); err == nil {
		program = "/usr/sbin/mosquitto" // not on the PATH of every user
	}
	if p.broker, err = start("mosquitto", p.path("mosquitto.log"), nil, nil, nil, program, "-c", p.path("mosquitto.conf")); err != nil {
		return fmt.Errorf("%w (make demo installs Debian's mosquitto)", err)
	}
	return until(ctx, p.broker, "the broker", func() error {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(port), time.Second)
		if err == nil {
			c.Close()
		}
		return err
	})
}

func (p *plant) startOPCUA(ctx context.Context) error {
	p.passwords["opcua"] = rand.Text()
	options, err := json.Marshal(map[string]any{
		"variables": opcuaVariables(), "user": "linewatch", "password": p.passwords["opcua"], "pki": p.path("opcua-server"),
	})
	if err != nil {
		return err
	}
	in, commands := io.Pipe()
	answers, out := io.Pipe()
	p.line = &line{commands: commands, answers: lines(answers)}
	p.opcua, err = start("opcua server", p.path("opcua.log"), in, out, nil, "node", filepath.Join(p.o.Peer, "opcua-demo.mjs"), string(options))
	if err != nil {
		return fmt.Errorf("%w (make demo installs Node.js)", err)
	}
	var ready struct {
		Endpoint    string `json:"endpoint"`
		Certificate string `json:"certificate"`
	}
	select {
	case text := <-p.line.answers:
		if err := json.Unmarshal([]byte(text), &ready); err != nil {
			return fmt.Errorf("opcua server said %q: %w", text, err)
		}
	case <-p.opcua.done:
		return errors.New("the OPC UA server ended")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.endpoint = ready.Endpoint
	return os.WriteFile(p.path("opcua-server.pem"), []byte(ready.Certificate), 0o600)
}

func (p *plant) startAggregator(ctx context.Context) error {
	people, err := freePort(max(p.o.Port, 8443))
	if err != nil {
		return err
	}
	agents, err := freePort(0)
	if err != nil {
		return err
	}
	p.people = "https://127.0.0.1:" + strconv.Itoa(people)
	data, agg := p.path("aggregator"), p.tool("linewatch-aggregator")
	if _, err := runTool(ctx, p.passwords["admin"], agg, "init", "--data", data, "--admin-password-file", "-", "--plant", "Demo plant, learnt from a recorded shift",
		"--station", "hamburg/central/aggregator", "--time-zone", "Europe/Berlin",
		"--people-listen", "127.0.0.1:"+strconv.Itoa(people), "--agents-listen", "127.0.0.1:"+strconv.Itoa(agents)); err != nil {
		return err
	}
	for _, name := range []string{"maintenance", "auditor"} {
		if _, err := runTool(ctx, p.passwords[name], agg, "user", "add", "--data", data, "--name", name, "--role", name, "--password-file", "-"); err != nil {
			return err
		}
	}
	token, err := runTool(ctx, "", agg, "token", "api", "--data", data, "--role", "auditor", "--name", "demo")
	if err != nil {
		return err
	}
	p.token = strings.TrimSpace(token)
	if p.aggregator, err = start("aggregator", p.path("aggregator.log"), nil, nil, nil, agg, "run", "--data", data); err != nil {
		return err
	}
	return until(ctx, p.aggregator, "the aggregator", func() error { return p.get(ctx, "/readyz", nil) })
}

func (p *plant) startAgents(ctx context.Context) error {
	token, err := runTool(ctx, "", p.tool("linewatch-aggregator"), "token", "agent", "--data", p.path("aggregator"), "--scope", "hamburg/body/**", "--uses", "2")
	if err != nil {
		return err
	}
	for i, name := range []string{"st07", "st08"} {
		s := &station{name: name, config: p.path(name, "agent.yaml")}
		if err := p.writeStation(s, i); err != nil {
			return err
		}
		agent := p.tool("linewatch-agent")
		if _, err := runTool(ctx, token, agent, "enrol", "--config", s.config, "--token-file", "-"); err != nil {
			return err
		}
		if err := p.learn(ctx, s); err != nil {
			return err
		}
		if s.proc, err = start("agent "+name, p.path(name+".log"), nil, nil, nil, agent, "run", "--config", s.config); err != nil {
			return err
		}
		p.agents = append(p.agents, s)
	}
	for _, s := range p.agents {
		if err := until(ctx, s.proc, "agent "+s.name, func() error { return p.connected(ctx, s) }); err != nil {
			return err
		}
	}
	return nil
}

// connected is nil when all sources of a station have their subscriptions.
func (p *plant) connected(ctx context.Context, s *station) error {
	text, err := runTool(ctx, "", p.tool("linewatch-agent"), "status", "--json", "--config", s.config)
	if err != nil {
		return err
	}
	var st struct {
		Sources []struct{ Name, State, Reason string }
	}
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		return err
	}
	for _, src := range st.Sources {
		if src.State != "connected" {
			return fmt.Errorf("%s is %s: %s", src.Name, src.State, src.Reason)
		}
	}
	return nil
}

// stop ends everything in order: the line, the agents, the aggregator, the peers.
func (p *plant) stop() error {
	var errs []error
	if p.line != nil {
		p.line.close()
	}
	for _, s := range p.agents {
		errs = append(errs, s.proc.end())
	}
	errs = append(errs, p.aggregator.end(), p.opcua.end(), p.broker.end())
	return errors.Join(errs...)
}

// lastWords are the ends of the logs, for a failed start.
func (p *plant) lastWords() string {
	var out []string
	for _, proc := range []*process{p.broker, p.opcua, p.aggregator} {
		if proc != nil {
			out = append(out, proc.tail(5))
		}
	}
	for _, s := range p.agents {
		if s.proc != nil {
			out = append(out, s.proc.tail(8))
		}
	}
	return strings.Join(out, "\n")
}
