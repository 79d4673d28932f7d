// Command gen writes the example, the JSON Schema and the reference page of
// agent.yaml; go generate in agent/config runs it.
package main

import (
	"fmt"
	"os"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/conf"
)

func main() {
	if err := conf.WriteDocuments("../..", config.Config{}, "agent"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
