package opcua

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// Defaults where the configuration says nothing.
const (
	defaultSampling  = time.Second
	defaultKeepAlive = 5 * time.Second
	defaultCover     = 5 * time.Minute
	// everyChange: a sampling shorter than this is sent as 0, which asks the
	// server for every change instead of samples.
	everyChange = time.Millisecond
	// changePace is the pace assumed for the queue of an item without samples.
	changePace = 100 * time.Millisecond
	maxQueue   = 100_000
	// alarmsGroup is the name of the subscription that carries alarms.
	alarmsGroup = "alarms"
)

// plan is a compiled configuration of one server.
type plan struct {
	cfg       config.OPCUA
	sec       security
	cover     time.Duration
	keepAlive time.Duration
	groups    []*group
	// hash changes when session and subscriptions of an earlier configuration
	// can't be gone on with.
	hash string
}

// group becomes one subscription: the nodes of one configured group, or all alarms.
type group struct {
	name       string
	sampling   time.Duration
	publishing time.Duration
	nodes      []*node
	alarms     []*notifier
	hash       string
	// events tells whether a value of this group may become an event.
	events bool
}

// node is one configured line: one variable, or all that a path matches.
type node struct {
	index    int
	cfg      config.OPCUANode
	id       nodeRef
	path     []step // instead of id
	template source.Point
	fields   map[string]any
}

// text is how the node stands in the configuration.
func (n *node) text() string {
	if n.cfg.ID != "" {
		return n.cfg.ID
	}
	return n.cfg.Path
}

// compile checks a configuration and gives its mistakes all at once.
func compile(cfg config.OPCUA, opts Options) (*plan, error) {
	p := &plan{cfg: cfg, cover: cfg.CoverOutage, keepAlive: cfg.KeepAlive}
	if p.cover <= 0 {
		p.cover = defaultCover
	}
	if p.keepAlive <= 0 {
		p.keepAlive = defaultKeepAlive
	}
	var errs []error
	var err error
	if p.sec, err = newSecurity(cfg); err != nil {
		errs = append(errs, err)
	}
	if !strings.HasPrefix(cfg.Endpoint, "opc.tcp://") {
		errs = append(errs, fmt.Errorf("endpoint %q does not begin with opc.tcp://", cfg.Endpoint))
	}
	names := map[string]bool{alarmsGroup: true}
	for i, g := range cfg.Groups {
		if g.Name == "" {
			g.Name = fmt.Sprintf("group%d", i+1)
		}
		if names[g.Name] {
			errs = append(errs, fmt.Errorf("group name %q is used twice", g.Name))
			continue
		}
		names[g.Name] = true
		compiled, err := compileGroup(cfg, g, opts)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.groups = append(p.groups, compiled)
	}
	if g, err := compileAlarms(cfg); err != nil {
		errs = append(errs, err)
	} else if g != nil {
		p.groups = append(p.groups, g)
	}
	p.hash = digest(cfg.Endpoint, cfg.Security, cfg.Auth.User)
	return p, errors.Join(errs...)
}

func compileGroup(cfg config.OPCUA, g config.OPCUAGroup, opts Options) (*group, error) {
	out := &group{name: g.Name, sampling: g.Sampling, publishing: g.Publishing, hash: digest(g, cfg.Namespaces)}
	if out.sampling <= 0 {
		out.sampling = defaultSampling
	}
	if out.publishing <= 0 {
		out.publishing = max(out.sampling, changePace)
	}
	var errs []error
	for i, n := range g.Nodes {
		compiled, err := compileNode(cfg, n, opts)
		if err != nil {
			errs = append(errs, fmt.Errorf("group %s, node %d: %w", g.Name, i+1, err))
			continue
		}
		compiled.index = i
		out.nodes = append(out.nodes, compiled)
		out.events = out.events || n.Event != ""
	}
	return out, errors.Join(errs...)
}

func compileNode(cfg config.OPCUA, n config.OPCUANode, opts Options) (*node, error) {
	out := &node{cfg: n}
	var err error
	switch {
	case n.ID != "" && n.Path != "":
		return nil, errors.New("give id or path, not both")
	case n.ID != "":
		out.id, err = parseNodeRef(n.ID)
	case n.Path != "":
		out.path, err = parsePath(n.Path, cfg.Namespaces)
	default:
		err = errors.New("neither id nor path is given")
	}
	if err != nil {
		return nil, err
	}
	out.template = point(cfg, opts)
	p := &out.template
	p.Signal, p.Unit, p.Event, p.Class = n.As, n.Unit, n.Event, event.Class(n.Class)
	p.Map = maps.Clone(n.Map)
	if n.Station != "" {
		p.Station = n.Station
	}
	if n.Equipment != "" {
		p.Equipment = n.Equipment
	}
	if n.Severity != "" {
		if p.Severity, err = event.ParseSeverity(n.Severity); err != nil {
			return nil, fmt.Errorf("severity: %w", err)
		}
		p.HasSeverity = true
	}
	if n.Bits != nil {
		if p.Bits, err = opts.bits(n.Bits.Texts); err != nil {
			return nil, fmt.Errorf("bits: %w", err)
		}
	}
	for key, value := range n.Data {
		if out.fields == nil {
			out.fields = map[string]any{}
		}
		out.fields[key] = value
	}
	return out, nil
}

// point is what all readings of one server have in common.
func point(cfg config.OPCUA, opts Options) source.Point {
	p := source.Point{
		Source: cfg.Name, Kind: "opcua", Endpoint: cfg.Endpoint, Station: opts.Station, Equipment: cfg.Name,
	}
	if cfg.Station != "" {
		p.Station = cfg.Station
	}
	if cfg.Equipment != "" {
		p.Equipment = cfg.Equipment
	}
	return p
}

// queueSize is what covers an outage of the configured length, see docs/opcua.md:
// one place per sample that is taken meanwhile.
func (p *plan) queueSize(g *group, n *node) uint32 {
	if n.cfg.Queue > 0 {
		return n.cfg.Queue
	}
	pace := max(g.sampling, changePace)
	if g.sampling >= everyChange {
		pace = g.sampling
	}
	return uint32(min(math.Ceil(float64(p.cover)/float64(pace))+1, maxQueue))
}

// lifetime returns keep-alive and lifetime counts for a publishing interval: the
// subscription must outlive the outage that is to be covered.
func (p *plan) lifetime(publishing time.Duration) (keepAlive, life uint32) {
	k := max(1, math.Ceil(float64(p.keepAlive)/float64(publishing)))
	l := max(3*k, math.Ceil(1.1*float64(p.cover)/float64(publishing))+k)
	return uint32(min(k, math.MaxUint32/4)), uint32(min(l, math.MaxUint32))
}

// sessionTimeout outlives the outage that is to be covered.
func (p *plan) sessionTimeout() time.Duration {
	return max(time.Minute, p.cover+p.cover/10)
}

func digest(values ...any) string {
	h := sha256.New()
	for _, v := range values {
		text, err := json.Marshal(v)
		if err != nil {
			// Configuration structs hold nothing that JSON can't; a difference
			// here only means a fresh subscription.
			text = fmt.Append(nil, v)
		}
		h.Write(text)
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// sortedKeys gives the keys of a map in order, for texts that people compare.
func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
