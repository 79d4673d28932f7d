package opcua

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/source"
)

// defaultPortion is how many items go into one call where the server sets no limit.
const defaultPortion = 500

// ServerLimits is what the server allows; 0 = it says nothing.
type ServerLimits struct {
	Read                    bool    `json:"-"`
	ItemsPerCall            uint32  `json:"max_items_per_call"`
	NodesPerRead            uint32  `json:"max_nodes_per_read"`
	NodesPerBrowse          uint32  `json:"max_nodes_per_browse"`
	Sessions                uint32  `json:"max_sessions"`
	Subscriptions           uint32  `json:"max_subscriptions"`
	Items                   uint32  `json:"max_items"`
	SubscriptionsPerSession uint32  `json:"max_subscriptions_per_session"`
	ItemsPerSubscription    uint32  `json:"max_items_per_subscription"`
	QueueSize               uint32  `json:"max_queue"`
	MinSampling             float64 `json:"min_sampling_ms"`
}

func (g ServerLimits) empty() bool { return !g.Read }

// portion is the size of one call under a limit.
func (g ServerLimits) portion(limit uint32) int {
	if limit == 0 || limit > defaultPortion {
		return defaultPortion
	}
	return int(limit)
}

// readGranted reads the server's limits; one that it does not have is 0.
func readGranted(ctx context.Context, ch *channel) (ServerLimits, error) {
	g := ServerLimits{Read: true}
	targets := []struct {
		node uint32
		into *uint32
	}{
		{id.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall, &g.ItemsPerCall},
		{id.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead, &g.NodesPerRead},
		{id.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse, &g.NodesPerBrowse},
		{id.Server_ServerCapabilities_MaxSessions, &g.Sessions},
		{id.Server_ServerCapabilities_MaxSubscriptions, &g.Subscriptions},
		{id.Server_ServerCapabilities_MaxMonitoredItems, &g.Items},
		{id.Server_ServerCapabilities_MaxSubscriptionsPerSession, &g.SubscriptionsPerSession},
		{id.Server_ServerCapabilities_MaxMonitoredItemsPerSubscription, &g.ItemsPerSubscription},
		{id.Server_ServerCapabilities_MaxMonitoredItemsQueueSize, &g.QueueSize},
	}
	var nodes []*ua.NodeID
	for _, t := range targets {
		nodes = append(nodes, ua.NewNumericNodeID(0, t.node))
	}
	nodes = append(nodes, ua.NewNumericNodeID(0, id.Server_ServerCapabilities_MinSupportedSampleRate))
	values, err := readValues(ctx, ch, nodes, defaultPortion)
	if err != nil {
		return ServerLimits{}, err
	}
	for i, t := range targets {
		if v := variantOf(values[i]); v != nil {
			n := v.Uint()
			if n == 0 {
				n = uint64(max(0, v.Int()))
			}
			*t.into = uint32(min(n, 1<<32-1))
		}
	}
	if v := variantOf(values[len(targets)]); v != nil {
		g.MinSampling = v.Float()
	}
	return g, nil
}

// readServer fills in what a session must know of its server.
func readServer(ctx context.Context, ch *channel, s *session) error {
	values, err := readValues(ctx, ch, []*ua.NodeID{
		ua.NewNumericNodeID(0, id.Server_NamespaceArray), ua.NewNumericNodeID(0, id.Server_ServerStatus_StartTime),
	}, defaultPortion)
	if err != nil {
		return err
	}
	if v := variantOf(values[0]); v != nil {
		if list, ok := v.Value().([]string); ok {
			s.Namespaces = slices.Clone(list)
		}
	}
	if len(s.Namespaces) == 0 {
		return fmt.Errorf("the server does not tell its namespaces")
	}
	if v := variantOf(values[1]); v != nil {
		if t, ok := v.Value().(time.Time); ok {
			s.Started = t.UTC()
		}
	}
	return nil
}

// readValues reads the Value attribute of nodes; the result has one entry per
// node. A portion that the server finds too large is halved: its limits are read
// with this function too.
func readValues(ctx context.Context, ch *channel, nodes []*ua.NodeID, portion int) ([]*ua.DataValue, error) {
	var out []*ua.DataValue
	for some := range slices.Chunk(nodes, max(1, portion)) {
		values, err := readSome(ctx, ch, some, requestTimeout)
		if status(err) == ua.StatusBadTooManyOperations && len(some) > 1 {
			values, err = readValues(ctx, ch, some, (len(some)+1)/2)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, values...)
	}
	return out, nil
}

