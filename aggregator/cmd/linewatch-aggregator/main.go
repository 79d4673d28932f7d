// Command linewatch-aggregator verifies, stores and shows what the agents send.
package main

import (
	"os"

	"github.com/linewatch/linewatch/shared/cli"
)

func main() {
	os.Exit(cli.Run(newRoot(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
