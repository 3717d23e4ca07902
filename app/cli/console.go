package cli

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
)

func openConsole(load loader) *cobra.Command {
	return &cobra.Command{
		Use: "console", Short: "Print a link that signs a browser in to the console, once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g, err := load.gateway(cmd)
			if err != nil {
				return err
			}
			var link adminapi.Link
			err = g.ask(cmd.Context(), http.MethodPost, "/admin/links", nil, &link)
			if absent(err) {
				return fmt.Errorf("no gateway runs at %s: the console is a part of `patchbay serve`", g.address)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "http://%s%s\n", g.address, link.Path)
			cmd.PrintErrf("it can be used once, until %s\n", link.ExpiresAt.Local().Format(time.TimeOnly))
			return nil
		},
	}
}
