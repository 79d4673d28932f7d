// Command linewatch-bench reads the output of `go test -bench` on its standard
// input, passes it on, and ends with the table of figures beside their limits. With
// -doc FILE it also writes the table into that document. It fails only when a
// benchmark failed: whether a budget holds depends on the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/linewatch/linewatch/packaging/bench"
)

func main() {
	doc := flag.String("doc", "", "document to write the table into, between its marks")
	flag.Parse()
	if err := run(*doc); err != nil {
		fmt.Fprintln(os.Stderr, "linewatch-bench:", err)
		os.Exit(1)
	}
}

func run(doc string) error {
	results, err := bench.Read(os.Stdin, os.Stdout)
	if err != nil {
		return err
	}
	rows := bench.Rows(bench.Figures(), results)
	text := about(results.CPU) + "\n" + bench.Table(rows)
	fmt.Printf("\n%s\n%s", text, missed(rows))
	if doc != "" {
		old, err := os.ReadFile(doc)
		if err != nil {
			return fmt.Errorf("read the document: %w", err)
		}
		fresh, err := bench.Insert(string(old), text)
		if err != nil {
			return fmt.Errorf("%s: %w", doc, err)
		}
		if err := os.WriteFile(doc, []byte(fresh), 0o644); err != nil {
			return fmt.Errorf("write the document: %w", err)
		}
	}
	if len(results.Failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(results.Failed, ", "))
	}
	return nil
}

// missed names the budgets that do not hold.
func missed(rows []bench.Row) string {
	var list []string
	for _, r := range rows {
		if !r.Missing && !r.Stated() && !r.Met() {
			list = append(list, "  "+r.What+": "+strings.Trim(r.Verdict(), "*"))
		}
	}
	if len(list) == 0 {
		return "all budgets that were measured are met\n"
	}
	return "missed:\n" + strings.Join(list, "\n") + "\n"
}

// about says where and when the figures were made.
func about(cpu string) string {
	commit := "unknown"
	if out, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	load := ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load at the end " + strings.Join(strings.Fields(string(text))[:3], " ")
	}
	return fmt.Sprintf("Measured %s at commit %s: %s, %d processors, %s, %s/%s%s.\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), commit, cpu, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, load)
}
