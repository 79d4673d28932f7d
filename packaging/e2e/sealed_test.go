//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
	"github.com/linewatch/linewatch/shared/seal"
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
		Others     int `json:"sealed_fields_of_other_keys_readable"`
	}
	require.NoError(t, json.Unmarshal(text, &c))
	require.Positive(t, c.Checked)
	require.Equal(t, c.Checked, c.ProofsHold)
	require.Equal(t, 2, c.Unreadable)
	require.Zero(t, c.StillOpen)
	require.Equal(t, 1, c.Others, "the password is told")
	p.Wait("type:privacy.fulfilled", 1)
	proof, err := p.Raw("/api/v1/events/" + first.Leaf.ID + "/proof")
	require.NoError(t, err)
	trust := p.File("trust", p.Command("evidence", "trust"))
	Run(t, programVerify, "--trust", trust, p.File("event.tlog-proof", string(proof)))
	require.Contains(t, p.Command("verify"), "everything agrees")
}

// TestNoPlaintextOfAPolicyFieldIsAnywhere looks through everything that the whole
// path leaves behind: journal, leaves as they were sent, both databases and a
// dump, the logs of both programs at debug, what is said of errors.
func TestNoPlaintextOfAPolicyFieldIsAnywhere(t *testing.T) {
	for _, db := range []string{"sqlite", "postgres"} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			broker := peertest.Mosquitto(t, peertest.MosquittoConfig{})
			o := at(t, db)
			p := New(t, o)
			require.Equal(t, 0, p.Aggregator().Stop(t))
			debug(t, filepath.Join(p.Data, "aggregator.yaml"))
			p.StartAggregator()
			s := p.Station("st07", sealedLine(broker.URL)+"log: {level: debug}\n")
			s.Start()
			client := Publisher(t, broker.URL)
			for n := range 20 {
				Publish(t, client, "plant/line3/login", login(n))
			}
			Publish(t, client, "plant/line3/quality", fmt.Sprintf(`{"panel":1,"recipe":{"name":%q},"by":%q,"ts":%q}`, secretWords[2], secretWords[0], secretWords[0]))
			Publish(t, client, "plant/line3/quality", `{"by":"`+secretWords[0]+`", no JSON "`+secretWords[2]+`"`)
			p.Wait("type:ingest.quarantined station:"+s.Name, 1)
			Publish(t, client, "plant/line3/login", `{"operator":"`+secretWords[0]+`", no JSON "`+secretWords[2]+`"`)
			Publish(t, client, "plant/line3/login", fmt.Sprintf(`{"operator":%q,"password":%q,"big":%q}`, secretWords[0], secretWords[2], strings.Repeat("x", 70000)))
			p.Wait("type:user.login station:"+s.Name, 20)
			p.Wait("type:quality.check station:"+s.Name, 1)
			security := p.As("security")
			for _, e := range security.Events("type:user.login")[:3] {
				require.Equal(t, secretWords[0], security.open(t, e.Leaf.ID).Stored.Opened["user_id"])
			}
			for _, api := range []*API{security, p.API} { // what people look for is recorded
				api.Count("user:" + secretWords[0])
				for _, q := range []string{
					secretWords[0], `"` + secretWords[2] + `" -` + secretWords[1], "data.device:" + secretWords[1], `data.session.password:"` + secretWords[2] + `",x`,
					"severity:" + secretWords[0],
				} {
					for _, path := range []string{"/api/v1/events?limit=500&", "/api/v1/events?", "/api/v1/events/histogram?"} {
						_ = api.Get(path+url.Values{"q": {q}}.Encode(), &struct{}{})
					}
				}
				_ = api.Get("/api/v1/events?"+url.Values{"sealed": {"event_data.device:" + secretWords[1]}}.Encode(), &struct{}{})
				_ = api.Get("/api/v1/events?"+url.Values{"q": {"user:" + secretWords[0] + " nofield:("}}.Encode(), &struct{}{})
			}
			posted := p.As("integrator")
			require.NoError(t, posted.post("/api/v1/events", fmt.Sprintf(`{"eventType":"user.login","eventData":{"userId":%q,"action":"login","success":true,"method":"pw","device":%q,"password":%q}}`, secretWords[0], secretWords[1], secretWords[2])))
			if db == "postgres" {
				dump, err := exec.Command("/usr/lib/postgresql/15/bin/pg_dump", "--inserts", o.Store).Output()
				require.NoError(t, err)
				p.File("dump.sql", string(dump))
			} else {
				p.Command("backup", "--out", filepath.Join(p.Dir, "backup"))
			}
			leaves := ""
			for _, e := range p.API.raw(t) {
				leaves += string(e) + "\n"
			}
			require.Greater(t, len(leaves), 10_000)
			p.File("signals", s.Command("signals", "--json")+s.Command("status", "--json")+s.Command("journal", "tail"))
			p.File("leaves", leaves)
			require.Equal(t, 0, s.Agent().Stop(t))
			require.Equal(t, 0, p.Aggregator().Stop(t))
			for _, word := range secretWords {
				require.Empty(t, Leaked(t, word, p.Dir), "%s is in clear", word)
			}
		})
	}
}

