package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/shared/cli"
)

// output is a log that a test may read while the agent writes it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) { o.mu.Lock(); defer o.mu.Unlock(); return o.b.Write(p) }

func (o *output) String() string { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

// start runs the agent in this process and returns what ends it as systemd does,
// with its exit code.
func (s *station) start() (*output, func() int) {
	s.t.Helper()
	log, code := &output{}, make(chan int, 1)
	go func() {
		code <- cli.Run(newRoot(), []string{"--config", s.path("agent.yaml"), "run"}, strings.NewReader(""), log, log)
	}()
	require.Eventually(s.t, func() bool { return strings.Contains(log.String(), "agent is running") }, 10*time.Second, 2*time.Millisecond)
	ended := sync.OnceValue(func() int {
		self, err := os.FindProcess(os.Getpid())
		require.NoError(s.t, err)
		require.NoError(s.t, self.Signal(syscall.SIGTERM))
		return <-code
	})
	s.t.Cleanup(func() { ended() })
	return log, ended
}

func (s *station) status() agent.Status {
	s.t.Helper()
	var st agent.Status
	require.Eventually(s.t, func() bool {
		return control.Get(s.t.Context(), s.path("data"), "/status", nil, &st) == nil
	}, 10*time.Second, 2*time.Millisecond)
	return st
}

// until waits for a state of the running agent.
func (s *station) until(what string, is func(agent.Status) bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return is(s.status()) }, 10*time.Second, 5*time.Millisecond, what)
}

func TestCommandsOnARunningAndOnAStoppedAgentShowTheSame(t *testing.T) {
	s := newStation(t).enrolled()
	code, tail, errOut := s.run("journal", "tail")
	require.Equal(t, cli.ExitOK, code)
	require.Empty(t, tail)
	require.Contains(t, errOut, "no event yet", "an agent that never ran")
	require.Contains(t, errOut, "linewatch-agent start")
	log, stop := s.start()
	s.until("everything is receipted", func(st agent.Status) bool { return st.Forward.Connected && st.Backlog == 0 })

	require.Contains(t, s.ok("status"), "connected to "+s.office.URL)
	var st agent.Status
	require.NoError(t, json.Unmarshal([]byte(s.ok("status", "--json")), &st))
	require.Contains(t, s.ok("journal", "tail", "-n", "5"), "audit.started")
	require.Contains(t, s.ok("journal", "stat"), "security")
	require.Contains(t, s.ok("journal", "stat"), "signed by key "+s.status().Key.Fingerprint)
	require.Contains(t, s.ok("journal", "verify"), "good")
	require.Contains(t, s.ok("signals"), "SOURCE")
	require.JSONEq(t, "[]", s.ok("signals", "--json"))
	require.Contains(t, s.ok("journal", "export", "--dir", s.path("while-running")), "leaves in")
	s.fails(cli.ExitFailed, []string{"journal", "export", "--dir", s.path("while-running")}, "there already", "empty folder")
	require.True(t, json.Valid([]byte(s.ok("journal", "verify", "--json"))))
	s.fails(cli.ExitFailed, []string{"prepare-image"}, "running", "stop it first")
	s.fails(cli.ExitFailed, []string{"prepare-image", "--force"}, "running", "stop it first")
	s.fails(cli.ExitFailed, []string{"run"}, "in use", s.path("data"))
	require.Contains(t, s.ok("check", "--for", "1ms"), "reached at "+s.office.URL)

	require.Equal(t, cli.ExitOK, stop(), log)
	require.Contains(t, s.ok("journal", "tail"), "audit.stopped")
	require.Contains(t, s.ok("journal", "stat"), "security")
	require.Contains(t, s.ok("journal", "verify"), "good")
	require.True(t, json.Valid([]byte(s.ok("journal", "stat", "--json"))))
	require.True(t, json.Valid([]byte(s.ok("journal", "verify", "--json"))))
	var out exported
	require.NoError(t, json.Unmarshal([]byte(s.ok("journal", "export", "--dir", s.path("out"), "--json")), &out))
	require.Positive(t, out.Leaves)
	require.Equal(t, s.path("out"), out.Dir)
	s.fails(cli.ExitFailed, []string{"status"}, "not running", s.path("data"))
	require.NotContains(t, log.String(), "PRIVATE")
}

func TestPrepareImageKeepsWhatIsNotForwarded(t *testing.T) {
	s := newStation(t).withOffice()
	s.office.Pending(true)
	s.ok("enrol", "--token-file", s.file("token", s.office.Token()))
	_, stop := s.start()
	s.until("it waits", func(st agent.Status) bool { return strings.Contains(st.Admission, "waits for approval") })
	require.Contains(t, s.ok("status"), "not forwarding: waits for approval: linewatch-aggregator agents approve")
	require.Equal(t, cli.ExitOK, stop())
	s.fails(cli.ExitFailed, []string{"prepare-image"}, "not forwarded yet", "--force")
	require.FileExists(t, s.path("data/identity/log.key"))
	require.Contains(t, s.ok("prepare-image", "--force"), "ready to be copied")
	require.NoFileExists(t, s.path("data/identity/log.key"))
	s.fails(cli.ExitFailed, []string{"run"}, "not enrolled")
}

