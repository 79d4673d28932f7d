package forward

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// person is the identity of a test: the pinned cosigners, and the answers taken.
type person struct {
	keys []evidence.CosignerKey

	mu      sync.Mutex
	answers []wire.StatusResponse
}

func (p *person) Cosigners() []evidence.CosignerKey { return p.keys }

func (p *person) TakeStatus(_ context.Context, a wire.StatusResponse) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = append(p.answers, a)
	return nil
}

func (p *person) taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.answers)
}

// rig is one journal, one aggregator and the forwarder between them.
type rig struct {
	t    *testing.T
	jo   journal.Options
	j    *journal.Journal
	agg  *wiretest.Aggregator
	id   *person
	fo   Options
	f    *Forwarder
	stop func()
}

func newRig(t *testing.T) *rig {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	r := &rig{t: t, agg: wiretest.NewAggregator(t, "plant")}
	r.jo = journal.Options{
		Dir: filepath.Join(t.TempDir(), "journal"), MaxFile: 1 << 20, Quota: 1 << 30, Ballast: -1, ScrubRate: -1,
		Signer: key, AgentID: evidence.AgentID(key.Public().(ed25519.PublicKey)), Station: "plant/line/st01", Version: "test",
	}
	r.openJournal()
	r.id = &person{keys: []evidence.CosignerKey{r.agg.Cosigner()}}
	r.fo = Options{
		Client: r.agg.Client(), URLs: []string{r.agg.URL}, Identity: r.id, AgentID: r.jo.AgentID, Station: r.jo.Station,
		MaxBackoff: 50 * time.Millisecond, Timeout: 5 * time.Second,
	}
	return r
}

func (r *rig) openJournal() {
	var err error
	r.j, err = journal.Open(r.t.Context(), r.jo)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { r.j.Close() })
}

// start runs the forwarder until stop or the test's end.
func (r *rig) start() {
	r.fo.Journal = r.j
	r.f = New(r.fo)
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.f.Run(ctx) }()
	var once sync.Once
	r.stop = func() { once.Do(func() { cancel(); require.NoError(r.t, <-done) }) }
	r.t.Cleanup(r.stop)
}

func (r *rig) add(class event.Class, first, count int) {
	r.t.Helper()
	leaves := make([]journal.Leaf, count)
	for i := range leaves {
		leaves[i] = journal.Leaf{Class: class, Bytes: fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, first+i, strings.Repeat("x", 180))}
	}
	_, err := r.j.Append(r.t.Context(), leaves, nil)
	require.NoError(r.t, err)
}

func (r *rig) log(class event.Class) journal.LogInfo {
	r.t.Helper()
	for _, l := range r.j.Logs() {
		if l.Class == class && l.State == "active" {
			return l
		}
	}
	r.t.Fatalf("no log of class %s", class)
	return journal.LogInfo{}
}

// caughtUp waits until all logs are receipted and compares every size.
func (r *rig) caughtUp() {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.j.Backlog() == 0 }, 20*time.Second, 5*time.Millisecond)
	for _, l := range r.j.Logs() {
		if l.State == "active" {
			require.Len(r.t, r.agg.Leaves(l.Origin), int(l.Size), l.Origin)
		}
	}
}

// numbers are the n of the test leaves stored of a log, in order.
func (r *rig) numbers(origin string) []int {
	var out []int
	for _, l := range r.agg.Leaves(origin) {
		var n int
		if _, err := fmt.Sscanf(string(l), `{"n":%d,`, &n); err == nil {
			out = append(out, n)
		}
	}
	return out
}

func TestCommitsArriveAtOnceAndAreReceipted(t *testing.T) {
	r := newRig(t)
	r.start()
	for n := range 20 {
		r.add(event.Manufacturing, n, 1)
		r.add(event.Security, n, 1)
	}
	r.caughtUp()
	got := r.numbers(r.log(event.Manufacturing).Origin)
	require.Len(t, got, 20)
	require.IsIncreasing(t, got)
	reg := r.agg.Registration(r.log(event.Security).Origin)
	require.NotEmpty(t, reg.Proof)
	require.Equal(t, "new", reg.Reason)
	require.Eventually(t, func() bool { return r.id.taken() > 0 }, 5*time.Second, time.Millisecond)
	st := r.agg.Statuses()[0]
	require.Equal(t, r.jo.AgentID, st.AgentID)
	require.NotEmpty(t, st.BootID)
	require.Less(t, r.f.Stat().ClockOffset.Abs(), time.Second)
}

func TestABacklogOfSeveralFilesIsCaughtUpAfterAnOutage(t *testing.T) {
	r := newRig(t)
	r.agg.Set(wiretest.Faults{Down: true})
	r.start()
	for n := 0; n < 20000; n += 500 {
		r.add(event.Manufacturing, n, 500)
	}
	r.add(event.Security, 0, 5)
	r.agg.Set(wiretest.Faults{})
	r.caughtUp()
	got := r.numbers(r.log(event.Manufacturing).Origin)
	require.Len(t, got, 20000)
	require.IsIncreasing(t, got)
}

