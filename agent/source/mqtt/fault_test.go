package mqtt_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/pipeline"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/mqtt"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/peertest"
)

const (
	childDir = "LINEWATCH_TEST_CHILD" // folder of the child's journal
	childURL = "LINEWATCH_TEST_BROKER"
	station  = "hamburg/body/line3/st07"
	patience = 90 * time.Second
)

// TestMain lets the test binary be the agent's part that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir, os.Getenv(childURL)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func topics(url string) config.MQTT {
	return config.MQTT{Name: "uns", Broker: url, Topics: []config.MQTTTopic{
		{Match: "plant/line3/count", Payload: "json", Event: "x.test.count", Time: "$.ts"},
	}}
}

// openJournal opens the journal of a folder with a key that is always the same.
func openJournal(ctx context.Context, dir string) (*journal.Journal, error) {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize)))
	return journal.Open(ctx, journal.Options{
		Dir: filepath.Join(dir, "journal"), Quota: 2 << 30, Ballast: -1, Signer: key,
		AgentID: evidence.AgentID(key.Public().(ed25519.PublicKey)), Station: station, Version: "test",
		Logger: slog.New(slog.DiscardHandler),
	})
}

// child runs source, pipeline and journal until it is killed; while it is
// connected it tells on standard output how many leaves the log of the messages has.
func child(dir, url string) error {
	ctx := context.Background()
	j, err := openJournal(ctx, dir)
	if err != nil {
		return err
	}
	p := pipeline.New(pipeline.Options{Journal: j, Station: station, Version: "test"})
	s := mqtt.New(topics(url), mqtt.Options{
		Station: station, AgentID: "a0123456789abcde", Positions: j,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, p.Sink("uns")) }()
	tick := time.NewTicker(100 * time.Millisecond)
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			if s.Health().State == source.StateConnected {
				fmt.Println(size(j), s.Health().Repeats)
			}
		}
	}
}

func size(j *journal.Journal) (n uint64) {
	for _, l := range j.Logs() {
		if l.Class == event.Manufacturing {
			n = l.Size
		}
	}
	return n
}

// victim is a running child.
type victim struct {
	cmd     *exec.Cmd
	sizes   chan uint64
	done    chan struct{}
	repeats atomic.Uint64 // recognised by this process
}

func startChild(t testing.TB, dir, url string) *victim {
	t.Helper()
	v := &victim{cmd: exec.Command(os.Args[0]), sizes: make(chan uint64, 1), done: make(chan struct{})}
	v.cmd.Env = append(os.Environ(), childDir+"="+dir, childURL+"="+url)
	v.cmd.Stderr = t.Output()
	out, err := v.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, v.cmd.Start())
	go func() {
		defer close(v.done)
		for in := bufio.NewScanner(out); in.Scan(); {
			var n, repeats uint64
			if _, err := fmt.Sscan(in.Text(), &n, &repeats); err != nil {
				continue
			}
			v.repeats.Store(repeats)
			select { // keep the newest
			case <-v.sizes:
			default:
			}
			v.sizes <- n
		}
		_ = v.cmd.Wait() // it is always killed
	}()
	t.Cleanup(v.kill)
	return v
}

func (v *victim) kill() {
	_ = v.cmd.Process.Kill()
	<-v.done
}

// reach waits until the log has so many leaves.
func (v *victim) reach(t testing.TB, want uint64) {
	t.Helper()
	deadline := time.After(patience)
	var last uint64
	for last < want {
		select {
		case last = <-v.sizes:
		case <-v.done:
			t.Fatal("the child ended")
		case <-deadline:
			t.Fatalf("%d of %d leaves", last, want)
		}
	}
}

// subscribed waits until the child is connected and the broker keeps for it.
func (v *victim) subscribed(t testing.TB) {
	t.Helper()
	select {
	case <-v.sizes:
	case <-v.done:
		t.Fatal("the child ended")
	case <-time.After(patience):
		t.Fatal("the child did not connect")
	}
}

// numbers reads the journal and counts how often each message is in it; other
// events are returned by type.
func numbers(t testing.TB, dir string) (counts map[int]int, others map[string][]*event.Event) {
	t.Helper()
	j, err := openJournal(t.Context(), dir)
	require.NoError(t, err)
	defer j.Close()
	counts, others = map[int]int{}, map[string][]*event.Event{}
	for _, l := range j.Logs() {
		for at := l.Kept; at < l.Size; {
			seg, err := j.Next(t.Context(), l.ID, at, 1<<20)
			require.NoError(t, err)
			for _, leaf := range seg.Leaves {
				e, _, err := event.Parse(leaf)
				require.NoError(t, err)
				if e.Type != "x.test.count" {
					others[e.Type] = append(others[e.Type], e)
					continue
				}
				var data struct{ N int }
				require.NoError(t, json.Unmarshal(e.Data, &data))
				counts[data.N]++
			}
			at += seg.Header.Count
		}
	}
	return counts, others
}

// flood publishes numbered messages at a rate and calls at for some numbers.
func flood(t testing.TB, url string, from, to, perSecond int, at map[int]func()) {
	t.Helper()
	client := paho.NewClient(paho.NewClientOptions().AddBroker(url).SetClientID("flood").SetMessageChannelDepth(10000))
	token := client.Connect()
	require.True(t, token.WaitTimeout(patience))
	require.NoError(t, token.Error())
	defer client.Disconnect(1000)
	var tokens []paho.Token
	begin := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := from; n < to; {
		<-tick.C
		for due := from + int(time.Since(begin).Seconds()*float64(perSecond)); n < min(due, to); n++ {
			if act := at[n]; act != nil {
				act()
			}
			payload := fmt.Sprintf(`{"n":%d,"ts":%d}`, n, time.Now().UnixMilli())
			tokens = append(tokens, client.Publish("plant/line3/count", 1, false, payload))
		}
	}
	for _, token := range tokens {
		require.True(t, token.WaitTimeout(patience))
		require.NoError(t, token.Error())
	}
}

