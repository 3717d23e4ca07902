package stripepay

import (
	"context"
	"net/http"
	"strings"

	"github.com/stripe/stripe-go/v76"
)

// Account implements ports.PaymentGateway. It never changes, and is asked for once.
func (g *Gateway) Account(ctx context.Context) (string, error) {
	if known := g.account.Load(); known != nil {
		return *known, nil
	}
	c := g.begin(ctx, "account")
	var account stripe.Account
	base := c.read()
	if err := g.backend.CallRaw(http.MethodGet, "/v1/account", g.secretKey, nil, &base, &account); err != nil {
		return "", c.failure(err)
	}
	if !isAccount(account.ID) {
		return "", c.unreadable()
	}
	g.account.Store(&account.ID)
	return account.ID, nil
}

// isAccount reports whether an id is one of an account's.
func isAccount(id string) bool {
	rest, ok := strings.CutPrefix(id, "acct_")
	return ok && rest != "" && word(strings.ToLower(rest)) != ""
}
