// Command msctl-keeper is the process that msctl puts over each service: it owns the service's process
// tree, its output and its exit code. It is started by msctl and not meant to be run by hand.
package main

import (
	"os"

	"msctl.dev/msctl/internal/keeper"
)

func main() { os.Exit(keeper.Main(os.Args[1:])) }
