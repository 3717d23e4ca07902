package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
)

func openConsole(load loader) *cobra.Command {
	return load.gatewayCommand("console", "Print a link that signs a browser in to the console, once", func(g *gateway, _ []string) error {
		address := g.config.Server.AdminAddress
		link, err := adminapi.SignIn.Call(g.cmd.Context(), g.client, adminapi.None{})
		if adminapi.NotRunning(err) {
			return fmt.Errorf("no gateway runs at %s: the console is a part of `patchbay serve`", address)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(g.cmd.OutOrStdout(), "http://%s%s\n", address, link.Path)
		g.cmd.PrintErrf("it can be used once, until %s\n", link.ExpiresAt.Local().Format(time.TimeOnly))
		return nil
	})
}
