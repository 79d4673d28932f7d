package nab

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
)

// Export writes scores in the original's result format:
// dir/<detector>/<category>/<detector>_<file>.csv with the columns timestamp, value,
// anomaly_score (0 to 1) and label, so that NAB's own scorer can check them. The
// original wants no underscore in the detector's name.
func Export(dir, detector string, corpus []*Series, scores [][]float64) error {
	for i, s := range corpus {
		category, file := path.Split(s.Name)
		folder := filepath.Join(dir, detector, filepath.FromSlash(category))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("export %s: %w", s.Name, err)
		}
		if err := export(filepath.Join(folder, detector+"_"+file), s, scores[i]); err != nil {
			return fmt.Errorf("export %s: %w", s.Name, err)
		}
	}
	return nil
}

func export(path string, s *Series, scores []float64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	fmt.Fprintln(out, "timestamp,value,anomaly_score,label")
	window := 0
	for i, at := range s.Times {
		for window < len(s.Windows) && i > s.Windows[window].Last {
			window++
		}
		label := "0"
		if window < len(s.Windows) && i >= s.Windows[window].First {
			label = "1"
		}
		fmt.Fprintf(out, "%s,%s,%s,%s\n", at.Format(rowTime), number(s.Values[i]), number(scores[i]), label)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
