// Command linewatch-demo runs a simulated line with two agents and an aggregator.
package main

import (
	"os"

	"github.com/linewatch/linewatch/packaging/demo"
	"github.com/linewatch/linewatch/shared/cli"
)

func main() {
	os.Exit(cli.Run(demo.Command(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
