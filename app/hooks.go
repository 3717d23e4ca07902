package app

import (
	"errors"
	"maps"
	"slices"

	"patchbay/adapters/webhooks/mailgunhook"
	"patchbay/adapters/webhooks/sendgridhook"
	"patchbay/adapters/webhooks/stripehook"
	"patchbay/config"
	"patchbay/core/emails"
	"patchbay/core/payments"
	"patchbay/core/webhooks"
	"patchbay/ports"
)

// hooks verifies and parses the webhooks of each format.
type hooks struct {
	stripe   *stripehook.Hook
	sendgrid *sendgridhook.Hook
	mailgun  *mailgunhook.Hook
	mail     map[string]ports.MailReader // by provider name
	accounts []string                    // the providers that can send events: all that can have a webhook secret
}

func newHooks(c *config.Config, s environment) (h hooks, err error) {
	var stripe []stripehook.Account
	for _, name := range c.Payments.Providers {
		secrets := s.webhookSecrets(c.Provider[name])
		if len(secrets) == 0 {
			s.log.Warn("provider has no webhook_secrets: what its buyers do is not heard of", "provider", name)
		}
		stripe = append(stripe, stripehook.Account{Provider: name, Secrets: secrets})
	}
	var sendgrid []sendgridhook.Account
	var mailgun []mailgunhook.Account
	for _, name := range c.Mail.Providers {
		p := c.Provider[name]
		keys := s.webhookSecrets(p)
		switch p.Settings.(type) {
		case *config.SendGrid:
			sendgrid = append(sendgrid, sendgridhook.Account{Provider: name, Keys: keys})
		case *config.Mailgun:
			mailgun = append(mailgun, mailgunhook.Account{Provider: name, Keys: keys})
		default:
			continue
		}
		if len(keys) == 0 {
			s.log.Warn("provider has no keys for webhooks: what becomes of its mail is not heard of", "provider", name)
		}
	}
	var errs [3]error
	h.stripe, errs[0] = stripehook.New(s.clock, stripe...)
	h.sendgrid, errs[1] = sendgridhook.New(s.clock, sendgrid...)
	h.mailgun, errs[2] = mailgunhook.New(s.clock, mailgun...)
	h.mail = make(map[string]ports.MailReader)
	for _, a := range sendgrid {
		h.mail[a.Provider] = h.sendgrid
	}
	for _, a := range mailgun {
		h.mail[a.Provider] = h.mailgun
	}
	h.accounts = slices.Concat(c.Payments.Providers, slices.Sorted(maps.Keys(h.mail)))
	return h, errors.Join(errs[:]...)
}

// routes returns the routes of all formats, whichever providers are configured: events
// received earlier must still be applied and erased.
func (h hooks) routes(pay *payments.Service, mail *emails.Service) map[string]webhooks.Route {
	ofMail := func(v ports.Verifier) webhooks.Route {
		return webhooks.Route{
			Verifier: v, Apply: mail.ApplyWebhook, Subject: mail.Subject,
			Patience: emails.EventPatience, Ignored: mail.IgnoreWebhook,
		}
	}
	return map[string]webhooks.Route{
		"stripe":   {Verifier: h.stripe, Apply: pay.ApplyWebhook, Subject: pay.Subject},
		"sendgrid": ofMail(h.sendgrid),
		"mailgun":  ofMail(h.mailgun),
	}
}
