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

// finding is what linewatch-verify says of a part of a log.
type finding struct {
	Verdict string `json:"verdict"`
	Origin  string `json:"origin"`
	Index   uint64 `json:"index"`
	Count   uint64 `json:"count"`
}

// verify exports all logs, checks them with the offline verifier, and counts the
// rows whose leaf lies in a part that is anchored.
func (p *plant) verify(ctx context.Context, rows []row) (int, error) {
	agg, data, bundle := p.tool("linewatch-aggregator"), p.path("aggregator"), p.path("evidence.bundle")
	if _, err := runTool(ctx, "", agg, "evidence", "export", "--data", data, "--out", bundle); err != nil {
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
	var report struct {
		Findings []finding `json:"findings"`
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return 0, fmt.Errorf("linewatch-verify: %w", err)
	}
	return anchored(rows, report.Findings), nil
}

func anchored(rows []row, findings []finding) int {
	n := 0
	for _, r := range rows {
		for _, f := range findings {
			if f.Verdict == "anchored" && strings.HasSuffix(f.Origin, "/"+r.Stored.Log) && r.Stored.Index >= f.Index && r.Stored.Index < f.Index+f.Count {
				n++
				break
			}
		}
	}
	return n
}
