package opcua

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/source"
)

// subscription is one group as it lives in the server.
type subscription struct {
	group     *group
	id        uint32 // 0 = none in the server
	was       uint32 // the id before it was lost
	changed   bool   // it was another configuration's
	next      uint32 // sequence number expected
	interval  time.Duration
	keepAlive time.Duration
	life      time.Duration
	heard     time.Time // when the server last spoke of it

	items      map[uint32]*item // accepted by the server, by client handle
	failed     []*item          // refused by the server, tried again
	unresolved []unresolved     // not found in the server, tried again

	last time.Time // newest source time taken
	seen time.Time // newest publish time taken
	gap  *gap      // to be told before the next data
	// restarted: the next data repeats what is current.
	restarted bool
}

// item is one monitored variable or event notifier.
type item struct {
	handle uint32
	id     *ua.NodeID
	node   *node     // nil for alarms
	alarm  *notifier // nil for variables
	point  *source.Point
	last   time.Time // newest source time
	status ua.StatusCode
	queue  uint32
	asked  uint32
	sample time.Duration
}

// unresolved is a configured line that the server does not have now.
type unresolved struct {
	node  *node     // or
	alarm *notifier // one of them
	err   error
}

func (u unresolved) text() string {
	if u.alarm != nil {
		return u.alarm.text
	}
	return u.node.text()
}

// create makes a subscription with all its items in the server.
func (e *engine) create(ctx context.Context, ch *channel, sub *subscription) error {
	g := sub.group
	keepAlive, life := e.plan.lifetime(g.publishing)
	res, err := call[*ua.CreateSubscriptionResponse](ctx, ch, &ua.CreateSubscriptionRequest{
		RequestedPublishingInterval: milliseconds(g.publishing), RequestedMaxKeepAliveCount: keepAlive,
		RequestedLifetimeCount: life, MaxNotificationsPerPublish: maxBatch, PublishingEnabled: true,
	}, requestTimeout)
	if err != nil {
		return fmt.Errorf("group %s: %w", g.name, err)
	}
	sub.id, sub.next, sub.heard, sub.restarted = res.SubscriptionID, 1, e.now(), true
	sub.interval = time.Duration(res.RevisedPublishingInterval * float64(time.Millisecond))
	sub.keepAlive = sub.interval * time.Duration(res.RevisedMaxKeepAliveCount)
	sub.life = sub.interval * time.Duration(res.RevisedLifetimeCount)
	all, err := e.resolve(ctx, ch, sub)
	if err != nil {
		return err
	}
	sub.items, sub.failed = map[uint32]*item{}, nil
	if _, err := e.monitor(ctx, ch, sub, all); err != nil {
		return err
	}
	e.warnLimits(sub)
	return e.refreshConditions(ctx, ch, sub)
}

// monitor asks the server to watch items, in portions as large as it allows. What
// it refuses goes to sub.failed; the good ones go on. It returns the server's time.
func (e *engine) monitor(ctx context.Context, ch *channel, sub *subscription, items []*item) (time.Time, error) {
	at := e.now()
	var told []source.Reading
	defer func() { e.tellItems(ctx, told) }()
	for portion := range slices.Chunk(items, e.granted.portion(e.granted.ItemsPerCall)) {
		req := &ua.CreateMonitoredItemsRequest{SubscriptionID: sub.id, TimestampsToReturn: ua.TimestampsToReturnBoth}
		for _, it := range portion {
			req.ItemsToCreate = append(req.ItemsToCreate, e.itemRequest(sub.group, it))
		}
		res, err := call[*ua.CreateMonitoredItemsResponse](ctx, ch, req, requestTimeout)
		if err != nil {
			return at, fmt.Errorf("group %s: %w", sub.group.name, err)
		}
		if len(res.Results) != len(portion) {
			return at, fmt.Errorf("group %s: CreateMonitoredItems: %d results for %d items", sub.group.name, len(res.Results), len(portion))
		}
		if t := res.Header().Timestamp; t.Year() > 1970 {
			at = t
		}
		for i, it := range portion {
			told = append(told, e.created(sub, it, res.Results[i])...)
		}
	}
	return at, nil
}

// created notes what the server made of one item; a refusal that is new comes
// back as a reading to be told.
func (e *engine) created(sub *subscription, it *item, res *ua.MonitoredItemCreateResult) []source.Reading {
	if res.StatusCode != ua.StatusOK {
		if it.status != res.StatusCode {
			e.log.Warn("node not monitored, trying again later", "node", it.text(), "group", sub.group.name, "status", statusText(res.StatusCode))
		}
		it.status = res.StatusCode
		sub.failed = append(sub.failed, it)
		return e.itemFailed("watch", it.text(), sub.group.name, statusText(res.StatusCode))
	}
	e.itemWorks("watch", it.text())
	it.status, it.queue = ua.StatusOK, res.RevisedQueueSize
	it.sample = time.Duration(res.RevisedSamplingInterval * float64(time.Millisecond))
	sub.items[it.handle] = it
	return nil
}