func TestMisbehavingAggregatorsLoseNothingAndHealingIsEnough(t *testing.T) {
	for name, f := range map[string]wiretest.Faults{
		"down": {Down: true}, "too many": {TooMany: 1}, "unavailable": {Unavailable: true}, "busy": {Busy: true},
		"answer lost": {LoseAnswer: true}, "fewer results": {FewerResults: true}, "garbage": {Garbage: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.agg.Set(f)
			r.start()
			r.add(event.Manufacturing, 0, 10)
			before := r.agg.Requests()
			require.Eventually(t, func() bool { return r.agg.Requests() > before+1 }, 10*time.Second, time.Millisecond)
			require.NotZero(t, r.j.Backlog())
			r.agg.Set(wiretest.Faults{})
			r.caughtUp()
			require.Len(t, r.numbers(r.log(event.Manufacturing).Origin), 10)
		})
	}
}

func TestNothingIsReceiptedByAKeyNobodyPinned(t *testing.T) {
	r := newRig(t)
	r.agg.Set(wiretest.Faults{WrongReceipt: true})
	r.start()
	r.add(event.Manufacturing, 0, 10)
	r.agg.WaitSize(t, r.log(event.Manufacturing).Origin, 11)
	require.Eventually(t, func() bool { return r.f.Stat().BadReceipts > 0 }, 5*time.Second, time.Millisecond)
	require.Zero(t, r.log(event.Manufacturing).Receipted)
}

func TestAnAggregatorFromAnOldBackupIsRefilled(t *testing.T) {
	r := newRig(t)
	r.start()
	for n := range 50 {
		r.add(event.Manufacturing, n*10, 10)
	}
	r.caughtUp()
	origin := r.log(event.Manufacturing).Origin
	r.agg.Rollback(origin, 100)
	r.add(event.Manufacturing, 500, 10)
	r.agg.WaitSize(t, origin, 511)
	r.caughtUp()
	got := r.numbers(origin)
	require.Len(t, got, 510)
	require.IsIncreasing(t, got)
	require.Equal(t, origin, r.log(event.Manufacturing).Origin, "no successor is needed")
	require.Contains(t, joined(r.agg.Leaves(r.log(event.Security).Origin)), `"log.restored"`)
}

func TestAnAggregatorRestoredWhileNothingIsSentIsRefilledToo(t *testing.T) {
	r := newRig(t)
	r.fo.StatusEvery, r.fo.CompareEvery = 10*time.Millisecond, 20*time.Millisecond
	r.start()
	for n := range 30 {
		r.add(event.Manufacturing, n*10, 10)
	}
	r.caughtUp()
	origin := r.log(event.Manufacturing).Origin
	r.agg.Rollback(origin, 50)
	r.agg.WaitSize(t, origin, 301)
	require.Len(t, r.numbers(origin), 300)
}

func TestAnAggregatorThatSaysItWasRestoredIsComparedAtOnce(t *testing.T) {
	r := newRig(t)
	r.fo.StatusEvery, r.fo.CompareEvery = 10*time.Millisecond, time.Hour
	r.start()
	for n := range 30 {
		r.add(event.Manufacturing, n*10, 10)
	}
	r.caughtUp()
	origin := r.log(event.Manufacturing).Origin
	before := len(r.agg.Statuses())
	r.agg.Wait(t, "a status before the restore", func() bool { return len(r.agg.Statuses()) > before+1 })
	r.agg.Rollback(origin, 50)
	r.agg.Answer(wire.StatusResponse{Restored: "yesterday"})
	r.agg.WaitSize(t, origin, 301)
	require.Len(t, r.numbers(origin), 300)
}

func joined(leaves [][]byte) string {
	var b strings.Builder
	for _, l := range leaves {
		b.Write(l)
		b.WriteByte('\n')
	}
	return b.String()
}

func TestTheNextAddressIsTakenWhenOneIsDown(t *testing.T) {
	r := newRig(t)
	r.fo.URLs = []string{"https://127.0.0.1:1", r.agg.URL}
	r.start()
	r.add(event.Security, 0, 3)
	r.caughtUp()
	require.Equal(t, r.agg.URL, r.f.Stat().URL)
}

func TestAnIndependentAggregatorGetsEverythingThatIsKept(t *testing.T) {
	r := newRig(t)
	r.start()
	r.add(event.Manufacturing, 0, 100)
	r.caughtUp()
	r.stop()
	other := wiretest.NewAggregator(t, "plant") // same key, empty: restored from nothing
	r.agg, r.fo.Client, r.fo.URLs = other, other.Client(), []string{other.URL}
	r.start()
	r.add(event.Manufacturing, 100, 1)
	origin := r.log(event.Manufacturing).Origin
	r.agg.WaitSize(t, origin, 102)
	require.Len(t, r.numbers(origin), 101)
}
