package config

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/event"
)

// DefaultFile is where the programs look when no file is named.
const DefaultFile = "/var/lib/linewatch-aggregator/aggregator.yaml"

// Load reads and checks a file; the error has every mistake with its place.
func Load(path string) (Config, error) { return conf.LoadIn(path, (*Config).settle) }

// Parse reads and checks text as Load does; dir stands for the file's folder.
func Parse(name string, text []byte, dir string) (Config, error) {
	return conf.ParseIn(name, text, dir, (*Config).settle)
}

func (c *Config) settle(dir string) {
	c.Dir = dir
	if !filepath.IsAbs(c.DataDir) {
		c.DataDir = filepath.Join(dir, c.DataDir)
	}
}

// Validate checks what types can't.
func (c *Config) Validate(r *conf.Report) {
	if !r.Faulty("instance") && !regexp.MustCompile(`^[a-z0-9._-]{1,40}$`).MatchString(c.Instance) {
		r.Add("instance", "must be 1 to 40 of a-z 0-9 . _ - (it is part of the origins of the aggregator's logs)")
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		r.Add("time_zone", "is no IANA time zone such as Europe/Berlin")
	}
	if err := event.ValidStation(c.Station); err != nil {
		r.Addf("station", "%v", err)
	}
	if !storeKnown(c.Store) {
		r.Add("store", "must be sqlite or postgres://user@host/database")
	}
	for path, listen := range map[string]string{"people.listen": c.People.Listen, "agents.listen": c.Agents.Listen} {
		if _, _, err := net.SplitHostPort(listen); err != nil {
			r.Add(path, "must be address:port or :port")
		}
	}
	if (c.People.TLS.Cert == "") != (c.People.TLS.Key == "") {
		r.Add("people.tls", "needs both cert and key, or neither")
	}
	for i, text := range c.Agents.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" {
			r.Addf(fmt.Sprintf("agents.urls[%d]", i), "must be https://host:port")
		}
	}
	c.validateWitnesses(r)
	c.validateVault(r)
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		r.Add("log.level", "must be debug, info, warn or error")
	}
}

func storeKnown(s string) bool {
	return s == "sqlite" || strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// Write makes the text of a file that says what c says; empty values are left
// to their defaults.
func Write(c Config) []byte {
	var b strings.Builder
	b.WriteString("# The aggregator. Every key: docs/configuration.md\n")
	line := func(indent, key string, value any) {
		switch v := value.(type) {
		case string:
			if v == "" {
				return
			}
		case []string:
			if len(v) == 0 {
				return
			}
		}
		// JSON strings and lists are YAML.
		text, _ := json.Marshal(value)
		fmt.Fprintf(&b, "%s%s: %s\n", indent, key, text)
	}
	line("", "data_dir", c.DataDir)
	line("", "instance", c.Instance)
	line("", "plant", c.Plant)
	line("", "time_zone", c.TimeZone)
	line("", "station", c.Station)
	line("", "store", c.Store)
	if c.People.Listen != "" || len(c.People.Names) > 0 {
		b.WriteString("people:\n")
		line("  ", "listen", c.People.Listen)
		line("  ", "names", c.People.Names)
	}
	if c.Agents.Listen != "" || len(c.Agents.URLs) > 0 {
		b.WriteString("agents:\n")
		line("  ", "listen", c.Agents.Listen)
		line("  ", "urls", c.Agents.URLs)
	}
	return []byte(b.String())
}
