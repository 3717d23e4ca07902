package cli

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/core/apikeys"
	"patchbay/core/payments"
)

func reviewPayments(load loader) *cobra.Command {
	return load.gatewayCommand("review", "List the payments that need a person, of all tenants", func(g *gateway, _ []string) error {
		table := tabwriter.NewWriter(g.cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "PAYMENT\tTENANT\tPROVIDER\tSTATUS\tSINCE\tREASON\tDETAIL")
		looked, printed := 0, time.Now()
		handle := func(l adminapi.ReviewLine) error {
			if looked += l.Looked; time.Since(printed) > progressEvery {
				g.cmd.PrintErrf("%d looked at\n", looked)
				printed = time.Now()
			}
			if r := l.Review; r != nil {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Payment, r.Tenant, r.Provider, r.Status, r.At.UTC().Format(time.RFC3339), r.Reason, r.Detail)
			}
			return nil
		}
		if err := askStream(g, adminapi.ListReviews, adminapi.None{}, handle); err != nil {
			return err // a partial list would look complete
		}
		return table.Flush()
	})
}

func resolvePayment(load loader) *cobra.Command {
	var v adminapi.Verdict
	cmd := load.gatewayCommand("resolve PAYMENT", "Settle a payment with what you saw at its provider", func(g *gateway, args []string) error {
		if v.Verdict == string(payments.Executed) {
			g.offlineErr = errors.New("what was executed is read at the provider: start the gateway first")
		}
		v.ID = args[0]
		settled, err := ask(g, adminapi.ResolvePayment, v)
		if err != nil {
			return err
		}
		fmt.Fprintf(g.cmd.OutOrStdout(), "%s is settled: %s\n", settled.ID, settled.Status)
		return nil
	})
	cmd.Flags().StringVar(&v.Verdict, "verdict", "", "executed, not_executed, or noted where nothing is unknown")
	cmd.Flags().StringVar(&v.Reference, "reference", "", "the provider's object that the operation made, for executed: pi_… or re_…")
	cmd.Flags().StringVar(&v.Note, "note", "", "what was seen; it is kept with the payment")
	cmd.Flags().StringVar(&v.Tenant, "tenant", apikeys.DefaultTenant, "whose payment it is")
	cobra.CheckErr(cmd.MarkFlagRequired("verdict")) // the flag is there
	return cmd
}