func (e *engine) itemRequest(g *group, it *item) *ua.MonitoredItemCreateRequest {
	if it.alarm != nil {
		return alarmRequest(it)
	}
	sampling := milliseconds(g.sampling)
	if g.sampling < everyChange {
		sampling = 0
	}
	it.asked = e.plan.queueSize(g, it.node)
	parameters := &ua.MonitoringParameters{
		ClientHandle: it.handle, SamplingInterval: sampling, QueueSize: it.asked, DiscardOldest: true,
	}
	if it.node.cfg.Deadband > 0 {
		const absolute = 1
		parameters.Filter = ua.NewExtensionObject(&ua.DataChangeFilter{
			Trigger: ua.DataChangeTriggerStatusValue, DeadbandType: absolute, DeadbandValue: it.node.cfg.Deadband,
		})
	}
	return &ua.MonitoredItemCreateRequest{
		ItemToMonitor:       &ua.ReadValueID{NodeID: it.id, AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}},
		MonitoringMode:      ua.MonitoringModeReporting,
		RequestedParameters: parameters,
	}
}

// text names an item for people.
func (it *item) text() string { return it.point.Item }

// resolve finds the nodes of a group in the server as it counts its namespaces
// now. Handles are made of the names, so that an agent that was killed knows the
// items of its living subscription without having written them down.
func (e *engine) resolve(ctx context.Context, ch *channel, sub *subscription) ([]*item, error) {
	var all []unresolved
	for _, n := range sub.group.nodes {
		all = append(all, unresolved{node: n})
	}
	for _, a := range sub.group.alarms {
		all = append(all, unresolved{alarm: a})
	}
	sub.unresolved = nil
	items, err := e.look(ctx, ch, sub, all)
	assignHandles(items)
	return items, err
}

// look finds configured lines; those that the server does not have go to
// sub.unresolved, told once.
func (e *engine) look(ctx context.Context, ch *channel, sub *subscription, lines []unresolved) ([]*item, error) {
	var items []*item
	var told []source.Reading
	defer func() { e.tellItems(ctx, told) }()
	for _, u := range lines {
		found, err := e.find(ctx, ch, u)
		if err == nil {
			e.itemWorks("find", u.text())
			items = append(items, found...)
			continue
		}
		if ctx.Err() != nil || (status(err) != 0 && lostConnection(err)) || errors.Is(err, io.EOF) {
			return nil, err
		}
		if u.err == nil || u.err.Error() != err.Error() {
			e.log.Warn("node not found, trying again later", "node", u.text(), "group", sub.group.name, "error", err)
		}
		u.err = err
		told = append(told, e.itemFailed("find", u.text(), sub.group.name, err.Error())...)
		sub.unresolved = append(sub.unresolved, u)
	}
	return items, nil
}

func assignHandles(items []*item) {
	order := slices.Clone(items)
	slices.SortStableFunc(order, func(a, b *item) int { return strings.Compare(a.key(), b.key()) })
	used := map[uint32]bool{0: true}
	for _, it := range order {
		h := fnv.New32a()
		_, _ = h.Write([]byte(it.key())) // never fails
		handle := h.Sum32()
		for used[handle] {
			handle++
		}
		used[handle] = true
		it.handle = handle
	}
}

func (it *item) key() string {
	if it.alarm != nil {
		return "alarm|" + it.alarm.text
	}
	return fmt.Sprintf("%d|%s", it.node.index, it.point.Item)
}

// find gives the items of one configured line.
func (e *engine) find(ctx context.Context, ch *channel, u unresolved) ([]*item, error) {
	if u.alarm != nil {
		it, err := e.alarmItem(u.alarm)
		return []*item{it}, err
	}
	n := u.node
	if len(n.path) == 0 {
		id, err := n.id.resolve(e.session.Namespaces)
		if err != nil {
			return nil, err
		}
		return []*item{e.newItem(n, id, "", false)}, nil
	}
	found, err := browsePath(ctx, ch, n.path, e.session.Namespaces, e.granted.portion(e.granted.NodesPerBrowse))
	if err != nil {
		return nil, err
	}
	var items []*item
	for _, f := range found {
		if f.class == ua.NodeClassVariable {
			items = append(items, e.newItem(n, f.id, f.name, len(found) > 1))
		}
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("path %s leads to no variable", n.cfg.Path)
	}
	return items, nil
}

// newItem makes the item of one variable. Of several that one path matches each
// gets its own signal: {name} in as: is the browse name, else it is appended.
func (e *engine) newItem(n *node, id *ua.NodeID, name string, many bool) *item {
	p := n.template
	p.Item = uriForm(id, e.session.Namespaces)
	switch {
	case strings.Contains(p.Signal, "{name}"):
		p.Signal = strings.ReplaceAll(p.Signal, "{name}", name)
	case many && p.Signal != "":
		p.Signal += "." + name
	}
	return &item{id: id, node: n, point: &p}
}

// warnLimits says where the server grants a shorter memory than asked for.
func (e *engine) warnLimits(sub *subscription) {
	cut, smallest := 0, uint32(0)
	for _, it := range sub.items {
		if it.queue < it.asked {
			cut++
			if smallest == 0 || it.queue < smallest {
				smallest = it.queue
			}
		}
	}
	if cut > 0 {
		e.log.Warn("the server's queues are shorter than cover_outage needs", "group", sub.group.name, "nodes", cut, "queue", smallest)
	}
	if sub.life > 0 && sub.life < e.plan.cover {
		e.log.Warn("the server keeps subscriptions shorter than cover_outage", "group", sub.group.name, "lifetime", sub.life)
	}
	e.showLimits()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
