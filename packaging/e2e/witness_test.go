//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// lineOf is the line of a trust file that begins with a word.
func lineOf(t *testing.T, trust, word string) string {
	t.Helper()
	for line := range strings.Lines(trust) {
		if strings.HasPrefix(line, word+" ") {
			return line
		}
	}
	require.Fail(t, "no such line", "%s in %s", word, trust)
	return ""
}

// outside is a witness as a process of its own, and the line of it for trust files.
func (p *Plant) outside(name string) (url, line string) {
	p.t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", peertest.FreePort(p.t))
	log := filepath.Join(p.Dir, name+".log")
	follow := p.File(name+".trust", lineOf(p.t.(*testing.T), p.Command("trust"), "ledger"))
	Start(p.t, log, nil, programVerify, "witness", "--name", name, "--key", filepath.Join(p.Dir, name+".key"),
		"--state", filepath.Join(p.Dir, name+".state"), "--trust", follow, "--listen", addr)
	found := regexp.MustCompile(`(?m)witness ` + name + ` [A-Za-z0-9+/=]{44}$`)
	Until(p.t, "the witness to listen", func() bool {
		text, err := os.ReadFile(log)
		line = string(found.Find(text))
		return err == nil && line != ""
	}, nil)
	return "http://" + addr, line
}

// restart stops the aggregator, adds to its configuration, and runs it again: the
// first round of the witnesses comes with the start.
func (p *Plant) restart(yaml string) {
	p.t.Helper()
	require.Equal(p.t, 0, p.Aggregator().Stop(p.t))
	p.configure(yaml)
	p.StartAggregator()
}

