// Command linewatch-agent records what the equipment of one station does.
package main

import (
	"os"

	"github.com/linewatch/linewatch/shared/cli"
)

func main() {
	os.Exit(cli.Run(newRoot(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
