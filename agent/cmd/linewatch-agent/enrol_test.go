package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent"
	"github.com/linewatch/linewatch/agent/agenttest"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/identity"
)

func (s *station) enrolled() *station {
	s.t.Helper()
	s.withOffice()
	s.ok("enrol", "--token-file", s.file("token", s.office.Token()+"\r\n"))
	return s
}

func TestEnrollingTwiceKeepsTheFirstIdentityAndSaysSo(t *testing.T) {
	s := newStation(t).enrolled()
	first, err := enrol.Load(s.path("data"))
	require.NoError(t, err)
	require.Contains(t, s.ok("enrol", "--token-file", s.path("token")), "enrolled already")
	require.Contains(t, s.ok("enrol"), first.AgentID)
	require.Contains(t, s.ok("enrol", "--json"), `"fingerprint"`)
	require.Len(t, s.office.Asked(), 1)
	again, err := enrol.Load(s.path("data"))
	require.NoError(t, err)
	require.Equal(t, first.AgentID, again.AgentID)
}

func TestATokenThatCannotBeReadIsNamedAndNeverPrinted(t *testing.T) {
	s := newStation(t).withOffice()
	whole := s.office.Token()
	parsed, err := identity.ParseToken(whole)
	require.NoError(t, err)
	cut := whole[:len(whole)/2]
	s.fails(cli.ExitUsage, []string{"enrol"}, "enrolment token: name a file", "--token-file")
	s.fails(cli.ExitUsage, []string{"enrol", "--token-file", s.path("nope")}, s.path("nope"))
	s.fails(cli.ExitUsage, []string{"enrol", "--token-file", s.file("token", "")}, "empty")
	s.fails(cli.ExitFailed, []string{"enrol", "--token-file", s.file("token", cut)}, "copy it whole")
	s.fails(cli.ExitFailed, []string{"enrol", "--token-file", s.file("token", "password123")}, "no enrolment token")
	for _, text := range []string{cut, "password123"} {
		_, out, errOut := s.run("enrol", "--token-file", s.file("token", text))
		require.NotContains(t, out+errOut, text)
		require.NotContains(t, out+errOut, parsed.Secret)
	}
	require.NoFileExists(t, s.path("data/identity/agent.json"))
}

// The keys of a refused agent stay, so the new token must count, not the old one.
func TestAfterARefusedTokenANewTokenAdmits(t *testing.T) {
	s := newStation(t).withOffice()
	used, fresh := s.office.Token(), s.office.Token()
	s.office.Only(fresh)
	s.fails(cli.ExitFailed, []string{"enrol", "--token-file", s.file("token", used)}, "refused", "used up", "new token")
	s.fails(cli.ExitFailed, []string{"enrol"}, "used up")
	s.fails(cli.ExitFailed, []string{"enrol", "--token-file", s.file("token", "lwt1_rubbish")}, "token")
	require.Contains(t, s.ok("enrol", "--token-file", s.file("token", fresh)), "enrolled as")
	asked := s.office.Asked()
	require.Equal(t, asked[0].AgentID, asked[len(asked)-1].AgentID, "the keys of the first try are used")
}

func TestATokenOfAnotherPlantDoesNotEnrolAndTheRightOneDoes(t *testing.T) {
	s := newStation(t).withOffice()
	other := agenttest.NewOffice(t)
	wrong, err := identity.ParseToken(other.Token())
	require.NoError(t, err)
	wrong.URLs = []string{s.office.URL}
	s.fails(cli.ExitTemporary, []string{"enrol", "--token-file", s.file("token", wrong.Encode())}, "does not show the CA", s.office.URL)
	require.Empty(t, s.office.Asked(), "no secret went to the wrong aggregator")
	require.Contains(t, s.ok("enrol", "--token-file", s.file("token", s.office.Token())), "enrolled as")
}

func TestACorrectedStationIsAskedFor(t *testing.T) {
	s := newStation(t).withOffice()
	s.office.Refuse("hamburg/body/line3/st07 is outside of the token's scope")
	s.fails(cli.ExitFailed, []string{"enrol", "--token-file", s.file("token", s.office.Token())}, "scope")
	s.office.Refuse("")
	s.file("agent.yaml", strings.Replace(common, "st07", "st08", 1))
	require.Contains(t, s.ok("enrol", "--token-file", s.path("token")), "hamburg/body/line3/st08")
	asked := s.office.Asked()
	require.Equal(t, "hamburg/body/line3/st08", asked[len(asked)-1].Station)
}

