package bench

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/shared/layout"
)

// Results are the figures of a run: by benchmark (folder of the package, colon,
// name without "Benchmark" and without the number of processors), then by unit.
type Results struct {
	CPU    string // model, as go test tells it
	Values map[string]map[string]float64
	Failed []string // packages and benchmarks that failed
}

var processors = regexp.MustCompile(`-\d+$`)

// Read takes the output of `go test -bench`, of one or more packages, and copies
// it to w as it comes. A benchmark that wrote something between its name and its
// figures is understood too.
func Read(r io.Reader, w io.Writer) (Results, error) {
	res := Results{Values: map[string]map[string]float64{}}
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	folder, open := "", ""
	for in.Scan() {
		line := in.Text()
		if _, err := fmt.Fprintln(w, line); err != nil {
			return res, fmt.Errorf("copy the output: %w", err)
		}
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "pkg:" && len(words) == 2:
			folder = strings.TrimPrefix(words[1], layout.Module+"/")
		case words[0] == "cpu:":
			res.CPU = strings.Join(words[1:], " ")
		case words[0] == "FAIL" && len(words) > 1:
			res.Failed = append(res.Failed, strings.TrimPrefix(words[1], layout.Module+"/"))
		case words[0] == "---" && len(words) > 2 && words[1] == "FAIL:":
			res.Failed = append(res.Failed, words[2])
		case strings.HasPrefix(words[0], "Benchmark"):
			open = folder + ":" + processors.ReplaceAllString(strings.TrimPrefix(words[0], "Benchmark"), "")
			res.add(open, words[1:])
		case open != "":
			res.add(open, words)
		}
	}
	if err := in.Err(); err != nil {
		return res, fmt.Errorf("read the output: %w", err)
	}
	return res, nil
}

// add takes "iterations value unit value unit …"; anything else is no result.
func (r *Results) add(name string, words []string) {
	if len(words) < 3 || len(words)%2 == 0 {
		return
	}
	if _, err := strconv.ParseUint(words[0], 10, 64); err != nil {
		return
	}
	values := map[string]float64{}
	for i := 1; i < len(words); i += 2 {
		v, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			return
		}
		values[words[i+1]] = v
	}
	r.Values[name] = values
}

// get finds a figure; a name that ends in "*" means the largest of all that begin so.
func (r Results) get(f Ref) (v float64, ok bool) {
	begin, several := strings.CutSuffix(f.Benchmark, "*")
	if !several {
		v, ok = r.Values[f.Benchmark][f.Unit]
		return v, ok
	}
	for name, values := range r.Values {
		if one, has := values[f.Unit]; has && strings.HasPrefix(name, begin) {
			v, ok = max(v, one), true
		}
	}
	return v, ok
}
