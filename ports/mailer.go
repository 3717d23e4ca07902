package ports

import (
	"context"

	"patchbay/core/email"
)

// Mailer is one account at a mail provider, or a server that accepts mail.
type Mailer interface {
	// Name is the configured name of the account.
	Name() string

	// Features says what the provider supports.
	Features() email.Features

	// Send hands over one message, which it does not change. It returns nil only once the provider
	// has accepted responsibility for it.
	//
	// Invalid: every provider would refuse this message. Refused: this provider refuses it, such as
	// for its sender; another may accept it. Unauthorized, QuotaExceeded: the account is at fault.
	// Unavailable, RateLimited: proved not accepted. Canceled: given up before a byte was
	// sent. Unsupported: see Features; nothing was sent. UnknownOutcome: it may have been sent.
	//
	// An Invalid error may name the recipients whom the provider refuses, as email.RefusedRecipients in its
	// chain. It then has said nothing against the others, to whom the message goes by another call.
	//
	// A message with Personalizations goes out as one call, each copy to its recipients alone. Invalid
	// then says nothing of the copies: each may be sent by itself.
	Send(ctx context.Context, m email.Message) (email.Receipt, error)
}

// TextRenderer derives the plain text of an HTML message.
type TextRenderer interface {
	// Text never fails: what cannot be parsed as HTML is treated as text.
	Text(html string) string
}
