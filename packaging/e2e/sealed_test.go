//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// sealedEvent is an event as somebody with a role sees its sealed fields.
type sealedEvent struct {
	Leaf struct {
		Data   map[string]any            `json:"event_data"`
		User   string                    `json:"user_id"`
		Sealed map[string]map[string]any `json:"sealed"`
	} `json:"leaf"`
	Stored struct {
		ID     string         `json:"id"`
		Opened map[string]any `json:"opened"`
		Sealed map[string]struct {
			State    string `json:"state"`
			Set      string `json:"set"`
			ErasedAt string `json:"erased_at"`
		} `json:"sealed"`
	} `json:"stored"`
}

// As is the API for a program with a role.
func (p *Plant) As(role string) *API {
	p.t.Helper()
	token := strings.TrimSpace(p.Command("token", "api", "--role", role, "--name", "test "+role))
	return &API{t: p.t, URL: p.PeopleURL, Token: token, client: p.client()}
}

func (a *API) open(t testing.TB, id string) (e sealedEvent) {
	t.Helper()
	require.NoError(t, a.Get("/api/v1/events/"+id+"?open=true", &e))
	return e
}

// secretWords are what must be nowhere in clear; plain ones need no key to be found.
var secretWords = []string{"Annegret.Klarname", "HMI-7-Vertraulich", "Hunter2-Geheim"}

func sealedLine(broker string) string {
	return lineSource(broker) + `sealing:
  - {type: quality.check, path: event_data.recipe, as: recipe}
`
}

func login(n int) string {
	return fmt.Sprintf(`{"operator":%q,"action":"login","success":true,"method":"badge","n":%d,"device":%q,"session":{"password":%q,"note":"shift"}}`,
		secretWords[0], n, secretWords[1], secretWords[2])
}

func TestASealedFieldIsReadByWhoMayAndByNobodyAfterTheErasure(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	p := New(t, Options{})
	s := p.Station("st07", sealedLine(broker.URL))
	s.Start()
	client := Publisher(t, broker.URL)
	Publish(t, client, "plant/line3/login", login(1))
	first := p.Wait("type:user.login station:"+s.Name, 1)[0]
	security := p.As("security")
	e := security.open(t, first.Leaf.ID)
	require.Regexp(t, "^p-[0-9a-f]{32}$", e.Leaf.User)
	require.Equal(t, map[string]any{
		"user_id": secretWords[0], "event_data.device": secretWords[1], "event_data.session.password": secretWords[2],
	}, e.Stored.Opened)
	require.NotContains(t, e.Leaf.Data, "device")
	require.Equal(t, "person", e.Stored.Sealed["event_data.device"].Set)

	auditor := p.API.open(t, first.Leaf.ID)
	require.Empty(t, auditor.Stored.Opened, "an auditor verifies without reading what is sealed")
	require.Equal(t, "sealed", auditor.Stored.Sealed["user_id"].State)
	privacy := p.As("privacy").open(t, first.Leaf.ID)
	require.NotContains(t, privacy.Stored.Opened, "event_data.session.password")
	require.Equal(t, secretWords[0], privacy.Stored.Opened["user_id"])

	require.Equal(t, 1, security.Count("user:"+secretWords[0]), "a name finds its pseudonym")
	require.Equal(t, 0, p.Count("user:"+secretWords[0]))
	var found struct{ Count int }
	require.NoError(t, security.Get("/api/v1/events?"+url.Values{"sealed": {"event_data.device:" + secretWords[1]}}.Encode(), &found))
	require.Equal(t, 1, found.Count)

	certificate := filepath.Join(p.Dir, "certificate")
	out := p.Command("person", "erase", e.Leaf.User, "--ground", "GDPR Art. 17(1)(a)", "--certificate", certificate, "--yes")
	require.Contains(t, out, "data keys of 1 pseudonyms were destroyed")
	erased := security.open(t, first.Leaf.ID)
	require.Equal(t, map[string]any{"event_data.session.password": secretWords[2]}, erased.Stored.Opened, "a secret is not the person's")
	require.Equal(t, "erased", erased.Stored.Sealed["user_id"].State)
	require.NotEmpty(t, erased.Stored.Sealed["user_id"].ErasedAt)
	require.NoError(t, security.Get("/api/v1/events?"+url.Values{"sealed": {"event_data.device:" + secretWords[1]}}.Encode(), &found))
	require.Equal(t, 0, found.Count)

	text, err := os.ReadFile(certificate + ".json")
	require.NoError(t, err)
	var c struct {
		Checked    int `json:"events_checked"`
		ProofsHold int `json:"proofs_that_verify"`
		Unreadable int `json:"sealed_fields_unreadable"`
		StillOpen  int `json:"sealed_fields_still_readable"`
	}
	require.NoError(t, json.Unmarshal(text, &c))
	require.Positive(t, c.Checked)
	require.Equal(t, c.Checked, c.ProofsHold)
	require.Equal(t, 2, c.Unreadable)
	require.Zero(t, c.StillOpen)
	p.Wait("type:privacy.fulfilled", 1)
	proof, err := p.Raw("/api/v1/events/" + first.Leaf.ID + "/proof")
	require.NoError(t, err)
	trust := p.File("trust", p.Command("evidence", "trust"))
	Run(t, programVerify, "--trust", trust, p.File("event.tlog-proof", string(proof)))
	require.Contains(t, p.Command("verify"), "everything agrees")
}
