package cli

import (
	"net/http"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/app"
)

func storagePutBack(load loader) *cobra.Command {
	return &cobra.Command{
		Use: "put-back RECORD", Short: "Have a record handled again that is set aside", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			g, err := load.gateway(cmd)
			if err != nil {
				return err
			}
			asked := g.ask(cmd.Context(), http.MethodPost, "/admin/storage/put-back", adminapi.PutBack{Record: args[0]}, nil)
			return g.or(asked, func() error { return app.PutBack(cmd.Context(), g.config, args[0]) })
		},
	}
}
