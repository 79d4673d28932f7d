package opcua

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/opcua/secure"
)

func TestASequenceNumberOfZeroEndsTheConnectionAndNotTheAgent(t *testing.T) {
	e, err := New(insecure("opc.tcp://127.0.0.1:1", stepNodes(1)...), Options{PKI: t.TempDir()}).prepare()
	require.NoError(t, err)
	sub := &subscription{group: e.plan.groups[0], id: 1, next: 1<<31 + 1}
	err = e.accept(t.Context(), nil, sub, &ua.NotificationMessage{SequenceNumber: 0})
	var refused *secure.Malformed
	require.ErrorAs(t, err, &refused)
}

func TestATextIsCutBetweenCharactersAndToldOnce(t *testing.T) {
	got, problems := value(ua.MustVariant("x" + strings.Repeat("ä", maxText)))
	require.Len(t, problems, 1)
	require.Contains(t, problems[0].Reason, "cut")
	require.NotContains(t, got, "\ufffd")
}

func TestAServerThatNeverFinishesItsAnswerToBrowseIsLeft(t *testing.T) {
	again := []*ua.BrowseResult{{ContinuationPoint: []byte{1}}}
	f := finder{seen: map[string]bool{}}
	err := f.all(again, func([][]byte) ([]*ua.BrowseResult, error) { return again, nil })
	require.ErrorContains(t, err, "nothing new")
}

func TestConditionsAreForgottenBeforeTheyFillTheMemory(t *testing.T) {
	a := &notifier{known: map[string]condition{}}
	a.remember("stands", condition{Active: true})
	gone := 0
	for n := range 3 * maxConditions {
		gone += len(a.remember(fmt.Sprint("went ", n), condition{}))
		require.LessOrEqual(t, len(a.known), maxConditions)
	}
	require.Contains(t, a.known, "stands")
	for n := range 3 * maxConditions {
		gone += len(a.remember(fmt.Sprint("came ", n), condition{Active: true}))
		require.LessOrEqual(t, len(a.known), maxConditions)
	}
	require.Equal(t, 6*maxConditions+1, gone+len(a.known), "what is forgotten is named, to leave the positions too")
}

func TestWatchingFreesItsSession(t *testing.T) {
	t.Parallel()
	server := startLine(t, map[string]any{"variables": 2, "every": 100})
	before := server.ask(t, "count")["sessions"]
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	seen := 0
	require.NoError(t, Watch(ctx, insecure(server.Endpoint, stepNodes(2)...), Options{PKI: server.PKI}, func(source.Reading) {
		if seen++; seen == 3 {
			stop()
		}
	}))
	require.GreaterOrEqual(t, seen, 3)
	require.Equal(t, before, server.ask(t, "count")["sessions"], "equipment has few sessions")
}

// A node that was tried again while the connection broke must not be forgotten.
func TestNodesThatFailedAreStillTriedAfterTheConnectionBrokeMeanwhile(t *testing.T) {
	t.Parallel()
	server := startLine(t, map[string]any{"variables": 1})
	cfg := insecure(server.Endpoint,
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Nowhere", As: "nowhere"},
		config.OPCUANode{Path: "/Objects/v:Line1/v:Nobody", As: "nobody"},
	)
	require.NoError(t, visit(t.Context(), cfg, Options{PKI: server.PKI}, func(e *engine, ch *channel) error {
		go e.out.run(t.Context(), newRecord())
		sub := &subscription{group: e.plan.groups[0]}
		e.subs["g"] = sub
		require.NoError(t, e.create(t.Context(), ch, sub))
		require.Len(t, sub.failed, 1)
		require.Len(t, sub.unresolved, 1)
		ch.close()
		require.Error(t, e.retryFailed(t.Context(), ch, sub))
		require.Len(t, sub.failed, 1)
		require.Len(t, sub.unresolved, 1)
		require.NotZero(t, sub.id)
		sub.unresolved = nil
		require.Error(t, e.retryFailed(t.Context(), ch, sub))
		require.Len(t, sub.failed, 1)
		require.Zero(t, sub.id, "the server may have made the item: what it sends can't be told apart any more")
		return nil
	}))
}

// What can't be read would come again with each Republish: it must not stop the rest.
func TestANotificationThatCannotBeReadIsAGapAndTheNextIsTaken(t *testing.T) {
	e, err := New(insecure("opc.tcp://127.0.0.1:1", stepNodes(1)...), Options{PKI: t.TempDir()}).prepare()
	require.NoError(t, err)
	sub := &subscription{group: e.plan.groups[0], id: 7, next: 4, items: map[uint32]*item{
		1: {point: &source.Point{Item: "alarms"}, alarm: &notifier{}},
		2: {point: &source.Point{Item: "step"}, node: &node{}},
	}}
	values := func(handle uint32) *ua.ExtensionObject {
		return ua.NewExtensionObject(&ua.DataChangeNotification{MonitoredItems: []*ua.MonitoredItemNotification{
			{ClientHandle: handle, Value: &ua.DataValue{Value: ua.MustVariant(int32(handle))}},
		}})
	}
	var broken *ua.DataChangeNotification
	for i, data := range []*ua.ExtensionObject{{Value: broken}, values(1), values(2)} {
		msg := &ua.NotificationMessage{SequenceNumber: uint32(4 + i), PublishTime: time.Now(), NotificationData: []*ua.ExtensionObject{data}}
		require.NoError(t, e.accept(t.Context(), nil, sub, msg))
	}
	require.EqualValues(t, 7, sub.next)
	gap := <-e.out.in
	require.Len(t, gap.readings, 1)
	require.Equal(t, "audit.gap", gap.readings[0].Occurrence.Type)
	require.EqualValues(t, 4, gap.readings[0].Occurrence.Data["firstSequence"])
	require.EqualValues(t, 4, gap.acks[0].SequenceNumber)
	require.Empty(t, (<-e.out.in).readings, "a value for an item that only has events")
	last := <-e.out.in
	require.Len(t, last.readings, 1)
	require.Equal(t, int64(2), last.readings[0].Value)
}

func TestOnlyConditionsThatStandAreKeptAndOnlyThoseOfConfiguredNotifiersComeBack(t *testing.T) {
	a := &notifier{text: "i=2253", known: map[string]condition{}}
	work := taking{set: map[string][]byte{}}
	work.keep(a, "level", condition{Active: true, Severity: 500}, true)
	stored := maps.Clone(work.set)
	require.Len(t, stored, 1)
	work.keep(a, "level", condition{Acked: true}, true)
	require.Len(t, work.set, 1, "somebody has to confirm it")
	work.keep(a, "level", condition{Acked: true}, false)
	require.Empty(t, work.set)
	require.Equal(t, slices.Collect(maps.Keys(stored)), work.drop)

	sink := newRecord()
	sink.positions = stored
	sink.positions[conditionPrefix+"damaged"] = []byte("{")
	cfg := insecure("opc.tcp://127.0.0.1:1")
	for notifier, stale := range map[string]int{"i=2253": 1, "i=85": 2} {
		cfg.Alarms = []config.OPCUAAlarms{{Notifier: notifier}}
		e, err := New(cfg, Options{PKI: t.TempDir(), Positions: sink}).prepare()
		require.NoError(t, err)
		require.Len(t, e.stale, stale)
		require.Len(t, e.plan.group(alarmsGroup).alarms[0].known, 2-stale)
	}
}
