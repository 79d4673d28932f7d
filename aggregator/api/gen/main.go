// Command gen writes docs/openapi.json. Run it with go generate ./aggregator/api.
package main

import (
	"fmt"
	"os"

	"github.com/linewatch/linewatch/aggregator/api"
)

func main() {
	text, err := api.Document()
	if err == nil {
		err = os.WriteFile("../../docs/openapi.json", text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
