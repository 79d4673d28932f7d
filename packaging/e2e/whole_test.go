//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// lineSource takes quality checks and sign-ins of people at the machine.
func lineSource(broker string) string {
	return fmt.Sprintf(`mqtt:
  - name: uns
    broker: %s
    topics:
      - {match: "plant/${station.line}/quality", payload: json, event: quality.check, time: $.ts, data: {productId: $.panel}}
      - {match: "plant/${station.line}/login", payload: json, event: user.login, user: $.operator}
`, broker)
}

func TestAnEventIsOnTheScreenWithinASecondWithItsProof(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	p := New(t, Options{})
	s := p.Machine("st07", lineSource(broker.URL))
	require.Contains(t, s.Enrol(p.EnrolToken()), "enrolled as "+s.AgentID())
	require.Contains(t, s.Command("check"), "clock offset")
	s.Start()
	live := p.Stream("type:quality.check")
	client := Publisher(t, broker.URL)
	var slowest time.Duration
	var id string
	for n := range Soak(50, 1000) {
		sent := time.Now()
		Publish(t, client, "plant/line3/quality", fmt.Sprintf(`{"panel":%d,"result":"pass","characteristic":"gap","value":0.2,"by":"camera","ts":%q}`, n, sent.UTC().Format(time.RFC3339Nano)))
		e := Next(t, live)
		var data struct {
			Panel     int
			ProductID int `json:"productId"`
		}
		e.Into(t, &data)
		require.Equal(t, n, data.Panel)
		require.Equal(t, n, data.ProductID)
		slowest, id = max(slowest, e.Came.Sub(sent)), e.Leaf.ID
	}
	t.Logf("slowest of all from message to screen: %s", slowest)
	require.Less(t, slowest, time.Second)

	var one Event
	require.NoError(t, p.Get("/api/v1/events/"+id, &one))
	require.Equal(t, s.Name, one.Leaf.Station)
	require.Empty(t, one.Stored.Problems)
	proof, err := p.Raw("/api/v1/events/" + id + "/proof")
	require.NoError(t, err)
	file := p.File("event.tlog-proof", string(proof))
	trust := p.File("trust", p.Command("evidence", "trust"))
	Run(t, programVerify, "--trust", trust, file)
	_, _, code := Try(t, programVerify, file)
	require.Equal(t, 2, code, "without a trust file it agrees with itself, no more")
}

func TestAUserNameIsNowhereInClear(t *testing.T) {
	t.Parallel()
	const name = "Annegret.Klarname"
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	p := New(t, Options{})
	s := p.Station("st07", lineSource(broker.URL))
	s.Start()
	client := Publisher(t, broker.URL)
	for _, spelt := range []string{name, strings.ToUpper(name), " " + name + " "} {
		Publish(t, client, "plant/line3/login", fmt.Sprintf(`{"operator":%q,"action":"login","success":true,"method":"badge"}`, spelt))
	}
	logins := p.Wait("type:user.login station:"+s.Name, 3)
	for _, e := range logins {
		require.Regexp(t, "^p-[0-9a-f]{32}$", e.Leaf.User)
		require.Equal(t, logins[0].Leaf.User, e.Leaf.User, "one person, one pseudonym")
	}
	require.Equal(t, 0, s.Agent().Stop(t))
	p.Command("evidence", "export", "--out", filepath.Join(p.Dir, "bundle"))
	require.Equal(t, 0, p.Aggregator().Stop(t))
	require.Empty(t, Leaked(t, name, p.Dir))
}

