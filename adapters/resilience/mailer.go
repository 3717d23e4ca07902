package resilience

import (
	"context"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

// Mailer is a mail provider within a policy. A send is retried only if it is proved that
// nothing was accepted. Where a provider remembers attempts, the core repeats those in doubt.
type Mailer struct {
	*guard
	next ports.Mailer
}

var (
	_ ports.Mailer       = (*Mailer)(nil)
	_ ports.Availability = (*Mailer)(nil)
)

// mailWait is how long a send waits for its next try. Before an attempt is made it is checked who gets no mail and
// whether the provider's rate has room. So what takes longer is another attempt, after the same checks.
const mailWait = time.Second

// sends are the calls of mail providers.
var sends = callType{retry: withoutKey.retry, resolves: withoutKey.resolves, longest: mailWait}

// NewMailer decorates a mail provider.
func NewMailer(next ports.Mailer, o Options) *Mailer {
	return &Mailer{guard: newGuard(next.Name(), o), next: next}
}

// Name implements ports.Mailer.
func (m *Mailer) Name() string { return m.next.Name() }

// Features implements ports.Mailer.
func (m *Mailer) Features() email.Features { return m.next.Features() }

// Send implements ports.Mailer.
func (m *Mailer) Send(ctx context.Context, one email.Message) (email.Receipt, error) {
	return call(ctx, m.guard, "send", sends, m.send, one)
}

// send asks the provider, unless the message has expired since the last try. What it says of a message that is
// not kept is private, in the events too.
func (m *Mailer) send(ctx context.Context, one email.Message) (email.Receipt, error) {
	if !one.ExpiresAt.IsZero() && !time.Now().Before(one.ExpiresAt) {
		return email.Receipt{}, email.ErrExpired
	}
	receipt, err := m.next.Send(ctx, one)
	if one.Keeping.Brief() {
		err = fault.Private(err)
	}
	return receipt, err
}
