package emails

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

// Staging keeps the mail of an installation that is not for its recipients away from them.
type Staging struct {
	// Sandbox accepts every message as a provider would, and calls none.
	Sandbox bool
	// RedirectTo gets every message in place of its recipients, unless it is the zero Address.
	RedirectTo email.Address
	// Allowed are the only recipients: addresses, or domains as *@example.com, in ASCII. Empty means
	// all.
	Allowed []string
}

// originalTo is the header with the recipients of a message that is redirected.
const originalTo = "X-Original-To"

// Wrap returns a provider that does with each message what Staging says.
func (g Staging) Wrap(m ports.Mailer) ports.Mailer {
	if g.RedirectTo != (email.Address{}) {
		m = redirecting{m, g.RedirectTo}
	}
	if g.Sandbox {
		m = sandbox{m}
	}
	return m
}

// check returns Invalid unless all recipients of a draft are allowed. Where mail is redirected, they
// get none.
func (g Staging) check(to []email.Address, param string, mailbox func(string) string) error {
	if len(g.Allowed) == 0 || g.RedirectTo != (email.Address{}) {
		return nil
	}
	for i, a := range to {
		if !matches(g.Allowed, mailbox(a.Email)) {
			return fault.InvalidParam(fmt.Sprintf("%s[%d]", param, i), "recipient_not_allowed", "mail of this installation goes to the recipients in mail.allowed_recipients alone")
		}
	}
	return nil
}

// sandboxed is the reference of an attempt for which no provider was called.
const sandboxed = "sandbox"

// sandbox is a provider that is not called.
type sandbox struct{ ports.Mailer }

// Send implements ports.Mailer. It refuses what the provider cannot carry.
func (s sandbox) Send(_ context.Context, m email.Message) (email.Receipt, error) {
	return email.Receipt{Reference: sandboxed}, s.Features().Carry(m)
}

// redirecting is a provider that sends everything to one address.
type redirecting struct {
	ports.Mailer
	to email.Address
}

// Available implements ports.Availability.
func (r redirecting) Available() error { return ports.Available(r.Mailer) }

// Features implements ports.Mailer. All copies of a batch would have the same address, so that each
// needs a call of its own.
func (r redirecting) Features() email.Features {
	f := r.Mailer.Features()
	f.Personalizations = 0
	return f
}

// Send implements ports.Mailer.
func (r redirecting) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	var were []string
	for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
		were = append(were, a.Email)
	}
	m.To, m.Cc, m.Bcc = []email.Address{r.to}, nil, nil
	if r.Features().Headers {
		headers := maps.Clone(m.Headers)
		if headers == nil {
			headers = map[string]string{}
		}
		headers[originalTo] = strings.Join(were[:min(len(were), 10)], ", ") // a header has 998 characters at most
		m.Headers = headers
	}
	return r.Mailer.Send(ctx, m)
}