func TestADataFolderMovedToAnotherMachineGoesOnUnderANewIdentity(t *testing.T) {
	s := newStation(t).enrolled()
	before, err := enrol.Load(s.path("data"))
	require.NoError(t, err)
	_, stop := s.start()
	require.Equal(t, cli.ExitOK, stop())
	s.office.Pending(true)
	s.file("agent.yaml", strings.Replace(common, "machine-one", "machine-two", 1))
	log, stop := s.start()
	require.Contains(t, log.String(), "another machine")
	s.until("it waits", func(st agent.Status) bool { return strings.Contains(st.Admission, "waits for approval") })
	require.NotEqual(t, before.AgentID, s.status().AgentID)
	asked := s.office.Asked()
	require.Equal(t, before.AgentID, asked[len(asked)-1].Predecessor)
	require.DirExists(t, s.path("data/identity.replaced-"+before.AgentID))
	require.Equal(t, cli.ExitOK, stop())
}

func TestATooLongDataDirRecordsAndSaysWhatIsMissing(t *testing.T) {
	s := newStation(t).withOffice()
	s.file("agent.yaml", strings.Replace(common, "data_dir: data", "data_dir: "+strings.Repeat("x", 120), 1))
	require.Contains(t, s.ok("check", "--offline"), "choose a shorter data_dir")
	s.ok("enrol", "--token-file", s.file("token", s.office.Token()))
	log, stop := s.start()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "choose a shorter data_dir") }, 10*time.Second, 2*time.Millisecond)
	s.fails(cli.ExitFailed, []string{"status"}, "choose a shorter data_dir")
	s.fails(cli.ExitFailed, []string{"prepare-image", "--force"}, "running")
	require.Equal(t, cli.ExitOK, stop(), "it records without a control channel and stops well")
	require.Contains(t, s.ok("journal", "tail"), "audit.stopped")
}

func TestTheLogKeyIsChangedOnARunningAndOnAStoppedAgentAndTheLogsGoOn(t *testing.T) {
	s := newStation(t).enrolled()
	_, stop := s.start()
	s.until("it forwards", func(st agent.Status) bool { return st.Forward.Connected && st.Backlog == 0 })
	before := s.status()
	var change agent.KeyChange
	require.NoError(t, json.Unmarshal([]byte(s.ok("journal", "rotate-key", "--reason", "test", "--json")), &change))
	require.Equal(t, before.Key.Fingerprint, change.Previous)
	s.until("the aggregator follows", func(st agent.Status) bool {
		return st.Backlog == 0 && st.Key.Fingerprint == change.Fingerprint && st.Forward.Error == ""
	})
	require.Equal(t, before.Logs[0].Origin, s.status().Logs[0].Origin, "the same log")
	require.Equal(t, cli.ExitOK, stop())

	second := s.ok("journal", "rotate-key")
	require.Contains(t, second, "before           "+change.Fingerprint)
	s.fails(cli.ExitFailed, []string{"journal", "rotate-key"}, "not confirmed by the aggregator yet")
	_, stop = s.start()
	s.until("the aggregator follows again", func(st agent.Status) bool { return st.Backlog == 0 && st.Forward.Error == "" })
	require.Len(t, s.status().Logs, len(before.Logs), "no log was succeeded")
	require.Contains(t, s.ok("journal", "tail"), "log.key")
	require.Contains(t, s.ok("journal", "verify"), "good")
	require.Equal(t, cli.ExitOK, stop())
}

func TestACompromisedStationGoesOnUnderANewIdentityAndNewLogsThatNameTheOldOnes(t *testing.T) {
	s := newStation(t).enrolled()
	before, err := enrol.Load(s.path("data"))
	require.NoError(t, err)
	_, stop := s.start()
	s.until("it forwards", func(st agent.Status) bool { return st.Forward.Connected && st.Backlog == 0 })
	old := s.status().Logs[0].Origin
	s.fails(cli.ExitFailed, []string{"enrol", "--replace", "key compromised"}, "stop it first")
	require.Equal(t, cli.ExitOK, stop())

	s.office.Pending(true)
	require.Contains(t, s.ok("enrol", "--replace", "key compromised"), "--replaces "+before.AgentID)
	asked := s.office.Asked()
	require.Equal(t, before.AgentID, asked[len(asked)-1].Predecessor)
	require.Equal(t, "key compromised", asked[len(asked)-1].Reason)
	s.office.Pending(false)
	_, stop = s.start()
	s.until("it forwards as the new one", func(st agent.Status) bool {
		return st.AgentID != before.AgentID && st.Forward.Connected && st.Backlog == 0
	})
	found := false
	for _, origin := range s.office.Aggregator.Origins() {
		reg := s.office.Aggregator.Registration(origin)
		if strings.Contains(origin, s.status().AgentID) && reg.Predecessor == old {
			found = true
			require.Contains(t, reg.Reason, "key compromised")
		}
	}
	require.True(t, found, "a log of the new agent names the old log")
	require.Equal(t, cli.ExitOK, stop())
}

func TestAJournalFolderThatSomebodyRemovedIsDeclaredAtTheNextStart(t *testing.T) {
	s := newStation(t).enrolled()
	_, stop := s.start()
	s.until("everything is receipted", func(st agent.Status) bool { return st.Forward.Connected && st.Backlog == 0 })
	require.Equal(t, cli.ExitOK, stop())
	require.NoError(t, os.RemoveAll(s.path("data/journal")))
	log, stop := s.start()
	s.until("everything is receipted", func(st agent.Status) bool { return st.Forward.Connected && st.Backlog == 0 })
	require.Contains(t, s.ok("journal", "tail"), `"cause":"journal_removed"`)
	require.Equal(t, cli.ExitOK, stop(), log)
}
