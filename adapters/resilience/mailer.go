package resilience

import (
	"context"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

// Mailer is a mail provider within a policy. A send is retried only if it is proved that
// nothing was accepted: mail providers have no idempotency keys.
type Mailer struct {
	next  ports.Mailer
	guard *guard
}

var (
	_ ports.Mailer       = (*Mailer)(nil)
	_ ports.Availability = (*Mailer)(nil)
)

// NewMailer decorates a mail provider.
func NewMailer(next ports.Mailer, o Options) *Mailer {
	return &Mailer{next: next, guard: newGuard(next.Name(), o)}
}

// sending is for sends. They are retried only if nothing was accepted, and no later failure
// settles an unknown outcome.
var sending = sort{again: notDone, settles: func(*fault.Error) bool { return false }}

// notDone reports the failures after which a call without an idempotency key may be
// retried.
func notDone(k fault.Kind) bool { return k.Rule().Retry && k != fault.UnknownOutcome }

// Name implements ports.Mailer.
func (m *Mailer) Name() string { return m.next.Name() }

// Features implements ports.Mailer.
func (m *Mailer) Features() email.Features { return m.next.Features() }

// Available implements ports.Availability.
func (m *Mailer) Available() error { return m.guard.available() }

// Underway returns the number of calls in progress.
func (m *Mailer) Underway() int { return int(m.guard.underway.Load()) }

// Send implements ports.Mailer.
func (m *Mailer) Send(ctx context.Context, one email.Message) (email.Receipt, error) {
	var receipt email.Receipt
	err := m.guard.do(ctx, "send", sending, func(ctx context.Context) (err error) {
		receipt, err = m.next.Send(ctx, one)
		return err
	})
	return receipt, err
}