func TestAnEnrolmentThatWaitsIsNoFailureAndAnAbsentAggregatorIsTemporary(t *testing.T) {
	s := newStation(t).withOffice()
	s.office.Pending(true)
	require.Contains(t, s.ok("enrol", "--token-file", s.file("token", s.office.Token())), "waits for approval: a person must look")
	require.Regexp(t, `station a[0-9a-f]{15} [0-9a-f]{64}`, s.ok("enrol"), "what is compared before the approval")
	require.Contains(t, s.ok("check"), "waits for approval")
	var waits map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.ok("enrol", "--json")), &waits))
	require.Equal(t, true, waits["pending"])
	require.Len(t, waits["fingerprint"], 64, "what a person compares before the approval")
	s.office.Pending(false)
	require.Contains(t, s.ok("enrol", "--wait", "1s"), "enrolled as")

	away := newStation(t)
	token := identity.NewToken([]string{"https://127.0.0.1:1"}, strings.Repeat("0", 64)).Encode()
	away.fails(cli.ExitTemporary, []string{"enrol", "--token-file", away.file("token", token)}, "127.0.0.1:1", "the same command again")
}

func TestMissingFactsOfTheMachineAreNamed(t *testing.T) {
	s := newStation(t).withOffice()
	require.NoError(t, os.Remove(s.path("machine-one")))
	s.fails(cli.ExitFailed, []string{"enrol", "--token-file", s.file("token", s.office.Token())}, s.path("machine-one"))
	s.file("machine-one", "mac=1\n")
	s.fails(cli.ExitFailed, []string{"enrol", "--token-file", s.path("token")}, "facts of th", "administrator")
}

func TestADamagedIdentityIsNamed(t *testing.T) {
	s := newStation(t).enrolled()
	s.file("data/identity/agent.json", "{")
	s.fails(cli.ExitFailed, []string{"run"}, s.path("data/identity"), "damaged")
	s.fails(cli.ExitFailed, []string{"enrol", "--token-file", s.path("token")}, "damaged")
	require.FileExists(t, s.path("data/identity/log.key"))
}

func TestAKeyThatNoLongerOpensIsReplaced(t *testing.T) {
	s := newStation(t).withOffice()
	credentials := s.path("credentials")
	require.NoError(t, os.MkdirAll(credentials, 0o700))
	s.file("credentials/linewatch-key", strings.Repeat("k", 32))
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	s.ok("enrol", "--token-file", s.file("token", s.office.Token()))
	s.file("credentials/linewatch-key", strings.Repeat("x", 32)) // a new installation of the system
	s.fails(cli.ExitFailed, []string{"run"}, "sealed", "enrol --replace")
	s.fails(cli.ExitFailed, []string{"enrol", "--token-file", s.path("token")}, "sealed", "enrol --replace")
	before := len(s.office.Asked())
	out := s.ok("enrol", "--replace", "credential lost")
	require.Contains(t, out, "is set aside")
	asked := s.office.Asked()
	require.Greater(t, len(asked), before)
	require.Equal(t, asked[0].AgentID, asked[len(asked)-1].Predecessor)
}

func TestALostOrMangledKeyIsNamedWithItsRemedyAndTheStationGoesOn(t *testing.T) {
	for name, spoil := range map[string]func(string) error{
		"deleted": os.Remove,
		"mangled": func(file string) error { return os.WriteFile(file, []byte("garbage"), 0o600) },
		"emptied": func(file string) error { return os.Truncate(file, 0) },
	} {
		t.Run("log.key "+name, func(t *testing.T) {
			s := newStation(t).enrolled()
			require.NoError(t, spoil(s.path("data/identity/log.key")))
			s.fails(cli.ExitFailed, []string{"run"}, "log.key", "enrol --replace")
			s.fails(cli.ExitFailed, []string{"journal", "stat"}, "log.key", "enrol --replace")
			before := s.office.Asked()
			require.Contains(t, s.ok("enrol", "--replace", "log key lost"), "is set aside")
			asked := s.office.Asked()
			require.Equal(t, before[0].AgentID, asked[len(asked)-1].Predecessor)
		})
		t.Run("tls.key "+name, func(t *testing.T) {
			s := newStation(t).enrolled()
			require.NoError(t, spoil(s.path("data/identity/tls.key")))
			log, stop := s.start()
			require.Eventually(t, func() bool { return strings.Contains(log.String(), "enrol --again") }, time.Minute, 10*time.Millisecond, "what to do is in the log: %s", log)
			require.Equal(t, cli.ExitOK, stop())
			require.Contains(t, s.ok("enrol", "--again", "--token-file", s.file("token", s.office.Token())), "enrolled as")
			_, stop = s.start()
			s.until("it is connected", func(st agent.Status) bool { return st.Forward.Connected })
			require.Equal(t, cli.ExitOK, stop())
		})
	}
}
