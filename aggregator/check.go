package aggregator

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/verify"
	"github.com/linewatch/linewatch/aggregator/web"
	"github.com/linewatch/linewatch/shared/seal"
)

// Report is what check found.
type Report struct {
	Lines  []string `json:"lines"`
	Logs   int      `json:"logs"`
	Leaves uint64   `json:"leaves"`
	Agents int      `json:"agents"`
	Users  int      `json:"users"`
}

// Check looks at everything that run needs without listening.
func (a *Aggregator) Check(ctx context.Context) (Report, error) {
	var r Report
	if err := a.Store.Ping(ctx); err != nil {
		return r, fmt.Errorf("the database does not answer: %w", err)
	}
	logs, err := a.Store.Logs(ctx)
	if err != nil {
		return r, err
	}
	agents, err := a.Store.Agents(ctx)
	if err != nil {
		return r, err
	}
	users, err := a.Store.Users(ctx)
	if err != nil {
		return r, err
	}
	if _, err := a.peopleCertificates().get(nil); err != nil {
		return r, err
	}
	for _, l := range logs {
		r.Leaves += l.Size
	}
	r.Logs, r.Agents, r.Users = len(logs), len(agents), len(users)
	say := func(format string, args ...any) { r.Lines = append(r.Lines, fmt.Sprintf(format, args...)) }
	kind := "SQLite in " + a.Config.DataDir
	if strings.HasPrefix(a.Config.Store, "postgres") {
		kind = "PostgreSQL"
	}
	say("store: %s answers and takes writes; %d logs with %d leaves, %d agents, %d users", kind, r.Logs, r.Leaves, r.Agents, r.Users)
	say("people: %s; agents: %s, told %s", a.Config.People.Listen, a.Config.Agents.Listen, strings.Join(a.Config.Agents.URLs, " "))
	say("certificate authority: until %s", a.CA.Certificate().NotAfter.UTC().Format(time.DateOnly))
	waiting := 0
	for i := range agents {
		if agents[i].State == store.AgentPending {
			waiting++
		}
	}
	if waiting > 0 {
		say("%d agents wait for approval: linewatch-aggregator agents list", waiting)
	}
	if !web.Built() {
		say("the web application is not in this binary (make ui)")
	}
	return r, nil
}

// Rebuild makes the read model anew from the evidence.
func (a *Aggregator) Rebuild(ctx context.Context, progress func(done, total uint64)) error {
	return a.Store.Rebuild(ctx, a.projector(), progress)
}

// VerifyOptions says how Verify walks.
type VerifyOptions struct {
	State        string // see verify.Options
	EvidenceOnly bool   // leaves the read model out
	Progress     func(done, total uint64)
}

// Verify walks the whole store: every segment hashed again, every signature and
// receipt opened, every root compared, every row compared with its leaf.
func (a *Aggregator) Verify(ctx context.Context, o VerifyOptions) (verify.Report, error) {
	v := verify.Options{
		Store: a.Store, Cosigners: a.cosigners(true), Ledger: a.ledgerPublic(), Until: a.revokedAt(),
		Project: project.Project, Progress: o.Progress, State: o.State,
		Destroyed: func() seal.Destroyed {
			list, _ := a.Vault.List()
			return list
		},
	}
	if o.EvidenceOnly {
		v.Project = nil
	}
	return verify.Run(ctx, v)
}
