package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/core/apikeys"
)

func createKey(load loader) *cobra.Command {
	var n adminapi.NewKey
	var ttl time.Duration
	cmd := load.gatewayCommand("create", "Make an API key, and print it once", func(g *gateway, _ []string) error {
		created, err := ask(g, adminapi.CreateKey, n)
		if err != nil {
			return err
		}
		fmt.Fprintln(g.cmd.OutOrStdout(), created.Token)
		g.cmd.PrintErrf("key %s of tenant %s; it is not shown again\n", created.Key.ID, created.Key.Tenant)
		return nil
	})
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("ttl") {
			if n.TTL = ttl.String(); ttl <= 0 { // 0 may come from an unset variable
				return apikeys.ErrTTL
			}
		}
		return nil
	}
	cmd.Flags().StringVar(&n.Name, "name", "", "what the key is for (required)")
	cmd.Flags().StringVar(&n.Tenant, "tenant", "default", "the tenant whose data the key gives access to")
	cmd.Flags().StringSliceVar((*[]string)(&n.Scopes), "scopes", nil, "what it may do, such as payments:write,users:read; all where absent")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it lasts, such as 720h; for ever where absent")
	return cmd
}

func listKeys(load loader) *cobra.Command {
	return load.gatewayCommand("list", "List API keys", func(g *gateway, _ []string) error {
		views, err := ask(g, adminapi.ListKeys, adminapi.None{})
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(g.cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tTENANT\tNAME\tSCOPES\tSTATE")
		for _, k := range views {
			fmt.Fprintf(table, "%s\t%s\t%s\t%v\t%s\n", k.ID, k.Tenant, k.Name, k.Scopes, state(k))
		}
		return table.Flush()
	})
}

func state(k adminapi.KeyView) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked " + formatMinute(k.RevokedAt)
	case k.ExpiresAt.IsZero():
		return "valid"
	case time.Now().After(k.ExpiresAt):
		return "expired " + formatMinute(k.ExpiresAt)
	}
	return "valid until " + formatMinute(k.ExpiresAt)
}

func formatMinute(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 UTC") }

func revokeKey(load loader) *cobra.Command {
	return load.gatewayCommand("revoke ID", "End an API key", func(g *gateway, args []string) error {
		_, err := ask(g, adminapi.RevokeKey, adminapi.KeyID{ID: args[0]})
		return err
	})
}
