package failover

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

// Mailer is a mail provider within a policy. A send is repeated only where it is
// proved that nothing was accepted: providers of mail know no keys.
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

// sending is repeated only where nothing was accepted, and nothing that comes
// after tells what became of a mail.
var sending = sort{again: notDone, settles: func(*fault.Error) bool { return false }}

// notDone are the failures after which a call without a key may be made again.
func notDone(k fault.Kind) bool { return k.Rule().Retry && k != fault.UnknownOutcome }

// Name implements ports.Mailer.
func (m *Mailer) Name() string { return m.next.Name() }

// Features implements ports.Mailer.
func (m *Mailer) Features() message.Features { return m.next.Features() }

// Available implements ports.Availability.
func (m *Mailer) Available() error { return m.guard.available() }

// Underway is how many calls there are.
func (m *Mailer) Underway() int { return int(m.guard.underway.Load()) }

// Send implements ports.Mailer.
func (m *Mailer) Send(ctx context.Context, one message.Message) (message.Receipt, error) {
	var receipt message.Receipt
	err := m.guard.do(ctx, "send", sending, func(ctx context.Context) (err error) {
		receipt, err = m.next.Send(ctx, one)
		return err
	})
	return receipt, err
}
