package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// Witness is somebody outside who cosigns the aggregator's own logs (C2SP
// tlog-witness).
type Witness struct {
	Name string `yaml:"name" required:"true" doc:"name of its cosignatures, as it prints it" example:"witness.works-council"`
	URL  string `yaml:"url" required:"true" doc:"address before /add-checkpoint" example:"https://10.2.0.7:8447"`
	Key  string `yaml:"key" required:"true" doc:"its public key, base64, compared with what it prints" example:"nCq5hiI+CvkeyowtmxXccsQMWcRDubQEVPBSNj8Ij6M="`
	// OlderKeys keep what it confirmed before it changed its key.
	OlderKeys []string `yaml:"older_keys" doc:"keys that it had before, each with until and the time of the change behind it: what they confirmed stays in bundles" example:"[\"tWIgEfL5QNkbfySqlbXa+MzeoYfyUWjj1nIQmQH4BNE= until 2026-11-02T08:00:00Z\"]"`
	CA        string   `yaml:"ca" doc:"file with the certificates (PEM) that its HTTPS certificate must lead to; default: the system's" example:"witness-ca.pem"`
}

// Followed is another aggregator whose logs this one cosigns as a witness.
type Followed struct {
	Instance string `yaml:"instance" required:"true" doc:"name of that aggregator" example:"agg-bremen"`
	Key      string `yaml:"key" required:"true" doc:"its ledger key, base64: the line ledger of its trust file" example:"tWIgEfL5QNkbfySqlbXa+MzeoYfyUWjj1nIQmQH4BNE="`
}

// PublicKey reads a key of the configuration.
func PublicKey(text string) (ed25519.PublicKey, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%q is not the base64 of an Ed25519 key", text)
	}
	return raw, nil
}

// WitnessKeys are the keys of the witnesses, the present one of each before those
// that it had before, which count until their end.
func (c *Config) WitnessKeys() ([]bundle.Cosigner, error) {
	var lines strings.Builder
	for _, w := range c.Witnesses {
		for i, k := range append([]string{w.Key}, w.OlderKeys...) {
			if words := strings.Fields(k); i > 0 && (len(words) != 3 || words[1] != "until") {
				return nil, fmt.Errorf("older_keys of %s: %q is not a key, until, and a time like 2026-01-02T03:04:05Z", w.Name, k)
			}
			fmt.Fprintf(&lines, "witness %s %s\n", w.Name, k)
		}
	}
	t, err := bundle.ParseTrust(strings.NewReader(lines.String()))
	if mistake, ok := errors.AsType[*bundle.TrustError](err); ok {
		err = errors.New(mistake.Reason)
	}
	return t.Witnesses, err
}

func (c *Config) validateWitnesses(r *conf.Report) {
	seen := map[string]bool{}
	for i, w := range c.Witnesses {
		at := fmt.Sprintf("witnesses[%d]", i)
		if strings.ContainsAny(w.Name, " +\t\n") || seen[w.Name] || seen[w.Key] {
			r.Add(at+".name", "must be another for each witness, as must the key, and without blanks and +")
		}
		seen[w.Name], seen[w.Key] = true, true
		if u, err := url.Parse(w.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			r.Add(at+".url", "must be https://host:port, with a path if it has one (http is enough: what it carries is signed and public)")
		}
		if _, err := PublicKey(w.Key); err != nil {
			r.Addf(at+".key", "%v", err)
		}
	}
	if _, err := c.WitnessKeys(); err != nil {
		r.Addf("witnesses", "%v", err)
	}
	for i, f := range c.WitnessFor {
		at := fmt.Sprintf("witness_for[%d]", i)
		if !regexp.MustCompile(`^[a-z0-9._-]{1,64}$`).MatchString(f.Instance) || f.Instance == c.Instance {
			r.Add(at+".instance", "must be the instance of another aggregator: nobody is a witness of themselves")
		}
		if _, err := PublicKey(f.Key); err != nil {
			r.Addf(at+".key", "%v", err)
		}
	}
}

// CAFile is the witness's ca as an absolute path, "" without one.
func (c *Config) CAFile(w Witness) string {
	if w.CA == "" || filepath.IsAbs(w.CA) {
		return w.CA
	}
	return filepath.Join(c.Dir, w.CA)
}
