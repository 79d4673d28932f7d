// Package agent wires the agent: the only place that knows all its parts, and
// the order in which they start and stop.
package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/detect/setup"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/agent/forward"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/keystore"
	"github.com/linewatch/linewatch/agent/pipeline"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/mqtt"
	"github.com/linewatch/linewatch/agent/source/opcua"
	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/version"
)

const (
	// askAgain is how often a pending agent asks whether it was approved.
	askAgain = 20 * time.Second
	// maxAskFactor times that is how rarely a refused agent asks.
	maxAskFactor = 45
	// drainWithin is how long a stopping agent goes on forwarding its last events.
	drainWithin = 3 * time.Second
	// restartEvery is how often a source that gave up is started again.
	restartEvery = time.Minute
)

// Agent is one running agent.
type Agent struct {
	cfg     config.Config
	log     *slog.Logger
	started time.Time

	askEvery     time.Duration // see askAgain
	restartEvery time.Duration // see above
	keyEvery     time.Duration // how often the age of the log key is looked at
	rotating     sync.Mutex    // one change of the log key at a time

	trust    *trust
	journal  *journal.Journal
	pipeline *pipeline.Pipeline
	sources  []source.Source

	detection *setup.Detection

	mu        sync.Mutex
	forwarder *forward.Forwarder // nil until admitted
}

// New makes an agent; nothing is opened before Run.
func New(cfg config.Config, log *slog.Logger) *Agent {
	return &Agent{cfg: cfg, log: log, started: time.Now(), askEvery: askAgain, restartEvery: restartEvery, keyEvery: keyLook}
}

// Run makes an agent and runs it.
func Run(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	return New(cfg, log).Run(ctx)
}

// Run runs the agent until ctx ends, then stops in order: sources first, the last
// summaries, the last events to the aggregator, the journal.
func (a *Agent) Run(ctx context.Context) error {
	err := a.start(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // told to stop before it had begun
	}
	return err
}

func (a *Agent) start(ctx context.Context) error {
	cfg, log := a.cfg, a.log
	id, err := a.identify(ctx)
	if err != nil {
		return err
	}
	if err := sealKeys(id, log); err != nil {
		return err
	}
	if a.trust, err = newTrust(id, log); err != nil {
		return err
	}
	if a.trust.sealing, err = newSealing(cfg, a.trust); err != nil {
		return err
	}
	if a.journal, err = openJournal(ctx, cfg, id, log); err != nil {
		return err
	}
	a.trust.sealing.destroy = a.journal.Destroy
	err = a.run(ctx)
	return errors.Join(err, a.journal.Close())
}

// identify loads the identity. On another machine than the one it was made for
// (a copied disk, a new mainboard) it is set aside and a new one is made, which
// records at once and forwards after approval.
func (a *Agent) identify(ctx context.Context) (*enrol.Identity, error) {
	id, sealed := enrol.Load(a.cfg.DataDir)
	if errors.Is(sealed, keystore.ErrSealed) { // by another machine?
		var err error
		if id, err = enrol.Peek(a.cfg.DataDir); err != nil {
			return nil, err
		}
	} else if sealed != nil {
		return nil, sealed
	}
	machine, err := identity.Machine(ctx, a.cfg.Machine)
	if err != nil {
		return nil, errors.Join(sealed, err)
	}
	id.Via(a.cfg.Aggregator.URLs, a.cfg.Aggregator.Proxy)
	same, why := id.SameMachine(machine)
	if same {
		return id, sealed
	}
	a.log.Warn("this is another machine than the one that was enrolled; going on under a new identity that waits for approval", "was", id.AgentID, "reason", why)
	return id.Replace(a.cfg.DataDir, machine, "machine changed: "+why)
}

