package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/linewatch/linewatch/shared/conf"
)

// Witness is somebody outside who cosigns the aggregator's own logs (C2SP
// tlog-witness).
type Witness struct {
	Name string `yaml:"name" required:"true" doc:"name of its cosignatures, as it prints it" example:"witness.works-council"`
	URL  string `yaml:"url" required:"true" doc:"address before /add-checkpoint" example:"https://10.2.0.7:8447"`
	Key  string `yaml:"key" required:"true" doc:"its public key, base64, compared with what it prints" example:"nCq5hiI+CvkeyowtmxXccsQMWcRDubQEVPBSNj8Ij6M="`
	CA   string `yaml:"ca" doc:"file with the certificates (PEM) that its HTTPS certificate must lead to; default: the system's" example:"witness-ca.pem"`
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
