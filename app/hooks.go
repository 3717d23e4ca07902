package app

import (
	"errors"
	"maps"
	"slices"

	"patchbay/adapters/webhooks/mailgunhook"
	"patchbay/adapters/webhooks/sendgridhook"
	"patchbay/adapters/webhooks/stripehook"
	"patchbay/config"
	"patchbay/core/checkout"
	"patchbay/core/inbox"
	"patchbay/core/mailroom"
	"patchbay/ports"
)

// hooks recognise the webhooks of each form, and read them.
type hooks struct {
	stripe   *stripehook.Hook
	sendgrid *sendgridhook.Hook
	mailgun  *mailgunhook.Hook
	mail     map[string]ports.MailReader // by provider
	accounts []string                    // whose events come: all that could have a key
}

func newHooks(c *config.Config, s surroundings) (h hooks, err error) {
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

// routes are there whoever is configured: what came before is kept, and erased, there.
func (h hooks) routes(pay *checkout.Service, mail *mailroom.Service) map[string]inbox.Route {
	ofMail := func(v ports.Verifier) inbox.Route {
		return inbox.Route{
			Verifier: v, Apply: mail.ApplyWebhook, Subject: mail.Subject,
			Patience: mailroom.EventPatience, Ignored: mail.IgnoreWebhook,
		}
	}
	return map[string]inbox.Route{
		"stripe":   {Verifier: h.stripe, Apply: pay.ApplyWebhook, Subject: pay.Subject},
		"sendgrid": ofMail(h.sendgrid),
		"mailgun":  ofMail(h.mailgun),
	}
}
