// Command linewatch-nab measures the detector of learnt novelty on the Numenta Anomaly
// Benchmark, whose folder is given by -dir or NAB_DIR. It first proves its scorer on the
// scores that the benchmark publishes. -doc FILE writes the result into a document,
// -export DIR the scores of each row in the benchmark's own result format.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/linewatch/linewatch/packaging/nab"
)

func main() {
	dir := flag.String("dir", os.Getenv("NAB_DIR"), "folder of the benchmark: a copy of github.com/numenta/NAB (data, labels) with reference_scores; default $NAB_DIR")
	doc := flag.String("doc", "", "document to write the result into, between its marks")
	export := flag.String("export", "", "folder to write the scores into, in the benchmark's result format")
	flag.Parse()
	if err := run(os.Stdout, *dir, *doc, *export); err != nil {
		fmt.Fprintln(os.Stderr, "linewatch-nab:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, dir, doc, export string) error {
	corpus, err := nab.Load(dir)
	if err != nil {
		return err
	}
	if err := nab.Prove(dir, corpus); err != nil {
		return fmt.Errorf("the scorer is not proved: %w", err)
	}
	fmt.Fprintln(out, "scorer: gives the published totals of both published detectors")
	report, err := nab.Run(corpus, func(seed int, scores [][]float64) error {
		fmt.Fprintf(out, "seed %d of %d\n", seed, nab.Seeds)
		if export == "" {
			return nil
		}
		return nab.Export(export, fmt.Sprintf("linewatch%d", seed), corpus, scores)
	})
	if err != nil {
		return err
	}
	text := about() + "\n" + report.Text() + "\n" + nab.Forecast(corpus).Text()
	fmt.Fprint(out, "\n", text)
	if doc == "" {
		return nil
	}
	old, err := os.ReadFile(doc)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	fresh, err := nab.Insert(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	if err := os.WriteFile(doc, []byte(fresh), 0o644); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	return nil
}

// about says where and when the figures were made.
func about() string {
	commit := "unknown"
	if text, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		commit = strings.TrimSpace(string(text))
	}
	return fmt.Sprintf("Measured %s at commit %s: %d processors, %s, %s/%s.\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), commit, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
