// Msctl runs a fleet of services on one machine.
package main

import (
	"os"

	"msctl.dev/msctl/internal/cli"
)

func main() { os.Exit(cli.Run()) }