// readSome reads values in one call.
func readSome(ctx context.Context, ch *channel, nodes []*ua.NodeID, timeout time.Duration) ([]*ua.DataValue, error) {
	req := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth}
	for _, n := range nodes {
		req.NodesToRead = append(req.NodesToRead, &ua.ReadValueID{NodeID: n, AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}})
	}
	res, err := call[*ua.ReadResponse](ctx, ch, req, timeout)
	if err != nil {
		return nil, err
	}
	if len(res.Results) != len(nodes) {
		return nil, fmt.Errorf("answer to Read: %d results for %d nodes", len(res.Results), len(nodes))
	}
	return res.Results, nil
}

// patience is how long an answer may take while publishing goes on: no longer
// than the watchdog would wait.
func (e *engine) patience() time.Duration {
	limit := requestTimeout
	for _, sub := range e.subs {
		limit = min(limit, silenceLimit(sub))
	}
	return limit
}

func variantOf(v *ua.DataValue) *ua.Variant {
	if v == nil || (v.Has(ua.DataValueStatusCode) && v.Status&0x80000000 != 0) {
		return nil
	}
	return v.Value
}

// serverTime is the server's clock, so that gaps and values share one clock; ours
// where it does not tell.
func (e *engine) serverTime(ctx context.Context, ch *channel) time.Time {
	res, err := call[*ua.ReadResponse](ctx, ch, &ua.ReadRequest{
		TimestampsToReturn: ua.TimestampsToReturnNeither,
		NodesToRead: []*ua.ReadValueID{{
			NodeID: ua.NewNumericNodeID(0, id.Server_ServerStatus_State), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{},
		}},
	}, requestTimeout)
	if err != nil || res.Header().Timestamp.Year() < 1971 {
		return e.now()
	}
	return res.Header().Timestamp.UTC()
}

// care is the pace of what is looked after beside publishing.
type care struct {
	status time.Time
	expiry time.Time
	retry  time.Time
	pause  time.Duration
}

// Paces of care.
const (
	statusEvery = 10 * time.Second
	firstRetry  = 2 * time.Second
	retryEvery  = 30 * time.Second
)

func newCare(now time.Time) *care {
	return &care{status: now, expiry: now.Add(time.Hour), retry: now.Add(firstRetry), pause: firstRetry}
}

// attend reads the server's state and tries failed nodes again when it is time.
func (e *engine) attend(ctx context.Context, ch *channel, c *care) error {
	now := e.now()
	if !now.Before(c.status) {
		c.status = now.Add(statusEvery)
		if err := e.readState(ctx, ch); err != nil {
			return err
		}
	}
	if !now.Before(c.expiry) {
		c.expiry = now.Add(time.Hour)
		e.expiring(ctx)
	}
	if now.Before(c.retry) {
		return nil
	}
	c.pause = min(2*c.pause, retryEvery)
	c.retry = now.Add(c.pause)
	for _, sub := range e.subs {
		if err := e.retryFailed(ctx, ch, sub); err != nil {
			return err
		}
	}
	return nil
}

// stateName is "Running", "Failed" and so on.
func stateName(s ua.ServerState) string { return strings.TrimPrefix(s.String(), "ServerState") }

// readState shows what the server says of itself; its state is no event.
func (e *engine) readState(ctx context.Context, ch *channel) error {
	values, err := readSome(ctx, ch, []*ua.NodeID{
		ua.NewNumericNodeID(0, id.Server_ServerStatus_State), ua.NewNumericNodeID(0, id.Server_ServiceLevel),
	}, e.patience())
	if err != nil {
		return err
	}
	state, level := "", ""
	if v := variantOf(values[0]); v != nil {
		state = stateName(ua.ServerState(v.Int()))
	}
	if v := variantOf(values[1]); v != nil {
		if n, ok := v.Value().(byte); ok {
			level = strconv.Itoa(int(n))
		}
	}
	before := ""
	e.src.update(func(h *source.Health) {
		before = h.Detail["server_state"]
		h.Detail["server_state"], h.Detail["service_level"] = state, level
	})
	if before != state && (before != "" || state != stateName(ua.ServerStateRunning)) {
		e.log.Warn("server state", "state", state, "before", before)
	}
	return nil
}

