package aggregator

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
)

// Sheet is what is printed for the binder: keys as people compare them.
type Sheet struct {
	Instance string     `json:"instance"`
	Plant    string     `json:"plant"`
	Printed  time.Time  `json:"printed"`
	Keys     []SheetKey `json:"keys"`
}

// SheetKey is one key on the sheet.
type SheetKey struct {
	What        string `json:"what"` // station, ledger, witness, cosigner
	Name        string `json:"name"` // agent id or name of the key
	Station     string `json:"station,omitempty"`
	Host        string `json:"host,omitempty"`
	State       string `json:"state,omitempty"`
	Since       string `json:"since,omitempty"`
	Fingerprint string `json:"fingerprint"` // hex SHA-256 of the public key
}

// Groups is the fingerprint in groups of four, for the eye.
func (k SheetKey) Groups() string {
	var parts []string
	for rest := k.Fingerprint; len(rest) >= 4; rest = rest[4:] {
		parts = append(parts, rest[:4])
	}
	return strings.Join(parts, " ")
}

// Sheet lists the keys of this aggregator, its witnesses and all stations that
// were ever admitted.
func (a *Aggregator) Sheet(ctx context.Context) (Sheet, error) {
	agents, err := a.Store.Agents(ctx)
	if err != nil {
		return Sheet{}, err
	}
	s := Sheet{Instance: a.Config.Instance, Plant: a.Config.Plant, Printed: time.Now().UTC().Truncate(time.Second)}
	add := func(what, name string, key ed25519.PublicKey) *SheetKey {
		s.Keys = append(s.Keys, SheetKey{What: what, Name: name, Fingerprint: evidence.Fingerprint(key)})
		return &s.Keys[len(s.Keys)-1]
	}
	add("ledger", a.Config.Instance, a.Ledger.Public())
	add("cosigner", a.cosigner.Name, a.cosigner.Key)
	for _, w := range a.witnessKeys() {
		add("witness", w.Name, w.Key)
	}
	for i := range agents {
		g := &agents[i]
		if g.State == store.AgentPending {
			continue
		}
		for _, key := range g.Keys {
			k := add("station", g.ID, key.Public)
			k.Station, k.Host, k.State, k.Since = short(g.Station), short(g.Host), string(g.State), g.Enrolled.UTC().Format(time.DateOnly)
		}
	}
	return s, nil
}

const sheetAdvice = `Compare each fingerprint with what the station itself showed at its enrolment
(linewatch-agent enrol prints it). Sign the sheet and keep it
where nobody who administers the aggregator can change it. A trust file whose keys
have these fingerprints anchors evidence, also years later.`

// Text writes the sheet for a text printer.
func (s Sheet) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "LINEWATCH KEY SHEET   %s (%s)   %s\n\n%s\n", short(s.Plant), s.Instance, s.Printed.Format(time.RFC3339), sheetAdvice)
	for _, k := range s.Keys {
		fmt.Fprintf(&b, "\n[ ] %s %s\n", k.What, k.Name)
		if k.Station != "" {
			fmt.Fprintf(&b, "    %s on %s, %s, enrolled %s\n", k.Station, k.Host, k.State, k.Since)
		}
		groups := k.Groups()
		fmt.Fprintf(&b, "    %s\n    %s\n", groups[:40], groups[40:])
	}
	b.WriteString("\n\nCompared by ____________________________   Date ______________   Signature ____________________\n")
	_, err := io.WriteString(w, b.String())
	return err
}

const sheetPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Linewatch key sheet</title>
<style>
body{font:11pt/1.4 sans-serif;margin:2cm auto;max-width:18cm}
table{border-collapse:collapse;width:100%}td,th{border:1px solid #888;padding:.3em .5em;text-align:left;vertical-align:top}
code{font:10pt monospace}tr{break-inside:avoid}.box{width:1.2em}.sign td{height:1.4cm}
</style>
<h1>Linewatch key sheet</h1>
<p>{{.S.Plant}} ({{.S.Instance}}), {{.At}}</p>
<p>{{.Advice}}</p>
<table><tr><th class="box">✓</th><th>Key of</th><th>Fingerprint (SHA-256)</th></tr>
{{range .S.Keys}}<tr><td></td><td>{{.What}} {{.Name}}{{if .Station}}<br>{{.Station}}<br>{{.Host}}, {{.State}}, enrolled {{.Since}}{{end}}</td><td><code>{{.Groups}}</code></td></tr>
{{end}}</table>
<table class="sign" style="margin-top:1cm"><tr><td>Compared by</td><td>Date</td><td>Signature</td></tr></table>
</html>
`

// HTML writes the sheet as a page to print.
func (s Sheet) HTML(w io.Writer) error {
	page, err := template.New("sheet").Parse(sheetPage)
	if err != nil {
		return fmt.Errorf("sheet: %w", err)
	}
	return page.Execute(w, map[string]any{"S": s, "At": s.Printed.Format(time.RFC3339), "Advice": sheetAdvice})
}
