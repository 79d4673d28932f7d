// Command gen writes what is made of catalogue.csv: types_gen.go, catalogue.json
// (for the web pages) and docs/event-types.md. Run it with go generate in
// shared/event, or with -dir from anywhere.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/linewatch/linewatch/shared/event/gen/catalogue"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	dir := flags.String("dir", defaultDir(), "folder of catalogue.csv")
	if flags.Parse(args) != nil {
		return 2
	}
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		return 1
	}
	return 0
}

// defaultDir finds the folder from the root of the module, too.
func defaultDir() string {
	if _, err := os.Stat("catalogue.csv"); err == nil {
		return "."
	}
	return filepath.Join("shared", "event")
}

func write(dir string) error {
	csv, err := os.ReadFile(filepath.Join(dir, "catalogue.csv"))
	if err != nil {
		return err
	}
	made, err := catalogue.Generate(csv)
	if err != nil {
		return err
	}
	for name, content := range made {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