// debug turns the log of a configuration to its most talkative.
func debug(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text = []byte(strings.Replace(string(text), "\nlog:", "\nunused_log:", 1) + "\nlog: {level: debug}\n")
	require.NotContains(t, string(text), "unused_log")
	require.NoError(t, os.WriteFile(file, text, 0o600))
}

// raw reads all leaves as they were signed.
func (a *API) raw(t *testing.T) (all []json.RawMessage) {
	t.Helper()
	for after := ""; ; {
		var page struct {
			Events []struct {
				Leaf json.RawMessage `json:"leaf"`
			} `json:"events"`
			Next string `json:"next"`
		}
		require.NoError(t, a.Get("/api/v1/events?"+url.Values{"limit": {"1000"}, "after": {after}}.Encode(), &page))
		for _, e := range page.Events {
			all = append(all, e.Leaf)
		}
		if after = page.Next; after == "" {
			return all
		}
	}
}

// post hands in an event.
func (a *API) post(path, body string) error {
	req, err := http.NewRequest(http.MethodPost, a.URL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return nil
}

// TestErasedStaysErased: agents drop the keys and wipe their journals; neither an
// old backup of the database nor a refill brings anybody back.
func TestErasedStaysErased(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	p := New(t, Options{})
	s := p.Station("st07", sealedLine(broker.URL))
	s.Start()
	client := Publisher(t, broker.URL)
	Publish(t, client, "plant/line3/login", login(1))
	first := p.Wait("type:user.login station:"+s.Name, 1)[0]
	security := p.As("security")
	before := security.open(t, first.Leaf.ID)
	key := before.Leaf.Sealed["user_id"]["key"].(string)
	require.Contains(t, blobs(t, s.Data()), key)
	backup := filepath.Join(p.Dir, "yesterday")
	p.Command("backup", "--out", backup)
	p.Command("keys", "vault", "backup", "--out", filepath.Join(p.Dir, "vault.yesterday"))
	Publish(t, client, "plant/line3/login", login(2))
	second := p.Wait("type:user.login station:"+s.Name, 2)
	p.Command("person", "erase", secretWords[0], "--ground", "request of the person", "--certificate", filepath.Join(p.Dir, "cert"), "--yes")

	require.Equal(t, 0, s.Agent().Stop(t))
	s.Start() // a sign of life at once
	Until(t, "the agent to wipe its journal", func() bool { return !slices.Contains(blobs(t, s.Data()), key) }, nil)

	require.Equal(t, 0, p.Aggregator().Stop(t))
	p.Command("restore", "--from", backup)
	p.StartAggregator()
	require.Len(t, p.Wait("type:user.login station:"+s.Name, 2), len(second), "the agent refills")
	for _, e := range second {
		got := security.open(t, e.Leaf.ID)
		require.Equal(t, "erased", got.Stored.Sealed["user_id"].State)
		require.NotContains(t, got.Stored.Opened, "user_id")
	}
	Publish(t, client, "plant/line3/login", login(3))
	fresh := p.Wait("type:user.login station:"+s.Name, 3)[0]
	require.Equal(t, secretWords[0], security.open(t, fresh.Leaf.ID).Stored.Opened["user_id"], "who goes on working is recorded anew")
	require.Contains(t, p.Command("verify"), "everything agrees")

	// Database and vault both from before the erasure: the agent still has the list.
	require.Equal(t, 0, p.Aggregator().Stop(t))
	p.Command("restore", "--from", backup)
	require.NoError(t, os.RemoveAll(filepath.Join(p.Data, "vault")))
	require.NoError(t, os.Rename(filepath.Join(p.Dir, "vault.yesterday"), filepath.Join(p.Data, "vault")))
	p.StartAggregator()
	require.Equal(t, 0, s.Agent().Stop(t))
	s.Start() // a sign of life at once
	Until(t, "the aggregator to be told", func() bool {
		_, err := os.Stat(filepath.Join(p.Data, "vault", "destroyed.note"))
		return err == nil
	}, nil)
	p.Wait("type:user.login station:"+s.Name, 3)
	for _, e := range second {
		require.Equal(t, "erased", security.open(t, e.Leaf.ID).Stored.Sealed["user_id"].State)
	}
}

// TestAStationThatWasOfflineBringsNobodyBack: its data keys were never here when the
// person was erased, so no list could name them.
func TestAStationThatWasOfflineBringsNobodyBack(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	p := New(t, Options{})
	s := p.Station("st07", sealedLine(broker.URL))
	s.Start()
	client := Publisher(t, broker.URL)
	Publish(t, client, "plant/line3/login", login(1))
	first := p.Wait("type:user.login station:"+s.Name, 1)[0]
	security := p.As("security")

	require.Equal(t, 0, p.Aggregator().Stop(t))
	require.Equal(t, 0, s.Agent().Stop(t))
	s.Launch() // with new data keys, and nobody to bring them to
	known := len(blobs(t, s.Data()))
	Until(t, "the agent to record", func() bool {
		Publish(t, client, "plant/line3/login", login(2))
		return len(blobs(t, s.Data())) > known
	}, nil)
	p.Command("person", "erase", first.Leaf.User, "--ground", "request of the person", "--certificate", filepath.Join(p.Dir, "cert"), "--yes")
	p.StartAggregator()
	events := p.Wait("type:user.login station:"+s.Name, 2)
	for _, e := range events {
		got := security.open(t, e.Leaf.ID)
		require.Equal(t, "erased", got.Stored.Sealed["user_id"].State)
		require.NotContains(t, got.Stored.Opened, "user_id")
	}
	require.Equal(t, 0, s.Agent().Stop(t))
	s.Start() // with other data keys again
	Publish(t, client, "plant/line3/login", login(3))
	fresh := p.Wait("type:user.login data.n:3", 1)[0]
	require.Equal(t, secretWords[0], security.open(t, fresh.Leaf.ID).Stored.Opened["user_id"], "who goes on working is recorded anew")
	require.Contains(t, p.Command("verify"), "everything agrees")
}

// blobs are the ids of the wrapped data keys in the files of a folder.
func blobs(t *testing.T, dir string) (ids []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // files come and go
		}
		data, err := os.ReadFile(path)
		for i := 0; err == nil; i++ {
			k := bytes.Index(data[i:], []byte(seal.Magic))
			if k < 0 {
				break
			}
			i += k
			if n := seal.BlobSize(data[i:]); n > 0 {
				ids = append(ids, seal.KeyID(data[i:i+n]))
			}
		}
		return nil
	}))
	return ids
}
