package cli

import (
	"cmp"

	"github.com/spf13/cobra"

	"patchbay/app"
	"patchbay/config"
)

func storageReopen(load loader) *cobra.Command {
	var provider string
	var force bool
	cmd := load.command("reopen", "Let gateways serve again from a store that was copied to another", func(cmd *cobra.Command, c *config.Config, _ []string) error {
		cmd.PrintErrf("store: %s, opened by this command\n", nameOf(c, cmp.Or(provider, c.Storage.Provider)))
		moved, err := app.ReopenStorage(cmd.Context(), c, provider, force)
		if err != nil {
			return err
		}
		cmd.PrintErrf("it can be served from again; never serve from %s beside it\n", moved)
		return nil
	})
	cmd.Flags().StringVar(&provider, "provider", "", "the provider whose store it is; without one that in use")
	cmd.Flags().BoolVar(&force, "force", false, "reopen it even if the copy was used or cannot be reached; what was stored there since is not in this store")
	return cmd
}
