package opcua

import (
	"context"
	"fmt"
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
	a.remember("stands", condition{active: true})
	for n := range 3 * maxConditions {
		a.remember(fmt.Sprint("went ", n), condition{})
		require.LessOrEqual(t, len(a.known), maxConditions)
	}
	require.Contains(t, a.known, "stands")
	for n := range 3 * maxConditions {
		a.remember(fmt.Sprint("came ", n), condition{active: true})
		require.LessOrEqual(t, len(a.known), maxConditions)
	}
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
