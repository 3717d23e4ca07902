package payments

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/record"
	"patchbay/ports"
)

const (
	accountKind = "account" // kind of the journal records, which belong to no tenant

	accountTimeout = 5 * time.Second // of one call
	accountWait    = time.Second     // wait after the first failure; it doubles after each further one
	accountWaitMax = time.Minute
	accountRefused = time.Hour   // wait if the provider refuses to report its account
	accountPending = time.Minute // how long an account counts as pending
)

// Accounts knows which account the configured name of a provider means, such as acct_… at
// Stripe. The account is "" while it is not known.
type Accounts interface {
	Account(provider string) string
	// Pending reports whether the account may become known soon. Until then, a request that
	// was made to one account waits, so that it is not sent to another.
	Pending(provider string) bool
}

// KnownAccounts asks each provider for its account in the background. It keeps the answer
// for as long as the same credential is used, so the account is known at once after a
// restart.
type KnownAccounts struct {
	kept     record.Repository[record.Entry[identity]]
	gateways []ports.PaymentGateway
	digests  map[string]string
	clock    ports.Clock
	log      *slog.Logger

	mu    sync.RWMutex
	known map[string]string
	final map[string]bool // known, refused by the provider, or asked for long enough
}

var _ Accounts = (*KnownAccounts)(nil)

// NewAccounts returns KnownAccounts. Its Run must be called, or no account becomes known.
// The digests are those of the providers' credentials. The answer of a provider without a
// digest is not kept.
func NewAccounts(journal ports.Records, gateways []ports.PaymentGateway, digests map[string]string, clock ports.Clock, log *slog.Logger) *KnownAccounts {
	return &KnownAccounts{
		kept:     record.Of(journal, accountKind, func(i identity, _ string) bool { return i.Account != "" }),
		gateways: gateways, digests: digests, clock: clock, log: log,
		known: make(map[string]string), final: make(map[string]bool),
	}
}

// Account implements Accounts.
func (a *KnownAccounts) Account(provider string) string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.known[provider]
}

// Pending implements Accounts.
func (a *KnownAccounts) Pending(provider string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return !a.final[provider]
}

// Run asks for the accounts. It returns when all are known or ctx ends.
func (a *KnownAccounts) Run(ctx context.Context) {
	each := guard.Group{Log: a.log}
	for _, g := range a.gateways {
		each.Keep(ctx, "account of a provider", func(ctx context.Context) { a.discover(ctx, g) })
	}
	each.Wait()
}

// discover asks one provider until it reports its account.
func (a *KnownAccounts) discover(ctx context.Context, g ports.PaymentGateway) {
	provider := g.Name()
	before := a.loadKept(ctx, provider)
	if a.Account(provider) != "" {
		return
	}
	said := -1
	until := a.clock.Now().Add(accountPending)
	for wait := accountWait; ; wait = min(2*wait, accountWaitMax) {
		id, err := readAccount(ctx, g)
		if err == nil {
			a.keep(ctx, provider, id, before)
			return
		}
		kind := fault.KindOf(err)
		if int(kind) != said && ctx.Err() == nil {
			a.log.WarnContext(ctx, "provider's account is not known yet; where the key may not read it, write account in the configuration",
				"provider", provider, "error", err)
			said = int(kind)
		}
		final := !kind.Rule().Retry && kind != fault.Canceled && kind != fault.Overloaded
		if final {
			wait = accountRefused
		}
		if final || a.clock.Now().After(until) {
			a.mu.Lock()
			a.final[provider] = true
			a.mu.Unlock()
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

func readAccount(ctx context.Context, g ports.PaymentGateway) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, accountTimeout)
	defer cancel()
	return g.Account(ctx)
}

// pause waits, and reports whether ctx is still active.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// identity is the body of an account's journal record.
type identity struct {
	Account    string `json:"account"`
	Credential string `json:"credential"` // digest of the credential with which the account was read
}

// loadKept loads the stored account if it was read with the present credential. It returns
// the account that the name meant before.
func (a *KnownAccounts) loadKept(ctx context.Context, provider string) (before string) {
	ctx, cancel := context.WithTimeout(ctx, accountTimeout)
	defer cancel()
	kept, err := a.kept.Get(ctx, "", provider)
	if err != nil {
		return ""
	}
	if kept.Value.Credential != "" && kept.Value.Credential == a.digests[provider] {
		a.set(provider, kept.Value.Account)
	}
	return kept.Value.Account
}

// keep adopts the account that the provider reported. If the journal cannot store it, the
// provider is asked again after a restart.
func (a *KnownAccounts) keep(ctx context.Context, provider, id, before string) {
	a.set(provider, id)
	if id == "" {
		return
	}
	a.log.InfoContext(ctx, "provider's account is known", "provider", provider, "account", id)
	if before != "" && before != id {
		a.log.WarnContext(ctx, "provider's name means another account now; what is open at the one before is not asked for here",
			"provider", provider, "account", id, "before", before)
	}
	if a.digests[provider] == "" {
		return
	}
	_, err := a.kept.Put(ctx, "", provider, func(kept *record.Entry[identity]) error {
		kept.Value = identity{id, a.digests[provider]}
		if kept.Record.Rev == 0 {
			kept.Record.Index.Created = a.clock.Now()
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "provider's account is not kept", "provider", provider, "error", err)
	}
}

func (a *KnownAccounts) set(provider, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[provider], a.final[provider] = id, true
}
