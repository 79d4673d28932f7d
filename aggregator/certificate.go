package aggregator

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/linewatch/linewatch/aggregator/config"
)

const (
	// renewBefore is when our own authority's certificate is made anew.
	renewBefore = 30 * 24 * time.Hour
	// lookEvery is how often the plant's certificate files are looked at.
	lookEvery = time.Minute
)

// certificates serve the people's listener: from our own authority, made anew
// before they end, or from the plant's files, read anew when they change.
type certificates struct {
	issue     func() (tls.Certificate, error) // own authority; nil with files
	cert, key string                          // files
	now       func() time.Time
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	changed time.Time // newest modification of the files
	looked  time.Time
}

func (a *Aggregator) peopleCertificates() *certificates {
	c := &certificates{now: time.Now, log: a.log}
	t := a.Config.People.TLS
	if t.Cert == "" {
		c.issue = func() (tls.Certificate, error) {
			return a.CA.Server(names(a.Config.People.Names, a.Config.Agents.URLs)...)
		}
		return c
	}
	c.cert, c.key = beside(a.Config, t.Cert), beside(a.Config, t.Key)
	return c
}

// beside makes a path of the configuration absolute: it counts from the file.
func beside(c config.Config, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Dir, path)
}

// get is a tls.Config's GetCertificate. Trouble with a new certificate is logged
// and the old one goes on.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, err := c.next()
	switch {
	case err == nil:
		c.current = next
	case c.current == nil:
		return nil, err
	default:
		c.log.Error("the people's certificate could not be renewed, the old one goes on", "error", err)
	}
	return c.current, nil
}

func (c *certificates) next() (*tls.Certificate, error) {
	now := c.now()
	if c.issue != nil {
		if c.current != nil && now.Add(renewBefore).Before(c.current.Leaf.NotAfter) {
			return c.current, nil
		}
		cert, err := c.issue()
		return &cert, err
	}
	if c.current != nil && now.Sub(c.looked) < lookEvery {
		return c.current, nil
	}
	c.looked = now
	changed, err := newest(c.cert, c.key)
	if err == nil && c.current != nil && changed.Equal(c.changed) {
		return c.current, nil
	}
	var cert tls.Certificate
	if err == nil {
		cert, err = tls.LoadX509KeyPair(c.cert, c.key)
	}
	if err != nil {
		return nil, fmt.Errorf("people.tls: %w", err)
	}
	c.changed = changed
	return &cert, nil
}

func newest(files ...string) (time.Time, error) {
	var at time.Time
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return at, err
		}
		if info.ModTime().After(at) {
			at = info.ModTime()
		}
	}
	return at, nil
}
