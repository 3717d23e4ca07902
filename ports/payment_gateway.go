package ports

import (
	"context"

	"patchbay/core/payment"
)

// PaymentGateway is one account at a payment provider.
//
// Every method may return: Unavailable and RateLimited (proved: nothing was
// done); Unauthorized (our credentials); Refused (this request, in the provider's
// own words; nothing was done); UnknownOutcome (it may have been done;
// repeat under the same key or look); Overloaded; Canceled (given up before
// anything was sent); Invalid (the provider refuses the request); Unsupported
// (see Capabilities; nothing was sent). A repeat under the same key with the
// same request has the first result and no second effect; with another request,
// or for another operation, it is UnknownOutcome with code idempotency_mismatch:
// the key was used, and the answer does not say what became of that.
//
// Only what the provider itself says proves that nothing was done: the page of a
// proxy is UnknownOutcome, whatever its status. Declined is Proven where it comes
// with the intent that this very request has made or confirmed, as that left it.
type PaymentGateway interface {
	// Name is the configured name of the account.
	Name() string

	// Capabilities says what the provider can do.
	Capabilities() payment.Capabilities

	// Account is the provider's own id of the account, acct_… at Stripe: the same
	// whichever of its keys is used, another one for another account. A provider
	// that has no such thing returns "".
	Account(ctx context.Context) (id string, err error)

	// Compose words a request as it will be sent, for its Body. It calls nothing,
	// and makes the same of the same request. Invalid: the provider takes no such
	// request.
	Compose(change payment.Change) (body string, err error)

	// Create makes an intent, and confirms it if asked. Declined: the issuer
	// refused; the intent exists nevertheless and is returned with the error.
	Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error)

	// Confirm asks for the money. Declined as for Create; NotFound; Conflict
	// with code unexpected_state where the intent's status does not allow it.
	Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error)

	// Capture takes what was authorised. NotFound; Conflict with code
	// unexpected_state; Invalid with code amount_too_large.
	Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error)

	// Cancel gives up an intent. NotFound; Conflict with code unexpected_state.
	Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error)

	// Refund gives money back. NotFound; Conflict with code unexpected_state
	// where nothing was paid; Invalid with code amount_too_large.
	Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error)

	// Retrieve reads an intent. NotFound.
	Retrieve(ctx context.Context, reference string) (payment.Intent, error)

	// Refunds reads all refunds of an intent, oldest first, whoever made them. NotFound.
	Refunds(ctx context.Context, reference string) ([]payment.ProviderRefund, error)

	// Disputes reads all disputes of an intent, oldest first, none where the provider
	// knows no such thing. NotFound.
	Disputes(ctx context.Context, reference string) ([]payment.Dispute, error)

	// List reads intents by when they were made. Complete: what was committed
	// before the call is in it. A cursor goes on where its page ended, whatever
	// was made meanwhile. Invalid: the cursor is not one of the provider's.
	List(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error)
}