// OpenJournal opens the journal of an agent that does not run: the command line
// looks into it. ErrNotEnrolled without an identity.
func OpenJournal(ctx context.Context, cfg config.Config, log *slog.Logger) (*journal.Journal, error) {
	id, err := enrol.Load(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	return openJournal(ctx, cfg, id, log, func(o *journal.Options) { o.Heartbeat = -1 }) // looking is no sign of life
}

func openJournal(ctx context.Context, cfg config.Config, id *enrol.Identity, log *slog.Logger, change ...func(*journal.Options)) (*journal.Journal, error) {
	o := journal.Options{
		Dir: filepath.Join(cfg.DataDir, "journal"), Gentle: cfg.Journal.Commit == "gentle", Refill: cfg.Journal.Refill,
		Signer: id.LogKey(), Next: id.NextLogKey(), Reason: id.Cause(), AgentID: id.AgentID, Station: cfg.Station, Version: version.String(), Logger: log, Boot: identity.Boot,
		Memory: filepath.Join(cfg.DataDir, "identity", "journal.json"),
	}
	size, err := conf.ParseSize(cfg.Journal.FileSize)
	if err != nil {
		return nil, fmt.Errorf("journal.file_size: %w", err)
	}
	o.MaxFile = int64(size)
	if cfg.Journal.Quota != "10%" { // the journal's own default
		disk, err := journal.DiskSize(cfg.DataDir)
		if err != nil {
			return nil, fmt.Errorf("journal.quota: %w", err)
		}
		quota, err := cfg.Journal.QuotaBytes(disk)
		if err != nil {
			return nil, fmt.Errorf("journal.quota: %w", err)
		}
		o.Quota = int64(quota)
	}
	for _, c := range change {
		c(&o)
	}
	return journal.Open(ctx, o)
}

func (a *Agent) run(ctx context.Context) error {
	var err error
	if a.detection, err = setup.New(a.cfg, filepath.Join(a.cfg.DataDir, "detect"), a.log); err != nil {
		return err
	}
	a.pipeline = pipeline.New(pipeline.Options{
		Watch:   a.detection.Watch,
		Journal: a.journal, Station: a.cfg.Station, Version: version.String(), Pseudonyms: a.trust, Signals: a.cfg.Signals, Logger: a.log,
		Policy: a.trust.sealing.policy, DataKeys: a.trust.sealing.ring,
	})
	for _, c := range a.cfg.OPCUA {
		a.sources = append(a.sources, opcua.New(c, a.opcuaOptions()))
	}
	for _, c := range a.cfg.MQTT {
		a.sources = append(a.sources, mqtt.New(c, a.mqttOptions()))
	}
	if err := a.pipeline.Emit(ctx, event.TypeAuditStarted, nil, map[string]any{"component": "agent", "version": version.String(), "lastSeq": a.lastSequence()}); err != nil {
		return err
	}
	a.lost(ctx)
	// Each group stops after the one before it has ended.
	var listening, making, sending errgroup.Group
	makeCtx, stopMaking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopMaking()
	sendCtx, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	making.Go(func() error { return a.pipeline.Run(makeCtx) })
	making.Go(func() error { a.saveLearnt(makeCtx); return nil })
	sending.Go(func() error { return a.forward(sendCtx) })
	for _, s := range a.sources {
		listening.Go(func() error { return a.listen(ctx, s) })
	}
	listening.Go(func() error { return a.control(ctx) })
	listening.Go(func() error { a.keyLife(ctx); return nil })
	a.log.Info("agent is running", "agent", a.trust.id.AgentID, "station", a.cfg.Station, "sources", len(a.sources), "version", version.String())
	<-ctx.Done()
	err = listening.Wait()
	a.stopped(makeCtx)
	stopMaking()
	err = errors.Join(err, making.Wait(), a.detection.Watch.Save(time.Now()), a.journal.Farewell(sendCtx))
	a.drain(sendCtx)
	stopSending()
	return errors.Join(err, sending.Wait())
}

// listen runs one source. One that gives up (a password file that is not there, a
// full disk) says so in its health, does not take the others down, and is started
// again: somebody may have put it right. Each new reason is one event.
func (a *Agent) listen(ctx context.Context, s source.Source) error {
	for told := ""; ; {
		err := s.Run(ctx, a.pipeline.Sink(s.Name()))
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if reason := err.Error(); reason != told {
			told = reason
			a.gaveUp(ctx, s, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(a.restartEvery):
		}
	}
}

func (a *Agent) gaveUp(ctx context.Context, s source.Source, err error) {
	a.log.Error("source stopped", "source", s.Name(), "error", err)
	data := map[string]any{"component": "source " + s.Name(), "code": "source.stopped", "text": err.Error(), "stack": ""}
	if e := a.pipeline.Emit(ctx, event.TypeSystemError, nil, data); e != nil {
		a.log.Error("could not record the stop of a source", "error", e)
	}
}

func (a *Agent) stopped(ctx context.Context) {
	info := event.SeverityInfo // an ordered stop is no alarm; a missing one is
	data := map[string]any{"component": "agent", "by": "operator", "reason": "stopped"}
	if err := a.pipeline.Emit(ctx, event.TypeAuditStopped, &info, data); err != nil {
		a.log.Error("could not record the stop", "error", err)
	}
}

// drain waits until everything is receipted, but not for long: what is left is
// on disk and goes out after the next start.
func (a *Agent) drain(ctx context.Context) {
	a.mu.Lock()
	f := a.forwarder
	a.mu.Unlock()
	if f == nil || !f.Stat().Connected {
		return
	}
	deadline := time.NewTimer(drainWithin)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for a.journal.Backlog() > 0 {
		select {
		case <-deadline.C:
			return
		case <-ctx.Done():
			return
		case <-poll.C:
		}
	}
}

// forward waits for admission if need be, then sends until ctx ends.
func (a *Agent) forward(ctx context.Context) error {
	id := a.trust.id
	if !a.admission(ctx) {
		return nil
	}
	transport := a.transport(ctx)
	if transport == nil {
		return nil
	}
	client := &http.Client{Transport: transport}
	a.trust.connect(client, a.urls())
	f := forward.New(forward.Options{
		Journal: a.journal, Client: client, URLs: a.urls(), Identity: a.trust, AgentID: id.AgentID, Station: a.cfg.Station,
		Version: version.String(), Sources: a.health, Logger: a.log, Destroyed: a.trust.destroyed,
	})
	a.mu.Lock()
	a.forwarder = f
	a.mu.Unlock()
	defer transport.CloseIdleConnections()
	return f.Run(ctx)
}

// transport reads the files of the connection. While one is missing or damaged
// recording goes on, and status says what to restore.
func (a *Agent) transport(ctx context.Context) *http.Transport {
	for {
		transport, err := a.trust.id.Transport(a.cfg.Aggregator.Proxy)
		if err == nil {
			a.trust.setRefusal("")
			return transport
		}
		a.trust.setRefusal(err.Error())
		a.log.Error("cannot connect to the aggregator", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(a.askEvery):
		}
	}
}

// admission asks until the agent is admitted; false when ctx ended first.
func (a *Agent) admission(ctx context.Context) bool {
	id := a.trust.id
	for wait := a.askEvery; id.Pending; {
		admitted, err := id.Ask(ctx, version.String())
		if admitted {
			a.log.Info("admitted by the aggregator", "agent", id.AgentID)
			a.trust.admitted()
			break
		}
		refused, ok := errors.AsType[*enrol.RefusedError](err)
		wait = a.nextAsk(wait, ok)
		if ok {
			a.trust.setRefusal(refused.Detail)
			a.log.Warn("not admitted", "reason", refused.Detail)
		} else if err != nil && ctx.Err() == nil {
			a.log.Warn("could not ask for admission", "error", err)
		} else if ctx.Err() == nil {
			a.trust.setRefusal("waits for approval: linewatch-aggregator agents approve " + id.AgentID)
			a.log.Info("waiting for approval", "agent", id.AgentID, "reason", id.Reason)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
	return true
}

// nextAsk is how long to wait after an answer. A refusal rarely turns into an
// admission, and each one is in the aggregator's ledger: those are asked for less
// and less often.
func (a *Agent) nextAsk(before time.Duration, refused bool) time.Duration {
	if !refused {
		return a.askEvery
	}
	return min(2*before, maxAskFactor*a.askEvery)
}

// urls are those of the configuration, else those that enrolment gave.
func (a *Agent) urls() []string {
	if len(a.cfg.Aggregator.URLs) > 0 {
		return a.cfg.Aggregator.URLs
	}
	return a.trust.id.URLs
}

func (a *Agent) health() []byte {
	list := make([]source.Health, len(a.sources))
	for i, s := range a.sources {
		list[i] = s.Health()
	}
	text, err := json.Marshal(list)
	if err != nil {
		a.log.Error("health of the sources", "error", err)
		return nil
	}
	return text
}

func (a *Agent) lastSequence() uint64 {
	var sum uint64
	for _, l := range a.journal.Logs() {
		sum += l.Size
	}
	return sum
}

func (a *Agent) opcuaOptions() opcua.Options {
	return opcua.Options{Station: a.cfg.Station, Dir: a.cfg.Dir, PKI: PKIDir(a.cfg), Positions: a.journal, Logger: a.log}
}

func (a *Agent) mqttOptions() mqtt.Options {
	return mqtt.Options{Station: a.cfg.Station, Levels: a.cfg.Levels, AgentID: a.trust.id.AgentID, Dir: a.cfg.Dir, Positions: a.journal, Logger: a.log}
}

// PKIDir is the folder of OPC UA certificates of an agent.
func PKIDir(cfg config.Config) string { return filepath.Join(cfg.DataDir, "pki") }

// control serves status, journal and signals. Without it (a path too long for a
// socket) recording goes on.
func (a *Agent) control(ctx context.Context) error {
	err := control.Serve(ctx, a.cfg.DataDir, a.views(), a.log)
	if err != nil {
		a.log.Error("no control channel: status, journal and signals commands will not find this agent", "error", err)
	}
	return nil
}
