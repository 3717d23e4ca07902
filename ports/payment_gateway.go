package ports

import (
	"context"

	"patchbay/core/payment"
)

// PaymentGateway is one account at a payment provider.
//
// Every method may return: Unavailable and RateLimited (proved: nothing was done); Unauthorized
// (our credentials); Refused (this request, in the provider's own words; nothing was done);
// UnknownOutcome (it may have been done; repeat under the same key or look it up); Overloaded;
// Canceled (given up before anything was sent); Invalid (the provider refuses the request);
// Unsupported (see Capabilities; nothing was sent).
//
// For as long as Capabilities.Keys says, a repeat under the same key with the same request has no
// second effect. It returns the first result, or, of an action that has failed with an error that
// is not replayed, its present one. A repeat with another request, or for another operation, is
// UnknownOutcome with code idempotency_mismatch: the key was used, and the response does not say
// what became of the first request.
//
// Only a response of the provider itself proves that nothing was done: an error page of a proxy
// is UnknownOutcome, whatever its status. Declined is Proven if it comes with the intent that
// this request has created or confirmed, in its state after that.
type PaymentGateway interface {
	// Name is the configured name of the account.
	Name() string

	// Capabilities says what the provider supports.
	Capabilities() payment.Capabilities

	// Account returns the provider's own id of the account, acct_… at Stripe: the same for all of
	// its keys, and a different one for another account. If one id has several books, such as one
	// for tests, what distinguishes them follows after a blank: "acct_1 test". A provider without
	// such an id returns "".
	Account(ctx context.Context) (account string, err error)

	// Compose returns the Body of a request as it will be sent. It makes no call, and is
	// deterministic. Invalid: the provider accepts no such request.
	Compose(change payment.Change) (body string, err error)

	// Create creates an intent, and confirms it if asked. Declined: the issuer refused; the intent
	// exists nevertheless and is returned with the error.
	Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error)

	// Confirm requests the payment. Declined as for Create; NotFound; Conflict with code
	// unexpected_state if the intent's status does not allow it.
	Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error)

	// Capture captures what was authorised. If the intent it returns is Processing, the capture was
	// accepted and its result comes later: the intent is then Succeeded, or RequiresCapture again.
	// NotFound; Conflict with code unexpected_state; Invalid with code amount_too_large.
	Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error)

	// Cancel cancels an intent. NotFound; Conflict with code unexpected_state.
	Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error)

	// Refund refunds a payment. NotFound; Conflict with code unexpected_state if nothing was paid;
	// Invalid with code amount_too_large.
	Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error)

	// Retrieve reads an intent. NotFound.
	Retrieve(ctx context.Context, reference string) (payment.Intent, error)

	// Refunds reads all refunds of an intent, oldest first, including those made outside of
	// Patchbay. NotFound.
	Refunds(ctx context.Context, reference string) ([]payment.ProviderRefund, error)

	// Disputes reads all disputes of an intent, oldest first. A provider without disputes returns
	// none. NotFound.
	Disputes(ctx context.Context, reference string) ([]payment.Dispute, error)

	// List reads intents by time of creation, or those of one operation: see Capabilities.Lookup. It
	// is complete: everything that was committed before the call, except in the last Lookup.Lag, is
	// included. A cursor continues where its page ended, whatever was created in the meantime.
	// Invalid: the cursor is not one of the provider's.
	List(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error)
}