// retryFailed tries nodes that the server refused or did not have.
func (e *engine) retryFailed(ctx context.Context, ch *channel, sub *subscription) error {
	if sub.id == 0 || len(sub.failed)+len(sub.unresolved) == 0 {
		return nil
	}
	again, waiting := sub.failed, sub.unresolved
	sub.unresolved = nil
	found, err := e.look(ctx, ch, sub, waiting)
	if err != nil {
		sub.unresolved = waiting // for the next connection
		return err
	}
	sub.failed = nil
	again = append(again, found...)
	// Handles must be what a restarted agent would give: over all items.
	all := again
	for _, it := range sub.items {
		all = append(all, it)
	}
	known := len(sub.items)
	assignHandles(all)
	if _, err := e.monitor(ctx, ch, sub, again); err != nil {
		sub.unmonitored(again, lostConnection(err))
		return err
	}
	if len(sub.items) > known {
		e.log.Info("nodes monitored that were missing", "group", sub.group.name, "nodes", len(sub.items)-known)
		e.send(ctx, delivery{set: sub.position(), commit: true})
		e.showLimits()
	}
	return nil
}

// unmonitored keeps items that monitor did not get to for the next try. When the
// answer was lost, the server may watch them under handles that nobody knows: then
// the subscription is made anew.
func (s *subscription) unmonitored(items []*item, lost bool) {
	for _, it := range items {
		if s.items[it.handle] != it && !slices.Contains(s.failed, it) {
			s.failed = append(s.failed, it)
		}
	}
	if lost {
		s.was, s.id = s.id, 0
	}
}

// GroupReport is what the server granted one group; times in milliseconds.
type GroupReport struct {
	Group        string   `json:"group"`
	Nodes        int      `json:"nodes"`
	Failed       []string `json:"failed,omitempty"`
	PublishingMS int64    `json:"publishing_ms"`
	KeepAliveMS  int64    `json:"keep_alive_ms"`
	LifetimeMS   int64    `json:"lifetime_ms,omitempty"`
	SamplingMS   float64  `json:"slowest_sampling_ms"`
	QueueAsked   uint32   `json:"queue_asked"`
	QueueGranted uint32   `json:"queue_granted"`
	Warnings     []string `json:"warnings,omitempty"`
}

// showLimits puts what was granted into the health.
func (e *engine) showLimits() {
	var groups []GroupReport
	for _, g := range e.plan.groups {
		if sub := e.subs[g.name]; sub != nil {
			groups = append(groups, describe(sub, e.plan.cover))
		}
	}
	e.src.limits(map[string]any{
		"server": e.granted, "groups": groups, "session_timeout_ms": e.session.Timeout.Milliseconds(),
	})
}

func describe(sub *subscription, cover time.Duration) GroupReport {
	out := GroupReport{
		Group: sub.group.name, Nodes: len(sub.items), PublishingMS: sub.interval.Milliseconds(),
		KeepAliveMS: sub.keepAlive.Milliseconds(), LifetimeMS: sub.life.Milliseconds(),
	}
	for _, it := range sub.items {
		out.SamplingMS = max(out.SamplingMS, milliseconds(it.sample))
		if it.asked > out.QueueAsked {
			out.QueueAsked = it.asked
		}
		if it.asked > 0 && (out.QueueGranted == 0 || it.queue < out.QueueGranted) {
			out.QueueGranted = it.queue
		}
	}
	for _, it := range sub.failed {
		out.Failed = append(out.Failed, it.text()+": "+statusText(it.status))
	}
	for _, u := range sub.unresolved {
		out.Failed = append(out.Failed, u.text()+": "+u.err.Error())
	}
	if out.QueueGranted < out.QueueAsked {
		out.Warnings = append(out.Warnings, fmt.Sprintf(
			"queue of %d instead of %d: an outage of %s is not covered", out.QueueGranted, out.QueueAsked, cover))
	}
	if sub.life > 0 && sub.life < cover {
		out.Warnings = append(out.Warnings, fmt.Sprintf("subscriptions live %s: an outage of %s is not covered", sub.life, cover))
	}
	return out
}
