package ports

import (
	"context"

	"patchbay/core/email"
	"patchbay/core/suppression"
)

// Suppressions knows which addresses get no more mail.
type Suppressions interface {
	// Suppressed returns the reason of each of the addresses that gets no messages of the category, by
	// the address as it is given. It makes one read, for up to MaxGetAll addresses. Unavailable.
	Suppressed(ctx context.Context, tenant string, c email.Category, addresses []string) (map[string]suppression.Reason, error)

	// Learn suppresses an address because of an event of a provider, unless it was removed since the
	// event happened. It is idempotent. Unavailable; UnknownOutcome: repeat it.
	Learn(ctx context.Context, tenant, address string, n email.Notification, r suppression.Reason, from suppression.Source) error

	// UnsubscribeURL returns the URL at which the recipient of a message unsubscribes; empty if there
	// is none, because the gateway has no public URL.
	UnsubscribeURL(tenant, message, address string) string

	// Unsubscriber returns whom the token of an UnsubscribeURL is for. NotFound: it is not one of ours.
	Unsubscriber(token string) (Unsubscriber, error)

	// Unsubscribe suppresses whom a token is for. address is empty if it is not known any more: then
	// the keyed hash in the token suppresses it. Unavailable; UnknownOutcome: repeat it.
	Unsubscribe(ctx context.Context, u Unsubscriber, address string) error
}

// Unsubscriber is whom the token of an UnsubscribeURL is for.
type Unsubscriber struct {
	Tenant  string
	Message string // the id of the message with the URL
	ID      string // of the suppression: a keyed hash of the address
}
