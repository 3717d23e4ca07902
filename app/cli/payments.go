package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/app"
	"patchbay/core/apikeys"
	"patchbay/core/payments"
)

func paymentsCommand(load loader) *cobra.Command {
	cmd := &cobra.Command{Use: "payments", Short: "List and settle payments that need a person"}
	cmd.AddCommand(reviewPayments(load), resolvePayment(load))
	return cmd
}

func reviewPayments(load loader) *cobra.Command {
	return &cobra.Command{
		Use: "review", Short: "List the payments that need a person, of all tenants", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g, err := load.gateway(cmd)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(table, "PAYMENT\tTENANT\tPROVIDER\tSTATUS\tSINCE\tREASON\tDETAIL")
			looked, said := 0, time.Now()
			tell := func(l adminapi.ReviewLine) error {
				if looked += l.Looked; time.Since(said) > progressEvery {
					cmd.PrintErrf("%d looked at\n", looked)
					said = time.Now()
				}
				if r := l.Review; r != nil {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Payment, r.Tenant, r.Provider, r.Status, r.At.UTC().Format(time.RFC3339), r.Reason, r.Detail)
				}
				return nil
			}
			if err := inReview(cmd.Context(), g, tell); err != nil {
				return err // a partial list would look complete
			}
			return table.Flush()
		},
	}
}

// inReview asks the gateway if one runs, because it holds the store; otherwise it opens the
// store itself.
func inReview(ctx context.Context, g *gateway, tell func(adminapi.ReviewLine) error) error {
	err := follow(ctx, g, http.MethodGet, "/admin/payments/review", nil, func(l adminapi.ReviewLine) (bool, error) {
		if l.Error != "" {
			return false, errors.New(l.Error)
		}
		return l.Done, tell(l)
	})
	return g.or(err, func() error {
		return app.WithPayments(ctx, g.config, func(s *payments.Service, keys *apikeys.Service) error {
			return adminapi.InReview(ctx, keys, s, tell)
		})
	})
}

func resolvePayment(load loader) *cobra.Command {
	var v adminapi.Verdict
	cmd := &cobra.Command{
		Use: "resolve PAYMENT", Short: "Settle a payment with what you saw at its provider", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			g, err := load.gateway(cmd)
			if err != nil {
				return err
			}
			settled, err := resolve(cmd.Context(), g, args[0], v)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is settled: %s\n", settled.ID, settled.Status)
			return nil
		},
	}
	cmd.Flags().StringVar(&v.Verdict, "verdict", "", "executed, not_executed, or noted where nothing is unknown")
	cmd.Flags().StringVar(&v.Reference, "reference", "", "the provider's object that the operation made, for executed: pi_… or re_…")
	cmd.Flags().StringVar(&v.Note, "note", "", "what was seen; it is kept with the payment")
	cmd.Flags().StringVar(&v.Tenant, "tenant", apikeys.DefaultTenant, "whose payment it is")
	cobra.CheckErr(cmd.MarkFlagRequired("verdict")) // the flag is there
	return cmd
}

// resolve asks the gateway. If none runs it opens the store itself, except for verdicts
// that need the provider.
func resolve(ctx context.Context, g *gateway, id string, v adminapi.Verdict) (settled adminapi.Settled, err error) {
	err = g.ask(ctx, http.MethodPost, "/admin/payments/"+url.PathEscape(id)+"/resolve", v, &settled)
	err = g.or(err, func() error {
		if v.Verdict == string(payments.Executed) {
			return errors.New("what was executed is read at the provider: start the gateway first")
		}
		return app.WithPayments(ctx, g.config, func(s *payments.Service, _ *apikeys.Service) error {
			p, err := s.Settle(ctx, v.Tenant, id, v.Request())
			settled = adminapi.Settled{ID: p.ID, Status: p.Status}
			return err
		})
	})
	return settled, err
}
