// Command gen writes the example, the JSON Schema and the reference page of
// aggregator.yaml; go generate in aggregator/config runs it.
package main

import (
	"fmt"
	"os"

	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/shared/conf"
)

func main() {
	if err := conf.WriteDocuments("../..", config.Config{}, "aggregator"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
