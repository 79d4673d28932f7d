package opcua

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// alarmPublishing is the pace of the alarms' subscription.
const alarmPublishing = 500 * time.Millisecond

// notifier is one object whose alarms and conditions are listened to.
type notifier struct {
	text        string
	ref         nodeRef
	minSeverity int
	// known is the last state of each condition, to tell what changed.
	known map[string]condition
	// refreshing is set between RefreshStart and RefreshEnd.
	refreshing bool
}

// compileAlarms makes the group of all notifiers; nil when there is none.
func compileAlarms(cfg config.OPCUA) (*group, error) {
	if len(cfg.Alarms) == 0 {
		return nil, nil
	}
	g := &group{
		name: alarmsGroup, sampling: everyChange, publishing: alarmPublishing, events: true, hash: digest(cfg.Alarms),
	}
	var errs []error
	for i, a := range cfg.Alarms {
		ref, err := parseNodeRef(a.Notifier)
		if err != nil {
			errs = append(errs, fmt.Errorf("alarms, entry %d: notifier: %w", i+1, err))
			continue
		}
		if a.MinSeverity < 0 || a.MinSeverity > 1000 {
			errs = append(errs, fmt.Errorf("alarms, entry %d: min_severity %d: expected 0 to 1000", i+1, a.MinSeverity))
		}
		g.alarms = append(g.alarms, &notifier{text: a.Notifier, ref: ref, minSeverity: a.MinSeverity, known: map[string]condition{}})
	}
	return g, errors.Join(errs...)
}

// field is one selected field of an event, in the order of the select clauses.
type field int

const (
	fieldEventID field = iota
	fieldEventType
	fieldSourceName
	fieldTime
	fieldMessage
	fieldSeverity
	fieldConditionID
	fieldConditionName
	fieldBranchID
	fieldRetain
	fieldActive
	fieldAcked
	fieldConfirmed
	fieldComment
	fieldUser
	fieldSuppressed
	fieldShelving
	fieldCount
)

// clauses are the select clauses of the fields above.
func clauses() []*ua.SimpleAttributeOperand {
	value := func(typ uint32, path ...string) *ua.SimpleAttributeOperand {
		operand := &ua.SimpleAttributeOperand{TypeDefinitionID: ua.NewNumericNodeID(0, typ), AttributeID: ua.AttributeIDValue}
		for _, name := range path {
			operand.BrowsePath = append(operand.BrowsePath, &ua.QualifiedName{Name: name})
		}
		return operand
	}
	out := make([]*ua.SimpleAttributeOperand, fieldCount)
	out[fieldEventID] = value(id.BaseEventType, "EventId")
	out[fieldEventType] = value(id.BaseEventType, "EventType")
	out[fieldSourceName] = value(id.BaseEventType, "SourceName")
	out[fieldTime] = value(id.BaseEventType, "Time")
	out[fieldMessage] = value(id.BaseEventType, "Message")
	out[fieldSeverity] = value(id.BaseEventType, "Severity")
	// The condition itself is the node, not a value: empty path, attribute NodeId.
	out[fieldConditionID] = &ua.SimpleAttributeOperand{TypeDefinitionID: ua.NewNumericNodeID(0, id.ConditionType), AttributeID: ua.AttributeIDNodeID}
	out[fieldConditionName] = value(id.ConditionType, "ConditionName")
	out[fieldBranchID] = value(id.ConditionType, "BranchId")
	out[fieldRetain] = value(id.ConditionType, "Retain")
	out[fieldActive] = value(id.AlarmConditionType, "ActiveState", "Id")
	out[fieldAcked] = value(id.AcknowledgeableConditionType, "AckedState", "Id")
	out[fieldConfirmed] = value(id.AcknowledgeableConditionType, "ConfirmedState", "Id")
	out[fieldComment] = value(id.ConditionType, "Comment")
	out[fieldUser] = value(id.ConditionType, "ClientUserId")
	out[fieldSuppressed] = value(id.AlarmConditionType, "SuppressedState", "Id")
	out[fieldShelving] = value(id.AlarmConditionType, "ShelvingState", "CurrentState")
	return out
}

func (e *engine) alarmItem(a *notifier) (*item, error) {
	node, err := a.ref.resolve(e.session.Namespaces)
	if err != nil {
		return nil, fmt.Errorf("alarms, notifier %s: %w", a.text, err)
	}
	p := point(e.plan.cfg, e.src.opts)
	p.Item = uriForm(node, e.session.Namespaces)
	return &item{id: node, alarm: a, point: &p}, nil
}