func TestABundleIsAnchoredAndEveryChangedByteIsFound(t *testing.T) {
	t.Parallel()
	p, _ := filled(t, Options{}, 300)
	bundle := filepath.Join(p.Dir, "bundle")
	p.Command("evidence", "export", "--out", bundle)
	trust := p.File("trust", p.Command("evidence", "trust"))
	out := Run(t, programVerify, "--trust", trust, bundle)
	require.Contains(t, out, "anchored")
	_, _, code := Try(t, programVerify, bundle)
	require.Equal(t, 2, code, "without a trust file it agrees with itself, no more")
	other := p.File("other", "cosigner linewatch/other AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	_, _, code = Try(t, programVerify, "--trust", other, bundle)
	require.NotZero(t, code, "another plant's trust file anchors nothing")

	good, err := os.ReadFile(bundle)
	require.NoError(t, err)
	for i := range Soak(60, 2000) {
		bad := slices.Clone(good)
		at := (i*7919 + 13) % len(bad)
		bad[at] ^= 1
		out, _, code := Try(t, programVerify, "--trust", trust, p.File("changed", string(bad)))
		require.Equal(t, 1, code, "byte %d of %d changed and not found:\n%s", at, len(bad), out)
	}
}

func TestRebuildGivesTheSameReadModel(t *testing.T) {
	t.Parallel()
	for _, db := range []string{"sqlite", "postgres"} {
		t.Run(db, func(t *testing.T) {
			p, s := filled(t, at(t, db), 300)
			require.Equal(t, 0, s.Agent().Stop(t))
			q := "station:hamburg/body/line3/**" // reading is itself an event of the aggregator
			before := p.Events(q)
			require.Greater(t, len(before), 300)
			p.Command("rebuild")
			require.Equal(t, before, p.Events(q))
			require.Contains(t, p.Command("verify"), "everything agrees")
		})
	}
}

func TestAPreparedImageHoldsNoIdentityAndItsCopyEnrolsAnew(t *testing.T) {
	t.Parallel()
	p, s := filled(t, Options{}, 20)
	_, errText, code := s.Try("prepare-image")
	require.NotZero(t, code)
	require.Contains(t, errText, "running")
	first := s.AgentID()
	require.Equal(t, 0, s.Agent().Stop(t))
	s.Command("prepare-image")
	require.Empty(t, Leaked(t, first, s.Data()))
	_, errText, code = s.Try("run")
	require.NotZero(t, code)
	require.Contains(t, errText, "enrol")
	copied := s.Copy("copy")
	copied.SetMachine("copy")
	copied.Enrol(p.EnrolToken())
	require.NotEqual(t, first, copied.AgentID())
	copied.Start()
	p.Wait("type:audit.started agent:"+copied.AgentID(), 1)
}

func TestAGracefulStopLeavesNothingBehindAndSaysSo(t *testing.T) {
	t.Parallel()
	p, s := filled(t, Options{}, 50)
	require.Equal(t, 0, s.Agent().Stop(t))
	require.Len(t, p.Wait("type:audit.stopped station:"+s.Name, 1), 1, "the stop itself is forwarded before the end")
	begin := time.Now()
	require.Equal(t, 0, p.Aggregator().Stop(t))
	require.Less(t, time.Since(begin), 15*time.Second)
	p.StartAggregator()
	require.Len(t, p.Events("type:audit.stopped station:hamburg/central/aggregator"), 1)
	require.Len(t, p.Counted(s.Name), 50)
}

func TestPeopleSignInAndSeeWhatTheirRoleAllows(t *testing.T) {
	t.Parallel()
	p, _ := filled(t, Options{}, 20)
	password := p.File("anna.pw", "wrench hammer torque 17\n")
	p.Command("user", "add", "--name", "anna", "--role", "maintenance", "--scope", "hamburg/body/**", "--password-file", password)
	anna := p.SignIn("anna", "wrench hammer torque 17")
	require.Equal(t, 20, anna.Count("type:"+CountType))
	require.Zero(t, anna.Count("station:hamburg/central/**"), "outside of her scope")
	admin := p.SignIn("admin", "correct horse battery staple")
	require.ErrorContains(t, admin.Get("/api/v1/events", nil), "403", "the administrator reads no event bodies")
	resp, err := p.API.client.Get(p.PeopleURL + "/api/v1/events")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	_, err = anna.Raw("/api/v1/events/" + anna.Events("type:" + CountType)[0].Leaf.ID + "/proof")
	require.NoError(t, err)
	people := map[string]bool{}
	for _, e := range p.Events("type:user.login") {
		people[e.Leaf.User] = true
	}
	require.Len(t, people, 2)
	Until(t, "a record of who read", func() bool {
		return slices.ContainsFunc(p.Events("type:audit.accessed"), func(e Event) bool { return people[e.Leaf.User] })
	}, nil)
}

// at chooses a database.
func at(t *testing.T, db string) Options {
	t.Helper()
	if db == "postgres" {
		return Options{Store: peertest.Postgres(t)}
	}
	return Options{}
}

// filled is a plant with one running station and n stored messages.
func filled(t *testing.T, o Options, n int) (*Plant, *Station) {
	t.Helper()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	p := New(t, o)
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	Flood(t, broker.URL, 0, n, 1000, nil)
	require.Len(t, p.WaitCounted(s.Name, n), n)
	return p, s
}

// SignIn signs a person in and returns the API as that person sees it.
func (p *Plant) SignIn(name, password string) *API {
	p.t.Helper()
	body, err := json.Marshal(map[string]string{"name": name, "password": password})
	require.NoError(p.t, err)
	resp, err := p.API.client.Post(p.PeopleURL+"/api/v1/session", "application/json", bytes.NewReader(body))
	require.NoError(p.t, err)
	resp.Body.Close()
	require.Equal(p.t, http.StatusOK, resp.StatusCode)
	require.Len(p.t, resp.Cookies(), 1)
	return &API{t: p.t, URL: p.URL, Cookie: resp.Cookies()[0], client: p.API.client}
}
