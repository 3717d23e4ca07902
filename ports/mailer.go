package ports

import (
	"context"

	"patchbay/core/message"
)

// Mailer is one account at a mail provider, or a server that takes mail.
type Mailer interface {
	// Name is the configured name of the account.
	Name() string

	// Features says what the provider can do.
	Features() message.Features

	// Send hands over one message, which it does not change. It returns nil
	// only once the provider has taken responsibility.
	//
	// Invalid: this message is refused for good. Unauthorized, QuotaExceeded:
	// the account is at fault. Unavailable, RateLimited: proved not accepted.
	// Canceled: given up before a byte was sent. Unsupported: see Features;
	// nothing was sent. UnknownOutcome: it may have gone out.
	Send(ctx context.Context, m message.Message) (message.Receipt, error)
}

// TextRenderer derives the plain text of an HTML message.
type TextRenderer interface {
	// Text never fails: what cannot be read as HTML is taken as text.
	Text(html string) string
}