func alarmRequest(it *item) *ua.MonitoredItemCreateRequest {
	const queue = 10_000 // events, not samples: what a flood may bring during an outage
	return &ua.MonitoredItemCreateRequest{
		ItemToMonitor:  &ua.ReadValueID{NodeID: it.id, AttributeID: ua.AttributeIDEventNotifier, DataEncoding: &ua.QualifiedName{}},
		MonitoringMode: ua.MonitoringModeReporting,
		RequestedParameters: &ua.MonitoringParameters{
			ClientHandle: it.handle, QueueSize: queue, DiscardOldest: true,
			Filter: ua.NewExtensionObject(&ua.EventFilter{SelectClauses: clauses(), WhereClause: &ua.ContentFilter{}}),
		},
	}
}

// refreshConditions asks the server to repeat the alarms that stand: the only
// method that is ever called.
func (e *engine) refreshConditions(ctx context.Context, ch *channel, sub *subscription) error {
	if len(sub.group.alarms) == 0 {
		return nil
	}
	res, err := call[*ua.CallResponse](ctx, ch, &ua.CallRequest{MethodsToCall: []*ua.CallMethodRequest{{
		ObjectID: ua.NewNumericNodeID(0, conditionTypeID), MethodID: ua.NewNumericNodeID(0, conditionRefreshID),
		InputArguments: []*ua.Variant{ua.MustVariant(sub.id)},
	}}}, requestTimeout)
	switch {
	case err != nil && lostConnection(err):
		return err
	case err != nil:
		e.log.Warn("the server repeats no standing alarms", "error", err)
	case len(res.Results) == 1 && res.Results[0].StatusCode != ua.StatusOK:
		e.log.Warn("the server repeats no standing alarms", "status", statusText(res.Results[0].StatusCode))
	}
	return nil
}

// condition is what of an alarm is compared and told.
type condition struct {
	Name      string    `json:"name"`
	Active    bool      `json:"active"`
	Acked     bool      `json:"acked"`
	Confirmed bool      `json:"confirmed"`
	Severity  int64     `json:"severity"`
	ActiveAt  time.Time `json:"active_at,omitzero"`
}

// maxConditions bounds what is remembered of one notifier: some servers make a new
// branch for each time that an alarm comes.
const maxConditions = 10_000

// remember keeps the last state of a condition. When there are too many, those that
// rest go first: they differ from an unknown one only in what is told of their rest.
// It returns the keys of those that it forgot.
func (a *notifier) remember(key string, c condition) (gone []string) {
	if _, known := a.known[key]; !known && len(a.known) >= maxConditions {
		gone = a.forget(func(c condition) bool { return !c.Active })
		if len(gone) == 0 {
			gone = a.forget(func(condition) bool { return true })
		}
	}
	a.known[key] = c
	return gone
}

func (a *notifier) forget(which func(condition) bool) (gone []string) {
	for key, c := range a.known {
		if which(c) {
			gone = append(gone, key)
			delete(a.known, key)
		}
	}
	return gone
}

// keep makes the condition known to a restarted agent, as long as it stands.
func (t *taking) keep(a *notifier, key string, c condition, retained bool) {
	for _, gone := range a.remember(key, c) {
		t.drop = append(t.drop, conditionPosition(a, gone))
	}
	if at := conditionPosition(a, key); c.Active || retained {
		t.set[at] = mustJSON(storedCondition{Notifier: a.text, Key: key, Condition: c})
	} else {
		delete(t.set, at)
		t.drop = append(t.drop, at)
	}
}

func (t *taking) events(n *ua.EventNotificationList) {
	for _, ev := range n.Events {
		if ev == nil {
			continue
		}
		it := t.sub.items[ev.ClientHandle]
		if it == nil || it.alarm == nil || len(ev.EventFields) != int(fieldCount) {
			t.e.log.Debug("event of an unknown item", "handle", ev.ClientHandle)
			continue
		}
		t.event(it, ev.EventFields)
	}
}