func TestFifteenThousandMessagesSurviveThreeKillsEachStoredOnce(t *testing.T) {
	survive(t, "max_queued_messages 100000", 15000, 2000)
}

func TestRepeatsOfAWideWindowAreRecognisedAfterAKill(t *testing.T) {
	repeats := survive(t, "max_queued_messages 100000\nmax_inflight_messages 2000", 20000, 10000)
	t.Logf("%d repeats recognised", repeats)
}

// survive floods while the agent's part is killed three times and wants every
// message stored once; it returns how many repeats were recognised.
func survive(t *testing.T, limits string, messages, perSecond int) (repeats uint64) {
	t.Helper()
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: limits})
	dir := t.TempDir()
	v := startChild(t, dir, b.URL)
	v.subscribed(t)
	again := func() {
		v.kill()
		repeats += v.repeats.Load()
		v = startChild(t, dir, b.URL)
	}
	flood(t, b.URL, 0, messages, perSecond, map[int]func(){messages / 5: again, messages / 2: again, messages * 3 / 4: again})
	v.reach(t, uint64(messages))
	settle(v)
	v.kill()
	counts, others := numbers(t, dir)
	require.Len(t, counts, messages)
	for n, times := range counts {
		require.Equal(t, 1, times, "message %d", n)
	}
	require.Empty(t, others[event.TypeAuditGap])
	return repeats + v.repeats.Load()
}

// settle waits until nothing comes any more.
func settle(v *victim) {
	last := uint64(0)
	for quiet := 0; quiet < 10; {
		select {
		case n := <-v.sizes:
			if quiet++; n != last {
				last, quiet = n, 0
			}
		case <-v.done:
			return
		}
	}
}

func TestWhatABrokerWithDefaultLimitsDropsIsAGapAndTheRestIsStoredOnce(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "sys_interval 1"})
	dir := t.TempDir()
	v := startChild(t, dir, b.URL)
	v.subscribed(t)
	flood(t, b.URL, 0, 100, 2000, nil)
	v.reach(t, 101)
	v.kill()
	flood(t, b.URL, 100, 4000, 2000, nil)
	v = startChild(t, dir, b.URL)
	v.reach(t, 1000)
	var counts map[int]int
	lost := 0
	// The broker publishes its counter once a second: the gaps add up.
	for deadline := time.Now().Add(patience); len(counts)+lost < 4000 && time.Now().Before(deadline); {
		settle(v)
		v.kill()
		var others map[string][]*event.Event
		counts, others = numbers(t, dir)
		lost = declared(t, others[event.TypeAuditGap])
		v = startChild(t, dir, b.URL)
	}
	require.NotZero(t, lost)
	require.Equal(t, 4000, len(counts)+lost, "stored and declared lost are all")
	for n, times := range counts {
		require.Equal(t, 1, times, "message %d", n)
	}
}

// declared adds up what gaps say is lost.
func declared(t testing.TB, gaps []*event.Event) (sum int) {
	t.Helper()
	for _, e := range gaps {
		var gap struct {
			Count    int
			Cause    string
			From, To time.Time
		}
		require.NoError(t, json.Unmarshal(e.Data, &gap))
		require.Contains(t, gap.Cause, "queue was full")
		require.True(t, gap.From.Before(gap.To))
		sum += gap.Count
	}
	return sum
}

func TestAPoisonedMessageIsQuarantinedAndTheEightHundredGoodOnesStored(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 10000"})
	dir := t.TempDir()
	v := startChild(t, dir, b.URL)
	v.subscribed(t)
	client := paho.NewClient(paho.NewClientOptions().AddBroker(b.URL).SetClientID("poison"))
	token := client.Connect()
	require.True(t, token.WaitTimeout(patience))
	defer client.Disconnect(100)
	poison := map[string]string{
		`{"a":"\u0000"}`: "NUL", "{\"a\":\"\x00\"}": "NUL", "{\"a\":\"\xff\"}": "UTF-8", `{"a":NaN}`: "byte",
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000): "deep",
		`{"a":"` + strings.Repeat("x", 1_000_000) + `"}`:      "larger than 64 KiB",
		`{"a":"` + strings.Repeat("x", 3<<20) + `"}`:          "longer than the largest",
		`{"a":1,"a":2}`: "twice", "": "empty",
	}
	send := func(payload string) {
		token := client.Publish("plant/line3/count", 1, false, payload)
		require.True(t, token.WaitTimeout(patience))
		require.NoError(t, token.Error())
	}
	n := 0
	for text := range poison {
		for range 800 / len(poison) {
			send(fmt.Sprintf(`{"n":%d}`, n))
			n++
		}
		send(text)
	}
	for ; n < 800; n++ {
		send(fmt.Sprintf(`{"n":%d}`, n))
	}
	v.reach(t, 801)
	settle(v)
	v.kill()
	counts, others := numbers(t, dir)
	require.Len(t, counts, 800)
	require.Len(t, others[event.TypeIngestQuarantined], len(poison))
	reasons := ""
	for _, e := range others[event.TypeIngestQuarantined] {
		var data struct{ Reason, Sample, Item string }
		require.NoError(t, json.Unmarshal(e.Data, &data))
		require.NotEmpty(t, data.Reason)
		require.Equal(t, "plant/line3/count", data.Item)
		require.LessOrEqual(t, len(data.Sample), 2048)
		reasons += data.Reason + "\n"
	}
	for _, want := range poison {
		require.Contains(t, reasons, want)
	}
}
