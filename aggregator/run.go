package aggregator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/aggregator/auth"
	"github.com/linewatch/linewatch/aggregator/fleet"
	"github.com/linewatch/linewatch/aggregator/ingest"
	"github.com/linewatch/linewatch/aggregator/live"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/web"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/version"
)

// stopWithin bounds a graceful stop: requests in flight get this long.
const stopWithin = 10 * time.Second

// Listening tells where a running aggregator can be reached.
type Listening struct {
	People net.Addr
	Agents net.Addr
}

// Run listens until ctx ends, then stops in order: no new requests, the ones in
// flight finish, the writers flush, the store is left open for the caller.
// started, if not nil, is called once both listeners accept. [ErrNewKey] asks the
// caller to open the aggregator anew.
func (a *Aggregator) Run(ctx context.Context, started func(Listening)) error {
	p, err := a.parts()
	if err != nil {
		return err
	}
	people, agents, err := a.listeners()
	if err != nil {
		return err
	}
	if err := a.Ledger.Record(ctx, event.TypeAuditStarted, map[string]any{"component": "aggregator", "version": version.String(), "lastSeq": 0}); err != nil {
		people.Close()
		agents.Close()
		return fmt.Errorf("the ledger does not take the start: %w", err)
	}
	// The servers stop first, on ctx; their helpers (the ingest writer, the hub,
	// the gatherer of reads) go on until the requests in flight have ended.
	inner, stopInner := context.WithCancel(context.WithoutCancel(ctx))
	defer stopInner()
	// Whichever part fails takes the whole program down: a service manager starts
	// it again, half an aggregator would look alive.
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var helpers, servers errgroup.Group
	for _, run := range p.helpers {
		helpers.Go(func() error { return failing(fail, run(inner)) })
	}
	servers.Go(func() error { return failing(fail, serve(ctx, p.people, people)) })
	servers.Go(func() error { return failing(fail, serve(ctx, p.agents, agents)) })
	if started != nil {
		started(Listening{People: people.Addr(), Agents: agents.Addr()})
	}
	err = servers.Wait()
	stopInner()
	err = errors.Join(err, helpers.Wait())
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	stopped := map[string]any{"component": "aggregator", "by": "operator", "reason": "stopped"}
	if errors.Is(err, ErrNewKey) {
		stopped["reason"] = "starts anew with a new cosigner key"
	}
	if e := a.Ledger.Record(last, event.TypeAuditStopped, stopped, func(e *event.Event) { e.Severity = event.SeverityInfo }); e != nil {
		a.log.Error("the ledger did not take the stop", "error", e)
	}
	return err
}

func failing(fail context.CancelCauseFunc, err error) error {
	if err != nil {
		fail(err)
	}
	return err
}

// parts are what Run starts.
type parts struct {
	people  *http.Server
	agents  *http.Server
	helpers []func(context.Context) error
}

func (a *Aggregator) parts() (*parts, error) {
	fl, err := fleet.New(fleet.Options{Store: a.Store, Restored: a.restored, Ledger: a.Ledger, Admission: a.Enrol, Cosigners: a.wireCosigners(), Destroyed: a.Vault.Destroyed, Sealing: a.Vault.Public, Logger: a.log})
	if err != nil {
		return nil, err
	}
	in, err := ingest.New(ingest.Options{
		Store: a.Store, Ledger: a.Ledger, Identity: a.Enrol, CosignerName: a.cosigner.Name, Cosigner: a.receiptSigner(), Project: a.projector(), Learn: a.Vault.Learn, Late: a.Vault.Late,
		Offsets: fl, Agents: a.Store.Agent, Parts: []ingest.Part{a.Enrol, fl, listPart{a}}, Logger: a.log,
	})
	if err != nil {
		return nil, err
	}
	a.Enrol.OnChange(in.Forget)
	gate, err := auth.New(a.Store, a.log)
	if err != nil {
		return nil, err
	}
	own, err := a.ownWitness()
	if err != nil {
		return nil, err
	}
	hub := live.New(a.Store, a.log)
	people, err := api.New(api.Options{
		Store: a.Store, Gate: gate, Ledger: a.Ledger, Agents: agentsOf(fl), Cosigners: a.cosigners(true),
		Live: api.Live{Rate: hub.Rate, Watch: func(cursor string, filter func(*store.Row) bool) (api.Next, string) {
			w := hub.Watch(cursor, filter)
			return w.Next, w.Begin
		}},
		Web: web.Handler(), WebBuilt: web.Built(), Plant: a.Config.Plant, TimeZone: a.Config.TimeZone, Version: version.String(), Log: a.log,
		Ingest: in.Metrics.Each, Pseudonym: a.Pseudonym, Evidence: a.evidenceOf(), Witness: own, Sealed: a.sealedFields(),
	})
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: people.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: quiet(a.log),
	}
	server.RegisterOnShutdown(people.StopStreams) // a server does not wait for WebSockets
	return &parts{
		people:  server,
		agents:  in.Server(),
		helpers: []func(context.Context) error{a.Ledger.Run, a.Enrol.Run, fl.Run, in.Run, hub.Run, people.Run, a.Witnesses.Run, a.Vault.Run, a.watchKey},
	}, nil
}

// agentsOf shows the fleet's judgement in the API's own type.
func agentsOf(fl *fleet.Fleet) func(context.Context) ([]api.Agent, error) {
	return func(ctx context.Context) ([]api.Agent, error) {
		list, err := fl.Agents(ctx)
		out := make([]api.Agent, len(list))
		for i, a := range list {
			out[i] = api.Agent(a)
		}
		return out, err
	}
}

// quiet keeps TLS noise of port scanners out of the log's normal level.
func quiet(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }

func (a *Aggregator) listeners() (people, agents net.Listener, err error) {
	certificates := a.peopleCertificates()
	if _, err := certificates.get(nil); err != nil {
		return nil, nil, err
	}
	people, err = tls.Listen("tcp", a.Config.People.Listen, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificates.get, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, nil, fmt.Errorf("people.listen: %w", err)
	}
	tlsAgents, err := a.Enrol.TLSConfig(names(a.Config.People.Names, a.Config.Agents.URLs)...)
	if err == nil {
		agents, err = tls.Listen("tcp", a.Config.Agents.Listen, tlsAgents)
	}
	if err != nil {
		people.Close()
		return nil, nil, fmt.Errorf("agents.listen: %w", err)
	}
	return people, agents, nil
}

func serve(ctx context.Context, srv *http.Server, l net.Listener) error {
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		srv.Close() // streams that stay open are cut
	}
	<-done
	return nil
}

// hostnames of this machine, for certificates.
func ownNames() []string {
	list := []string{"localhost", "127.0.0.1", "::1"}
	if h, err := os.Hostname(); err == nil {
		list = append(list, h)
	}
	return list
}
