package cli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/core/apikeys"
)

func retryEmails(load loader) *cobra.Command {
	var set adminapi.EmailSet
	var since, before string
	cmd := load.gatewayCommand("retry", "Send emails again that failed, are unknown or suppressed", func(g *gateway, _ []string) error {
		g.offlineErr = errors.New("emails are sent by a gateway: start it first")
		for _, bound := range []struct {
			flag, text string
			at         *time.Time
		}{{"--since", since, &set.Since}, {"--before", before, &set.Before}} {
			if bound.text == "" {
				continue
			}
			var err error
			if *bound.at, err = time.Parse(time.RFC3339, bound.text); err != nil {
				return fmt.Errorf("%s must be a time such as 2026-03-01T12:00:00Z", bound.flag)
			}
		}
		retried, skipped := 0, 0
		for {
			done, err := ask(g, adminapi.RetryEmails, set)
			retried, skipped = retried+done.Retried, skipped+done.Skipped
			if err == nil && done.Next != "" {
				set.Cursor = done.Next
				continue
			}
			if err == nil && retried+skipped == 0 && set.Provider != "" && !slices.Contains(g.config.Mail.Providers, set.Provider) {
				return fmt.Errorf("no such email was last tried at %s, which is not in mail.providers", set.Provider)
			}
			if err == nil || retried+skipped > 0 {
				fmt.Fprintf(g.cmd.OutOrStdout(), "%d are queued again, %d cannot be\n", retried, skipped)
			}
			return err
		}
	})
	cmd.Flags().StringVar(&set.Status, "status", "", "failed or suppressed; or unknown, which may be sent a second time")
	cmd.Flags().StringVar(&since, "since", "", "only those accepted then or later, such as 2026-03-01T12:00:00Z")
	cmd.Flags().StringVar(&before, "before", "", "only those accepted before")
	cmd.Flags().StringVar(&set.Provider, "provider", "", "only those last tried at this provider")
	cmd.Flags().StringVar(&set.Code, "code", "", "only those whose last attempt has this code, such as quota_exceeded")
	cmd.Flags().StringVar(&set.Tenant, "tenant", apikeys.DefaultTenant, "whose emails they are")
	cobra.CheckErr(cmd.MarkFlagRequired("status")) // the flag is there
	return cmd
}
