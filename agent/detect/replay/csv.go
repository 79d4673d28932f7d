package replay

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/event"
)

// Row is the values of one moment, by signal.
type Row struct {
	At     time.Time
	Values []Cell
}

// Cell is one value: a float64, an int64 or uint64 from 2^53 on, a bool, or a string.
type Cell struct {
	Signal string
	Value  any
}

const (
	maxColumns = 1000
	maxMistake = 5 // lines that can't be read are named, so many
)

// Reader reads recorded curves: a header, the time in the first column, then a
// column per signal (the header names it), or the columns time, signal, value.
type Reader struct {
	csv     *csv.Reader
	names   []string
	long    bool
	signal  int // columns of the long form
	value   int
	zone    *time.Location
	line    int
	Skipped int      // lines that could not be read
	Why     []string // the first of them
}

// NewReader reads the header. Names replaces names of columns; zone is that of
// times without one.
func NewReader(in io.Reader, names map[string]string, zone *time.Location) (*Reader, error) {
	r := &Reader{csv: csv.NewReader(in), zone: zone}
	r.csv.FieldsPerRecord, r.csv.ReuseRecord, r.csv.TrimLeadingSpace = -1, true, true
	head, err := r.csv.Read()
	if err != nil {
		return nil, fmt.Errorf("the file has no header: %w", err)
	}
	if len(head) == 1 && strings.Contains(head[0], ";") {
		return nil, errors.New("the columns are divided by semicolons; divide them by commas, with a point in numbers")
	}
	if len(head) < 2 || len(head) > maxColumns {
		return nil, fmt.Errorf("the header has %d columns; wanted is the time and then one per signal", len(head))
	}
	if _, err := r.time(head[0]); err == nil {
		return nil, errors.New("the first line is no header: name the columns, such as time,press.temperature")
	}
	lower := make([]string, len(head))
	for i, name := range head {
		name = strings.TrimPrefix(strings.TrimSpace(name), "\ufeff")
		lower[i] = strings.ToLower(name)
		if as, ok := names[name]; ok {
			name = as
		}
		r.names = append(r.names, name)
	}
	r.signal, r.value = slices.Index(lower, "signal"), slices.Index(lower, "value")
	r.long = r.signal > 0 && r.value > 0
	return r, nil
}

// Signals are the names of the columns, nil for the long form.
func (r *Reader) Signals() []string {
	if r.long {
		return nil
	}
	return r.names[1:]
}

// Next returns the next row, io.EOF behind the last. Cells without a value are
// left out; lines without a time are skipped and counted.
func (r *Reader) Next() (Row, error) {
	for {
		record, err := r.csv.Read()
		if errors.Is(err, io.EOF) {
			return Row{}, io.EOF
		}
		r.line++
		if _, bad := errors.AsType[*csv.ParseError](err); bad {
			r.skip("%v", err)
			continue
		}
		if err != nil {
			return Row{}, err
		}
		at, err := r.time(record[0])
		if err != nil {
			r.skip("line %d: %v", r.line+1, err)
			continue
		}
		if row := (Row{At: at, Values: r.cells(record)}); len(row.Values) > 0 {
			return row, nil
		}
	}
}

func (r *Reader) cells(record []string) (out []Cell) {
	if r.long {
		if max(r.signal, r.value) < len(record) && record[r.signal] != "" {
			if v, ok := cell(record[r.value]); ok {
				out = append(out, Cell{record[r.signal], v})
			}
		}
		return out
	}
	for i := 1; i < min(len(record), len(r.names)); i++ {
		if v, ok := cell(record[i]); ok && r.names[i] != "" {
			out = append(out, Cell{r.names[i], v})
		}
	}
	return out
}

// cell reads one value; "" is none.
func cell(text string) (any, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, false
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err == nil && math.Abs(f) >= event.MaxInteger:
		return wide(text, f), true
	case err == nil, errors.Is(err, strconv.ErrRange): // beyond float64 it is infinite
		return f, true
	}
	switch strings.ToLower(text) {
	case "true":
		return true, true
	case "false":
		return false, true
	case "nan", "null", "none", "n/a", "na":
		return math.NaN(), true
	}
	return strings.Clone(text), true
}

// wide keeps an integer that float64 can't hold as one, as a live source does.
func wide(text string, f float64) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	return f
}

func (r *Reader) skip(format string, args ...any) {
	r.Skipped++
	if len(r.Why) < maxMistake {
		r.Why = append(r.Why, fmt.Sprintf(format, args...))
	}
}

// time reads RFC 3339, date and time of day, or seconds or milliseconds since 1970.
func (r *Reader) time(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, text, r.zone); err == nil {
			return at.UTC(), nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	const milliseconds = 1e11 // what is larger, as seconds, lies behind the year 5000
	switch {
	case err != nil || math.IsNaN(f) || f < 0 || f > 1e14:
		return time.Time{}, fmt.Errorf("%q is no time such as 2026-11-22 08:00:00 or 2026-11-22T08:00:00Z", text)
	case f >= milliseconds:
		return time.UnixMilli(int64(f)).UTC(), nil
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), nil
}
