package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// settleWithin bounds the wait for the last events.
const settleWithin = 30 * time.Second

// get asks the aggregator as the auditor.
func (p *plant) get(ctx context.Context, path string, into any) error {
	pem, err := os.ReadFile(p.path("aggregator", "ca", "ca.pem"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.people+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, res.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// row is what the demo reads of an event.
type row struct {
	Leaf struct {
		Type      string    `json:"event_type"`
		Timestamp time.Time `json:"timestamp"`
		Source    struct {
			Kind string `json:"kind"`
			Item string `json:"item"`
		} `json:"source"`
		Data struct {
			N int `json:"n"`
		} `json:"event_data"`
	} `json:"leaf"`
	Stored struct {
		Log   string `json:"log"`
		Index uint64 `json:"index"`
	} `json:"stored"`
}

// key names the hand-over that an event came from, "" for events of the agent itself.
func (r *row) key() string {
	switch r.Leaf.Source.Kind {
	case "mqtt":
		if r.Leaf.Data.N > 0 {
			return fmt.Sprintf("n%d", r.Leaf.Data.N)
		}
	case "opcua":
		if r.Leaf.Type == "equipment.status" || r.Leaf.Type == "equipment.fault" {
			return changeKey(strings.TrimPrefix(r.Leaf.Source.Item, "nsu="), r.Leaf.Timestamp)
		}
	}
	return ""
}

// stored reads all events and returns those that were handed over by the line,
// each once per row, and the number of gaps.
func (p *plant) stored(ctx context.Context) (rows []row, gaps int, err error) {
	next := ""
	for {
		var page struct {
			Events []row  `json:"events"`
			Next   string `json:"next"`
		}
		q := url.Values{"limit": {"1000"}, "q": {"station:hamburg/body/**"}, "after": {next}}
		if err := p.get(ctx, "/api/v1/events?"+q.Encode(), &page); err != nil {
			return nil, 0, err
		}
		for _, r := range page.Events {
			if r.Leaf.Type == "audit.gap" {
				gaps++
			}
			if p.line.sent[r.key()] {
				rows = append(rows, r)
			}
		}
		if next = page.Next; next == "" {
			return rows, gaps, nil
		}
	}
}

// settle waits for the last events, then verifies the exported evidence offline.
func (p *plant) settle(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	res := Result{Sent: len(p.line.sent)}
	var rows []row
	err := until(ctx, nil, "the last events", func() (err error) {
		rows, res.Gaps, err = p.stored(ctx)
		if err == nil && len(rows) < res.Sent {
			err = fmt.Errorf("%d of %d are stored", len(rows), res.Sent)
		}
		return err
	})
	res.Stored = len(rows)
	if err != nil && res.Stored == 0 {
		return res, err
	}
	res.Verified, err = p.verify(context.WithoutCancel(ctx), rows)
	return res, err
}

// verify exports all logs whole and checks them with the offline verifier. Only
// when every leaf of every log is anchored do the rows count, each place once.
func (p *plant) verify(ctx context.Context, rows []row) (int, error) {
	agg, data, bundle := p.tool("linewatch-aggregator"), p.path("aggregator"), p.path("evidence.bundle")
	exported, err := runTool(ctx, "", agg, "evidence", "export", "--json", "--data", data, "--out", bundle)
	if err != nil {
		return 0, err
	}
	trust, err := runTool(ctx, "", agg, "evidence", "trust", "--data", data)
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(p.path("trust.txt"), []byte(trust), 0o600); err != nil {
		return 0, err
	}
	text, err := runTool(ctx, "", p.tool("linewatch-verify"), "--json", "--trust", p.path("trust.txt"), bundle)
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return 0, err
	}
	var sum struct {
		Leaves int `json:"leaves"`
	}
	var report struct {
		Summary struct {
			Events, Anchored, Lost, Bad int
		} `json:"summary"`
	}
	if err := errors.Join(json.Unmarshal([]byte(exported), &sum), json.Unmarshal([]byte(text), &report)); err != nil {
		return 0, fmt.Errorf("linewatch-verify: %w", err)
	}
	s := report.Summary
	if s.Bad != 0 || s.Lost != 0 || s.Anchored != s.Events || s.Events != sum.Leaves {
		fmt.Fprintf(p.o.Say, "demo: linewatch-verify: %d leaves exported, %d read, %d anchored, %d lost, %d do not hold\n", sum.Leaves, s.Events, s.Anchored, s.Lost, s.Bad)
		return 0, nil
	}
	places := map[string]bool{}
	for _, r := range rows {
		places[fmt.Sprintf("%s/%d", r.Stored.Log, r.Stored.Index)] = true
	}
	return len(places), nil
}
