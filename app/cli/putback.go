package cli

import (
	"errors"
	"net/http"
	"syscall"

	"github.com/spf13/cobra"

	"patchbay/adapters/console"
	"patchbay/app"
)

func storagePutBack(load loader) *cobra.Command {
	return &cobra.Command{
		Use: "put-back RECORD", Short: "Have a record handled again that is set aside", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := load(cmd)
			if err != nil {
				return err
			}
			err = ask(cmd.Context(), "http://"+c.Server.AdminAddress+"/admin/storage/put-back", http.MethodPost, console.PutBack{Record: args[0]}, nil)
			if errors.Is(err, syscall.ECONNREFUSED) {
				err = app.PutBack(cmd.Context(), c, args[0])
			}
			return err
		},
	}
}