func (t *taking) event(it *item, fields []*ua.Variant) {
	get := func(f field) any {
		if fields[f] == nil {
			return nil
		}
		return fields[f].Value()
	}
	if t.special(it, get) {
		return
	}
	key := t.conditionKey(get)
	if key == "" {
		return // an event that is no condition: nothing is configured for it
	}
	a, now := it.alarm, readCondition(get)
	before, known := a.known[key]
	// What was told as coming is told as going, though its severity sinks then.
	if !known && now.Severity < int64(a.minSeverity) {
		return
	}
	at, _ := get(fieldTime).(time.Time)
	if at.IsZero() {
		at = t.at
	}
	t.time(at)
	it.last = at
	now.ActiveAt = before.ActiveAt
	if now.Active && !before.Active {
		now.ActiveAt = at
	}
	retained, _ := get(fieldRetain).(bool)
	t.keep(a, key, now, retained)
	data := map[string]any{
		"source": textOf(get(fieldSourceName)), "condition": now.Name, "conditionId": key, "severity": now.Severity,
		"message": textOf(get(fieldMessage)), "acknowledged": now.Acked, "confirmed": now.Confirmed,
	}
	if s := textOf(get(fieldShelving)); s != "" && s != "Unshelved" {
		data["shelving"] = s
	}
	if known && !before.Acked && now.Acked {
		t.acknowledged(it, get, data, now, at)
	}
	if !known && !now.Active && a.refreshing {
		return // a condition that rests
	}
	if !known || before.Active != now.Active || (now.Active && before.Severity != now.Severity) {
		t.stateChanged(it, get, data, now, at, a.refreshing)
	}
}

// special handles the events that are about the listening itself.
func (t *taking) special(it *item, get func(field) any) bool {
	typ, ok := get(fieldEventType).(*ua.NodeID)
	if !ok || typ == nil || typ.Namespace() != 0 {
		return false
	}
	switch typ.IntID() {
	case id.RefreshStartEventType:
		it.alarm.refreshing = true
	case id.RefreshEndEventType:
		it.alarm.refreshing = false
	case id.EventQueueOverflowEventType:
		t.overflowed(it, t.msg.PublishTime)
	default:
		return false
	}
	return true
}

// conditionKey names a condition, or one branch of it, in a form that a restart of
// the server does not change; "" for an event that is no condition.
func (t *taking) conditionKey(get func(field) any) string {
	node, ok := get(fieldConditionID).(*ua.NodeID)
	if !ok || node == nil || node.String() == "i=0" {
		return ""
	}
	key := uriForm(node, t.e.session.Namespaces)
	if branch, ok := get(fieldBranchID).(*ua.NodeID); ok && branch != nil && branch.String() != "i=0" {
		key += "|" + branch.String()
	}
	return key
}

func readCondition(get func(field) any) condition {
	var c condition
	c.Name = textOf(get(fieldConditionName))
	c.Active, _ = get(fieldActive).(bool)
	c.Acked, _ = get(fieldAcked).(bool)
	c.Confirmed, _ = get(fieldConfirmed).(bool)
	if s, ok := get(fieldSeverity).(uint16); ok {
		c.Severity = int64(s)
	}
	return c
}

func textOf(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case *ua.LocalizedText:
		if x != nil {
			return x.Text
		}
	}
	return ""
}

func (t *taking) stateChanged(it *item, get func(field) any, data map[string]any, now condition, at time.Time, refresh bool) {
	data["state"] = "cleared"
	if now.Active {
		data["state"] = "active"
	}
	if refresh {
		data["refresh"] = true // it stood already when the agent began to listen
	}
	severity := severityOf(now.Severity)
	if !now.Active {
		severity = event.SeverityInfo
	}
	t.raise(it, get, "alarm.state", data, at, &severity, "")
}

// acknowledged: who did it is a person's name and goes only where it becomes a
// pseudonym.
func (t *taking) acknowledged(it *item, get func(field) any, state map[string]any, now condition, at time.Time) {
	data := map[string]any{
		"source": state["source"], "condition": now.Name, "conditionId": state["conditionId"], "severity": now.Severity,
		"comment": textOf(get(fieldComment)),
	}
	if !now.ActiveAt.IsZero() {
		data["latencyMs"] = at.Sub(now.ActiveAt).Milliseconds()
	}
	t.raise(it, get, "alarm.acknowledged", data, at, nil, textOf(get(fieldUser)))
}

func (t *taking) raise(it *item, get func(field) any, name string, data map[string]any, at time.Time, severity *event.Severity, user string) {
	original := ""
	if eventID, ok := get(fieldEventID).([]byte); ok {
		original = fmt.Sprintf("%x", eventID)
	}
	t.readings = append(t.readings, source.Reading{
		Point: it.point, SourceTime: at, ReceivedAt: t.at, Seq: uint64(t.msg.SequenceNumber), OriginalID: original, User: user,
		Occurrence: &source.Occurrence{Type: name, Severity: severity, Data: data},
	})
	t.occurred = true
}

// severityOf maps 1..1000 to the five of an event.
func severityOf(n int64) event.Severity {
	switch {
	case n > 800:
		return event.SeverityCritical
	case n > 600:
		return event.SeverityHigh
	case n > 400:
		return event.SeverityMedium
	case n > 200:
		return event.SeverityLow
	}
	return event.SeverityInfo
}
