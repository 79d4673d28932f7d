package enrol

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

// keepMonths after the end of its year a pseudonym key is destroyed.
const keepMonths = 13

// Pseudonyms keeps the keys that turn user names into pseudonyms, one for each
// plant and year, as files of their own (0600) outside of the database: whoever
// holds only the database re-identifies nobody.
type Pseudonyms struct {
	dir string
	mu  sync.Mutex
}

// NewPseudonyms keeps the keys in dir, which is made when missing.
func NewPseudonyms(dir string) (*Pseudonyms, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("pseudonym keys: %w", err)
	}
	return &Pseudonyms{dir: dir}, nil
}

// Keys returns the keys of these plants that are in use now: this year's, in
// January also last year's, from 1 December also next year's. They are made at need.
func (p *Pseudonyms) Keys(plants []string, now time.Time) ([]wire.PseudonymKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now = now.UTC()
	years := []int{now.Year()}
	switch now.Month() {
	case time.January:
		years = []int{now.Year() - 1, now.Year()}
	case time.December:
		years = append(years, now.Year()+1)
	}
	var out []wire.PseudonymKey
	for _, plant := range plants {
		for _, year := range years {
			key, err := p.key(plant, year)
			if err != nil {
				return nil, err
			}
			out = append(out, wire.PseudonymKey{Plant: plant, Year: year, Key: base64.StdEncoding.EncodeToString(key)})
		}
	}
	return out, nil
}

// key reads one key, or makes it.
func (p *Pseudonyms) key(plant string, year int) ([]byte, error) {
	name := filepath.Join(p.dir, fmt.Sprintf("%s-%04d.key", plant, year))
	text, err := os.ReadFile(name)
	if err == nil {
		key, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil || len(key) != 32 {
			return nil, fmt.Errorf("pseudonym key %s: damaged", name)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("pseudonym key: %w", err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	if err := durable.WriteFile(name, []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("pseudonym key: %w", err)
	}
	return key, nil
}

// Expire destroys the keys of years that ended 13 months ago or earlier and
// returns their names (plant-year).
func (p *Pseudonyms) Expire(now time.Time) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	files, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, fmt.Errorf("pseudonym keys: %w", err)
	}
	var gone []string
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".key")
		dash := strings.LastIndexByte(name, '-')
		if !ok || dash < 0 {
			continue
		}
		year, err := strconv.Atoi(name[dash+1:])
		if err != nil || now.Before(time.Date(year+1, time.January, 1, 0, 0, 0, 0, time.UTC).AddDate(0, keepMonths, 0)) {
			continue
		}
		if err := durable.RemoveAll(filepath.Join(p.dir, f.Name())); err != nil {
			return gone, fmt.Errorf("pseudonym key %s: %w", name, err)
		}
		gone = append(gone, name)
	}
	return gone, nil
}

// Pseudonyms are those of a name under every key that is still there, of all
// plants and years.
func (p *Pseudonyms) Pseudonyms(name string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	files, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, fmt.Errorf("pseudonym keys: %w", err)
	}
	var out []string
	for _, f := range files {
		id, ok := strings.CutSuffix(f.Name(), ".key")
		dash := strings.LastIndexByte(id, '-')
		if !ok || dash < 0 {
			continue
		}
		year, err := strconv.Atoi(id[dash+1:])
		if err != nil {
			continue
		}
		key, err := p.key(id[:dash], year)
		if err != nil {
			return nil, err
		}
		out = append(out, event.Pseudonym(key, name))
	}
	return out, nil
}

// plants are the first segments of a station and of those patterns of a scope
// that name a plant.
func plants(station string, scope []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, path := range append([]string{station}, scope...) {
		plant, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if plant == "" || strings.ContainsAny(plant, "*?[") || seen[plant] || filepath.Base(plant) != plant || plant == "." || plant == ".." {
			continue
		}
		seen[plant] = true
		out = append(out, plant)
	}
	return out
}