func (p *Plant) configure(yaml string) {
	p.t.Helper()
	f, err := os.OpenFile(filepath.Join(p.Data, "aggregator.yaml"), os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(p.t, err)
	_, err = f.WriteString(yaml)
	require.NoError(p.t, err)
	require.NoError(p.t, f.Close())
}

func witnessYAML(name, url, line, ca string) string {
	return fmt.Sprintf("  - {name: %q, url: %q, key: %q, ca: %q}\n", name, url, strings.Fields(line)[2], ca)
}

// twin is, not running yet, a second aggregator with the keys and the data of the first: what a
// dishonest administrator would run to show another ledger to somebody.
func (p *Plant) twin() *Plant {
	p.t.Helper()
	q := &Plant{t: p.t, Dir: shortDir(p.t), Data: filepath.Join(shortDir(p.t), "aggregator")}
	out, err := exec.CommandContext(p.t.Context(), "cp", "-a", p.Data, q.Data).CombinedOutput()
	require.NoError(p.t, err, "%s", out)
	config := filepath.Join(q.Data, "aggregator.yaml")
	text, err := os.ReadFile(config)
	require.NoError(p.t, err)
	people, agents := fmt.Sprintf("127.0.0.1:%d", peertest.FreePort(p.t)), fmt.Sprintf("127.0.0.1:%d", peertest.FreePort(p.t))
	q.PeopleURL, q.AgentsURL = "https://"+people, "https://"+agents
	real := strings.NewReplacer(p.Data, q.Data, strings.TrimPrefix(p.PeopleURL, "https://"), people, strings.TrimPrefix(p.AgentsURL, "https://"), agents)
	require.NoError(p.t, os.WriteFile(config, []byte(real.Replace(string(text))), 0o600))
	q.API = &API{t: p.t, URL: q.PeopleURL, Token: p.API.Token, client: q.client()}
	return q
}

// witnesses returns how many confirmed the newest root of the security ledger.
func (p *Plant) witnesses() (n int) {
	p.t.Helper()
	var heads []struct {
		Origin    string
		Witnesses []struct{ Name string }
	}
	require.NoError(p.t, json.Unmarshal([]byte(p.Command("roots", "--json")), &heads))
	for _, h := range heads {
		if strings.Contains(h.Origin, "/security/") {
			n = len(h.Witnesses)
		}
	}
	return n
}

func (p *Plant) bundleOf(args ...string) string {
	p.t.Helper()
	file := filepath.Join(p.Dir, fmt.Sprintf("%d.bundle", len(args)+len(strings.Join(args, ""))))
	p.Command(append([]string{"evidence", "export", "--out", file}, args...)...)
	return file
}

func TestADishonestAggregatorThatShowsTwoLedgersOrInventsAStationIsNotAnchored(t *testing.T) {
	t.Parallel()
	p, other := New(t, Options{}), New(t, Options{})
	honestLog := honest(t, p.Forged("st07"))
	url, first := p.outside("witness.council")
	ledger := strings.Fields(lineOf(t, p.Command("trust"), "ledger"))
	other.restart(fmt.Sprintf("witness_for:\n  - {instance: %q, key: %q}\n", ledger[1], ledger[2]))
	ca := filepath.Join(other.Data, "ca", "ca.pem")
	require.FileExists(t, ca)
	second := p.secondWitness(other)
	require.Equal(t, 0, p.Aggregator().Stop(t))
	p.configure("witnesses:\n" + witnessYAML("witness.council", url, first, "") +
		witnessYAML(strings.Fields(second)[1], other.PeopleURL+"/witness", second, ca))
	q := p.twin()
	p.StartAggregator()
	Until(t, "both witnesses to confirm the ledger", func() bool { return p.witnesses() == 2 }, nil)

	trust := p.Command("trust")
	require.Contains(t, trust, "quorum 2")
	anchored := p.File("auditor.trust", lineOf(t, trust, "ledger")+first+"\n"+second+"\nquorum 2\n")
	id := p.Events("agent:" + strings.Split(honestLog.Origin, "/")[1])[0].Leaf.ID
	for _, args := range [][]string{{"--event", id}, {"--log", honestLog.Origin}, {"--all"}, {"--all", "--packed"}} {
		out := Run(t, programVerify, "--trust", anchored, p.bundleOf(args...))
		require.Contains(t, out, "HOLDS, anchored", args)
	}

	q.StartAggregator()
	invented := honest(t, q.Forged("invented"))
	require.Equal(t, 0, q.Aggregator().Stop(t))
	q.StartAggregator() // and asks the witnesses for its other ledger
	Until(t, "the witnesses to refuse the other ledger", func() bool {
		text := Tail(q.AggregatorLog(), 1<<20)
		return strings.Contains(text, "witness.council") && regexp.MustCompile(`422|two histories|does not extend|knows size`).MatchString(text)
	}, func() any { return Tail(q.AggregatorLog(), 3000) })
	said := map[string]bool{}
	for _, e := range q.Wait("type:log.forked", 1) { // on the page of everybody who may see it
		var f struct{ Log, Witness, First, Second string }
		require.NoError(t, json.Unmarshal(e.Leaf.Data, &f))
		require.False(t, said[f.Log+f.Witness], "once for each log and witness")
		said[f.Log+f.Witness] = true
		for _, note := range []string{f.First, f.Second} { // both of the ledger's own key
			require.Contains(t, note, f.Log+"\n")
			require.Contains(t, note, "\n— "+f.Log+" ")
		}
	}
	require.Zero(t, q.witnesses())
	for _, args := range [][]string{{"--log", invented.Origin}, {"--all"}} {
		out, _, code := Try(t, programVerify, "--trust", anchored, q.bundleOf(args...))
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "NOT ANCHORED")
	}
}

// secondWitness is the line of the other aggregator as a witness.
func (p *Plant) secondWitness(other *Plant) string {
	p.t.Helper()
	for line := range strings.Lines(other.Command("trust")) {
		if text, ok := strings.CutPrefix(line, "# as a witness for others: "); ok {
			return strings.TrimSpace(text)
		}
	}
	require.Fail(p.t, "the trust file of a witness does not name it")
	return ""
}
