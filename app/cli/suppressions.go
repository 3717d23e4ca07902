package cli

import (
	"cmp"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/core/apikeys"
)

func listSuppressions(load loader) *cobra.Command {
	var r adminapi.TenantRequest
	cmd := load.gatewayCommand("list", "List the addresses of a tenant that get no more mail, and why", func(g *gateway, _ []string) error {
		table := tabwriter.NewWriter(g.cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tEMAIL\tREASON\tSINCE\tNOTE")
		handle := func(l adminapi.SuppressionLine) error {
			if v := l.Suppression; v != nil {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", v.ID, cmp.Or(v.Email, "(erased)"), v.Reason, v.At.UTC().Format(time.RFC3339), v.Note)
			}
			return nil
		}
		if err := askStream(g, adminapi.ListSuppressions, r, handle); err != nil {
			return err // a partial list would look complete
		}
		return table.Flush()
	})
	cmd.Flags().StringVar(&r.Tenant, "tenant", apikeys.DefaultTenant, "whose list it is")
	return cmd
}

func addSuppression(load loader) *cobra.Command {
	var r adminapi.SuppressionRequest
	cmd := load.gatewayCommand("add EMAIL", "Send no more mail to an address", func(g *gateway, args []string) error {
		r.Email = args[0]
		all, err := ask(g, adminapi.AddSuppression, r)
		for _, v := range all {
			fmt.Fprintf(g.cmd.OutOrStdout(), "%s is suppressed: %s\n", v.Email, v.Reason)
		}
		return err
	})
	cmd.Flags().StringVar(&r.Reason, "reason", "manual", "bounced or manual, which stop all mail; complained or unsubscribed, which stop marketing")
	cmd.Flags().StringVar(&r.Note, "note", "", "for those who read the list")
	cmd.Flags().StringVar(&r.Tenant, "tenant", apikeys.DefaultTenant, "whose list it is")
	return cmd
}

func removeSuppression(load loader) *cobra.Command {
	var r adminapi.SuppressionRequest
	cmd := load.gatewayCommand("remove EMAIL", "Let an address get mail again", func(g *gateway, args []string) error {
		r.Email = args[0]
		done, err := ask(g, adminapi.RemoveSuppression, r)
		for _, v := range done.Removed {
			fmt.Fprintf(g.cmd.OutOrStdout(), "%s: %s is removed; what happened before does not bring it back\n", r.Email, v.Reason)
		}
		for _, v := range done.Left {
			fmt.Fprintf(g.cmd.OutOrStdout(), "%s: %s stays\n", r.Email, v.Reason)
		}
		return err
	})
	cmd.Flags().StringVar(&r.Reason, "reason", "", "the one reason to remove; all where absent")
	cmd.Flags().StringVar(&r.Tenant, "tenant", apikeys.DefaultTenant, "whose list it is")
	return cmd
}
