// Command patchbay is the gateway.
package main

import (
	"os"

	"patchbay/app/cli"
)

func main() { os.Exit(cli.Run()) }
