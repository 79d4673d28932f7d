// Package nab measures the detector of learnt novelty on the Numenta Anomaly
// Benchmark: it reads the corpus, scores as the original scorer does, and writes
// scores in the original's result format, so that the original can check them. The
// corpus is no part of Linewatch; its folder is given by path.
package nab

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	rowTime   = "2006-01-02 15:04:05"
	labelTime = "2006-01-02 15:04:05.000000"
)

// Window is one labelled anomaly: its first and last row.
type Window struct{ First, Last int }

// Series is one file of the corpus.
type Series struct {
	Name    string // category/name.csv, as in the labels
	Times   []time.Time
	Values  []float64
	Windows []Window // in the order of time, not overlapping
}

// Probation is the number of rows at the begin that are not scored.
func (s *Series) Probation() int { return min(len(s.Values)*15/100, 750) }

// Load reads the corpus below dir: labels/combined_windows.json and the files that it
// names, in data, plain or with .gz. The order is that of the names.
func Load(dir string) ([]*Series, error) {
	if dir == "" {
		return nil, errors.New("no folder of the benchmark given: set NAB_DIR to a copy of github.com/numenta/NAB (its folders data and labels)")
	}
	path := filepath.Join(dir, "labels", "combined_windows.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the labels (NAB_DIR must be a copy of github.com/numenta/NAB with data and labels): %w", err)
	}
	var labels map[string][][2]string
	if err := json.Unmarshal(raw, &labels); err != nil {
		return nil, fmt.Errorf("read the labels %s: %w", path, err)
	}
	var all []*Series
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		s := &Series{Name: name}
		if err := s.read(filepath.Join(dir, "data", filepath.FromSlash(name))); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if err := s.label(labels[name]); err != nil {
			return nil, fmt.Errorf("labels of %s: %w", name, err)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s names no file", path)
	}
	return all, nil
}

// lines calls take for each line but the first of a CSV file, plain or packed.
func lines(path string, take func(line string) error) error {
	f, err := os.Open(path)
	var in io.Reader = f
	if errors.Is(err, os.ErrNotExist) {
		if f, err = os.Open(path + ".gz"); err == nil {
			z, zerr := gzip.NewReader(f)
			if zerr != nil {
				f.Close()
				return zerr
			}
			in = z
		}
	}
	if err != nil {
		return err
	}
	if in == nil {
		in = f
	}
	defer f.Close()
	scan := bufio.NewScanner(in)
	scan.Scan()
	for n := 2; scan.Scan(); n++ {
		if err := take(scan.Text()); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return scan.Err()
}

func (s *Series) read(path string) error {
	return lines(path, func(line string) error {
		first, second, _ := strings.Cut(line, ",")
		at, err := time.Parse(rowTime, first)
		if err != nil {
			return err
		}
		value, err := strconv.ParseFloat(second, 64)
		if err != nil {
			return err
		}
		s.Times, s.Values = append(s.Times, at), append(s.Values, value)
		return nil
	})
}

// label finds the rows of the labelled windows; both ends belong to them.
func (s *Series) label(windows [][2]string) error {
	for _, w := range windows {
		from, err := time.Parse(labelTime, w[0])
		if err != nil {
			return err
		}
		to, err := time.Parse(labelTime, w[1])
		if err != nil {
			return err
		}
		found := Window{First: -1}
		for i, at := range s.Times {
			if at.Before(from) || at.After(to) {
				continue
			}
			if found.First < 0 {
				found.First = i
			}
			found.Last = i
		}
		if found.First < 0 {
			return fmt.Errorf("no row lies in the window from %s to %s", w[0], w[1])
		}
		s.Windows = append(s.Windows, found)
	}
	slices.SortFunc(s.Windows, func(a, b Window) int { return a.First - b.First })
	return nil
}
