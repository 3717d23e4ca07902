package app

import (
	"fmt"
	"slices"

	"patchbay/adapters/provider"
	"patchbay/config"
	"patchbay/core/emails"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
	"patchbay/core/webhooks"
	"patchbay/ports"
)

// hooks verifies and reads the webhooks of each format.
type hooks struct {
	payments map[string]provider.PaymentHook // by format
	mail     map[string]provider.MailHook    // by format
	formats  map[string]string               // by provider: all that can have a webhook secret
	accounts []string                        // those providers, in their order
	keyless  map[string][]string             // those of them that have none, by format
}

func newHooks(c *config.Config, s environment) (hooks, error) {
	h := hooks{payments: make(map[string]provider.PaymentHook), mail: make(map[string]provider.MailHook), formats: make(map[string]string), keyless: make(map[string][]string)}
	of := make(map[string][]provider.Account) // by format
	for _, name := range slices.Concat(c.Payments.Providers, c.Mail.Providers) {
		p := c.Provider[name]
		format := webhookFormat(p)
		if format == "" {
			continue
		}
		_, pays := p.From.(provider.Payment)
		secrets := s.webhookSecrets(p)
		switch {
		case len(secrets) > 0:
		case pays:
			s.log.Warn("provider has no webhook_secrets: what its buyers do is not heard of", "provider", name)
		default:
			s.log.Warn("provider has no keys for webhooks: what becomes of its mail is not heard of", "provider", name)
		}
		if len(secrets) == 0 {
			h.keyless[format] = append(h.keyless[format], name)
		}
		account := provider.Account{Provider: name}
		for _, secret := range secrets {
			account.Secrets = append(account.Secrets, secret.Reveal())
		}
		of[format] = append(of[format], account)
		h.formats[name], h.accounts = format, append(h.accounts, name)
	}
	for _, t := range c.Types {
		var err error
		switch t := t.(type) {
		case provider.Payment:
			err = open(h.payments, t.Webhooks, s.clock, of)
		case provider.Mail:
			err = open(h.mail, t.Webhooks, s.clock, of)
		}
		if err != nil {
			return hooks{}, err
		}
	}
	return h, nil
}

// webhookFormat returns the format of a provider's webhooks, "" if it sends none.
func webhookFormat(p config.Provider) string {
	switch t := p.From.(type) {
	case provider.Payment:
		return t.Webhooks.Format
	case provider.Mail:
		return t.Webhooks.Format
	}
	return ""
}

// open adds the hook of a type for all accounts of its format, if the type has one.
func open[Hook any](to map[string]Hook, w provider.Webhooks[Hook], clock ports.Clock, of map[string][]provider.Account) (err error) {
	if w.New != nil {
		if to[w.Format], err = built(w.New(clock, of[w.Format]...)); err != nil {
			return fmt.Errorf("webhooks of the format %q: %w", w.Format, err)
		}
	}
	return nil
}

// Payment implements ports.PaymentReader for the events of every provider. The provider of
// an event received earlier may not be configured any more; then each format is tried.
func (h hooks) Payment(e webhook.Event) (i payment.Intent, ok bool, err error) {
	if hook, configured := h.payments[h.formats[e.Provider]]; configured {
		return hook.Payment(e)
	}
	for _, hook := range h.payments {
		if i, ok, err = hook.Payment(e); ok {
			break
		}
	}
	return i, ok, err
}

// mailReaders returns what reads the events of each mail provider, by its name.
func (h hooks) mailReaders() map[string]ports.MailReader {
	all := make(map[string]ports.MailReader)
	for name, format := range h.formats {
		if hook, ok := h.mail[format]; ok {
			all[name] = hook
		}
	}
	return all
}

// routes returns the routes of all formats, whichever providers are configured: events received earlier
// must still be applied and erased. Those that no configured provider sends to are closed.
func (h hooks) routes(pay *payments.Service, mail *emails.Service) map[string]webhooks.Route {
	all, open := make(map[string]webhooks.Route), make(map[string]bool)
	for _, format := range h.formats {
		open[format] = true
	}
	for format, hook := range h.payments {
		all[format] = webhooks.Route{Verifier: hook, Closed: !open[format], Keyless: h.keyless[format], Apply: pay.ApplyWebhook, Subject: pay.Subject}
	}
	for format, hook := range h.mail {
		all[format] = webhooks.Route{
			Verifier: hook, Closed: !open[format], Keyless: h.keyless[format], Apply: mail.ApplyWebhook, Subject: mail.Subject,
			Patience: emails.EventPatience, Ignored: mail.IgnoreWebhook,
		}
	}
	return all
}
