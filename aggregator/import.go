package aggregator

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/enrol"
	"github.com/linewatch/linewatch/aggregator/ingest"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// ImportOptions say who brings an exported journal in, and what he knows of it.
type ImportOptions struct {
	By string // for the ledger
	// Replaced takes logs of an agent that another one replaced.
	Replaced bool
	Progress func(done, total uint64) // leaves; nil for none
}

// Imported says what became of an exported journal.
type Imported struct {
	Agent   string        `json:"agent"`
	Station string        `json:"station"` // as enrolled
	New     uint64        `json:"new"`     // leaves that were not here
	Same    uint64        `json:"same"`    // leaves that were compared with those here
	Failed  int           `json:"failed"`  // logs that were not taken to their end
	Logs    []ImportedLog `json:"logs"`
}

// ImportedLog is what became of one log.
type ImportedLog struct {
	Origin     string `json:"origin"`
	First      uint64 `json:"first"` // of the export
	Size       uint64 `json:"size"`
	Before     uint64 `json:"before"` // leaves that were stored here
	Stored     uint64 `json:"stored"` // leaves that are stored here now
	Registered bool   `json:"registered,omitempty"`
	// Skipped says why a log was left out on purpose, Problem why it was not taken to
	// its end.
	Skipped string `json:"skipped,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Import brings in a journal that linewatch-agent journal export wrote: a folder,
// or the .segments of one log. Each segment goes the way of one that the station
// sends: the same verification, the same transaction, the same receipt. What is
// stored already is compared. It may run beside the service. The error says that
// the import could not be done; what a log did not pass is in its Problem.
func (a *Aggregator) Import(ctx context.Context, name string, o ImportOptions) (Imported, error) {
	logs, closeAll, err := openExport(name)
	if err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	defer closeAll()
	agent, err := a.mayBringIn(ctx, logs, o)
	if err != nil {
		return Imported{}, fmt.Errorf("import %s: %w", name, err)
	}
	in, err := ingest.New(ingest.Options{
		Store: a.Store, Ledger: a.Ledger, Identity: a.Enrol, CosignerName: a.cosigner.Name, Cosigner: a.receiptSigner(), Project: a.projector(), Learn: a.Vault.Learn, Late: a.Vault.Late,
		Agents: a.Store.Agent, Logger: a.log, Limits: ingest.Limits{LeafRate: 1e12, LeafBurst: 1e12}, // the administrator floods nobody but himself
	})
	if err != nil {
		return Imported{}, err
	}
	x := &importing{a: a, in: in, agent: agent, o: o, out: Imported{Agent: agent.ID, Station: agent.Station, Logs: []ImportedLog{}}}
	for _, l := range logs {
		x.total += l.Head.Size - l.Head.First
	}
	if err := x.record(ctx, "begun", name); err != nil {
		return x.out, err
	}
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- in.Run(inner) }()
	for _, l := range logs {
		if err = x.log(ctx, l); err != nil {
			break
		}
	}
	stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return x.out, errors.Join(err, <-ended, x.record(last, "done", name))
}

// openExport opens the logs of a folder, predecessors before their successors, or
// one log by the name of its segments.
func openExport(name string) (logs []*carry.Reader, closeAll func(), err error) {
	closeAll = func() {
		for _, l := range logs {
			_ = l.Close() // only read
		}
	}
	dir, files := name, []string(nil)
	if strings.HasSuffix(name, carry.Segments) {
		dir, files = filepath.Dir(name), []string{filepath.Base(name)}
	}
	fsys := os.DirFS(dir)
	if files == nil {
		x, err := carry.ReadIndex(fsys, ".")
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("%s is no folder that linewatch-agent journal export wrote to its end: it has no %s (one log alone is named by its %s file)", dir, carry.IndexName, carry.Segments)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", dir, err)
		}
		for _, e := range x.Logs {
			files = append(files, carry.Name(".", e.Log))
		}
	}
	for _, f := range files {
		l, err := carry.Open(fsys, f)
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("%s: %w", dir, err)
		}
		logs = append(logs, l)
	}
	slices.SortStableFunc(logs, func(a, b *carry.Reader) int { return opened(a).Compare(opened(b)) })
	return logs, closeAll, nil
}

// opened is when a log began, as it says.
func opened(r *carry.Reader) time.Time {
	at, err := time.Parse(time.RFC3339, r.Head.Registration.At)
	if err != nil {
		return time.Time{}
	}
	return at
}

// mayBringIn judges the admission of the agent whose logs these are, as its own
// connection would be.
func (a *Aggregator) mayBringIn(ctx context.Context, logs []*carry.Reader, o ImportOptions) (store.Agent, error) {
	id := ""
	for _, l := range logs {
		origin, err := evidence.ParseOrigin(l.Head.Registration.Origin)
		switch {
		case err != nil:
			return store.Agent{}, err
		case id == "":
			id = origin.Agent
		case id != origin.Agent:
			return store.Agent{}, fmt.Errorf("it has logs of two agents, %s and %s: a journal has those of one", id, origin.Agent)
		}
	}
	if id == "" {
		return store.Agent{}, errors.New("it has no log: the station recorded nothing yet")
	}
	agent, err := a.Store.Agent(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return agent, fmt.Errorf("agent %s is not known here: it was never enrolled at this aggregator", id)
	case err != nil:
		return agent, err
	case agent.State == store.AgentPending:
		return agent, fmt.Errorf("agent %s waits for approval: linewatch-aggregator agents approve %s, after comparing its fingerprint", id, id)
	case agent.State == store.AgentReplaced && !o.Replaced:
		return agent, fmt.Errorf("agent %s was %s: with --replaced its logs are taken all the same; anybody who has that PC's disk could have signed them since", id, cmp.Or(agent.Reason, "replaced"))
	case agent.State == store.AgentRevoked:
		return agent, fmt.Errorf("agent %s was revoked (%s): what its key signs is not taken any more. linewatch-verify can still check the folder", id, agent.Reason)
	}
	return agent, nil
}

// importing is one import.
type importing struct {
	a     *Aggregator
	in    *ingest.Service
	agent store.Agent
	o     ImportOptions
	out   Imported
	done  uint64 // leaves of the export that were looked at
	total uint64
}

// record writes to the ledger who brings what in: before the first segment is
// stored, and what became of it.
func (x *importing) record(ctx context.Context, stage, name string) error {
	return x.a.Ledger.Record(ctx, event.TypeEvidenceImported, map[string]any{
		"agentId": x.agent.ID, "stage": stage, "leaves": x.total, "stored": x.out.New, "compared": x.out.Same, "failed": x.out.Failed,
		"source": event.Shorten(event.Clean(name), 300), "by": x.o.By, "agentState": string(x.agent.State),
	}, func(e *event.Event) { e.Station = x.agent.Station })
}

// log brings one log in. The error says that the store does not answer, or that
// ctx ended.
func (x *importing) log(ctx context.Context, r *carry.Reader) error {
	h := r.Head
	l := ImportedLog{Origin: h.Registration.Origin, First: h.First, Size: h.Size}
	begin := x.done
	err := x.bringIn(ctx, r, &l)
	if stop, ok := errors.AsType[*notTaken](err); ok {
		l.Problem, err = stop.reason, nil
		x.out.Failed++
	}
	x.done = begin + h.Size - h.First
	x.out.Logs = append(x.out.Logs, l)
	return err
}

// notTaken says why a log is not taken further.
type notTaken struct{ reason string }

func (e *notTaken) Error() string { return e.reason }

// Bounds of what is handed in at once.
const (
	handInSegments = 32
	handInBytes    = 8 << 20
)

func (x *importing) bringIn(ctx context.Context, r *carry.Reader, l *ImportedLog) error {
	h := r.Head
	if h.State == "superseded" {
		l.Skipped = "a successor carries what was not confirmed of it"
		return nil
	}
	if h.First == h.Size {
		l.Skipped = "nothing of it is in the export"
		return nil
	}
	first, err := r.Next() // says also that the registration is what the log says of itself
	if err != nil {
		return fault(err)
	}
	if err := x.register(ctx, first, r.Head, l); err != nil {
		return err
	}
	for pending := []*wire.Segment{first}; ; pending = nil {
		size := len(first.Frame)
		for len(pending) < handInSegments && size < handInBytes {
			var s *wire.Segment
			if s, err = r.Next(); err != nil {
				break
			}
			pending, size = append(pending, s), size+len(s.Frame)
		}
		if len(pending) > 0 {
			if err := x.handIn(ctx, pending, l); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fault(err)
		}
	}
}

// fault is what is wrong with a file.
func fault(err error) error { return &notTaken{err.Error()} }

// register makes a log known that the station could not register, as the station
// would have done.
func (x *importing) register(ctx context.Context, first *wire.Segment, h *carry.Head, l *ImportedLog) error {
	known, err := x.a.Store.Log(ctx, h.Log)
	switch {
	case err == nil:
		l.Before, l.Stored = known.Size, known.Size
		return nil
	case !errors.Is(err, store.ErrNotFound):
		return err
	case first.First > 0 || first.Kind != wire.KindLeaves:
		return &notTaken{fmt.Sprintf("nothing of this log is stored here, and its first leaf, which says what it is, is not in the export: it begins with leaf %d", h.First)}
	}
	_, err = x.a.Enrol.RegisterLog(ctx, x.agent, h.Registration)
	if d, ok := errors.AsType[*enrol.Denied](err); ok {
		return &notTaken{"the log is not registered here and can't be: " + d.Reason}
	}
	l.Registered = err == nil
	return err
}

// handIn hands segments to ingest until each is decided.
func (x *importing) handIn(ctx context.Context, segments []*wire.Segment, l *ImportedLog) error {
	for len(segments) > 0 {
		var body []byte
		var err error
		for _, s := range segments {
			if body, err = wire.AppendFrame(body, s.Header, s.Frame); err != nil {
				return fault(err)
			}
		}
		results, err := x.in.HandIn(ctx, x.agent, bytes.NewReader(body))
		if err != nil {
			return fault(err)
		}
		wait := 0
		for i, res := range results {
			if res.Result == wire.ResultBusy {
				segments, wait = segments[i:], max(1, res.RetryAfter)
				break
			}
			if err := x.judge(segments[i], res, l); err != nil {
				return err
			}
		}
		if wait == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(wait) * time.Second):
		}
	}
	return nil
}

// judge counts a segment that was taken, and says why one was not.
func (x *importing) judge(s *wire.Segment, res wire.Result, l *ImportedLog) error {
	place := fmt.Sprintf("leaves %d to %d: ", s.First, s.End()-1)
	switch res.Result {
	case wire.ResultStored:
		fresh := uint64(0)
		if s.End() > l.Stored {
			fresh = s.End() - max(l.Stored, s.First)
			l.Stored = s.End()
		}
		x.out.New, x.out.Same, x.done = x.out.New+fresh, x.out.Same+s.Count-fresh, x.done+s.Count
		if x.o.Progress != nil {
			x.o.Progress(x.done, x.total)
		}
		return nil
	case wire.ResultGap:
		return &notTaken{fmt.Sprintf("%sonly %d leaves of this log are stored here: the export lacks those between", place, res.Size)}
	case wire.ResultFork:
		return &notTaken{place + "FORK: the station signed two histories of this log. " + res.Reason + "; both signed checkpoints are in the ledger (log.forked)"}
	case wire.ResultKeysWanted:
		return &notTaken{fmt.Sprintf("%sthe wrapped data keys of %d sealed fields are missing in the export, the first is %s", place, len(res.Keys), res.Keys[0])}
	}
	return &notTaken{place + res.Result + ": " + res.Reason}
}
