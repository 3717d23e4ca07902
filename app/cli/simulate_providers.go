package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/notify"
	"patchbay/adapters/simulators/resendsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/sessim"
	"patchbay/adapters/simulators/stripesim"
)

func simulate() *cobra.Command {
	providers := []simulated{
		{"stripe", "Serve a simulated account at Stripe", []string{"account", "secret_key"}, anySecret, openStripe},
		{"sendgrid", "Serve a simulated account at SendGrid", []string{"api_key"}, anySecret, openSendGrid},
		{"mailgun", "Serve a simulated domain at Mailgun", []string{"domain", "api_key"}, anySecret, openMailgun},
		{"resend", "Serve a simulated account at Resend", []string{"api_key"}, resendSecret, openResend},
		{"ses", "Serve a simulated account at Amazon SES", []string{"region", "access_key_id", "secret_access_key"}, nil, openSES},
	}
	cmd := group("simulate", "Serve a simulated provider alone, for tests; nothing is kept")
	for _, p := range providers {
		cmd.AddCommand(p.command())
	}
	return cmd
}

func anySecret(string) error { return nil }

func resendSecret(text string) error {
	if !resendsim.IsSecret(text) {
		return errors.New("--webhook-secret: it must be whsec_ and base64, as Resend's are")
	}
	return nil
}

func openStripe(base string, c chosen) simulation {
	s := stripesim.New(stripesim.Options{
		Account: c.of("account"), Key: c.of("secret_key"),
		RefundTakes: 5 * time.Second, Approval: func(reference string) string { return base + stripesim.ApprovalPath + reference },
	})
	all := routes(s)
	all.Handle(stripesim.ApprovalPath, s.ApprovalPages())
	secret := cmp.Or(c.secret, "whsec_"+rand.Text())
	return simulation{Handler: all, values: [][2]string{{"account", s.Account()}, {"secret_key", s.Key()}}}.
		notifying(c, "webhook_secret", secret, func(ctx context.Context, refused notify.Refused) { s.NotifyEach(ctx, c.url, secret, refused) })
}

func openSendGrid(_ string, c chosen) simulation {
	s := sendgridsim.New(sendgridsim.Options{Key: c.of("api_key")})
	signer := sendgridsim.SignerOf(cmp.Or(c.secret, rand.Text()))
	return mailing(s, s.Messages, [2]string{"api_key", s.Key()}).
		notifying(c, "webhook_public_key", signer.PublicKey(), func(ctx context.Context, refused notify.Refused) { s.NotifyEach(ctx, c.url, signer, refused) })
}

func openMailgun(_ string, c chosen) simulation {
	s := mailgunsim.New(mailgunsim.Options{Domain: c.of("domain"), Key: c.of("api_key")})
	key := cmp.Or(c.secret, rand.Text())
	return mailing(s, s.Messages, [2]string{"domain", s.Domain()}, [2]string{"api_key", s.Key()}).
		notifying(c, "webhook_signing_key", key, func(ctx context.Context, refused notify.Refused) { s.NotifyEach(ctx, c.url, key, refused) })
}

func openResend(_ string, c chosen) simulation {
	s := resendsim.New(resendsim.Options{Key: c.of("api_key")})
	secret := cmp.Or(c.secret, resendsim.NewSecret())
	return mailing(s, s.Messages, [2]string{"api_key", s.Key()}).
		notifying(c, "webhook_secret", secret, func(ctx context.Context, refused notify.Refused) { s.NotifyEach(ctx, c.url, secret, refused) })
}

// openSES opens an account that sends no events: the gateway takes those alone that Amazon has signed.
func openSES(_ string, c chosen) simulation {
	s := sessim.New(sessim.Options{Region: c.of("region"), KeyID: c.of("access_key_id"), Secret: c.of("secret_access_key")})
	return mailing(s, s.Messages, [2]string{"region", s.Region()}, [2]string{"access_key_id", s.KeyID()}, [2]string{"secret_access_key", s.Key()})
}

// notifying returns a simulation that sends its events, if a URL was given, and prints by which value a gateway
// verifies them.
func (s simulation) notifying(c chosen, name, value string, send func(context.Context, notify.Refused)) simulation {
	if c.url != "" {
		s.values, s.notify = append(s.values, [2]string{name, value}), send
	}
	return s
}
