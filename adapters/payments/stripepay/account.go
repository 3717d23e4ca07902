package stripepay

import (
	"context"
	"net/http"
	"regexp"

	"github.com/stripe/stripe-go/v76"
)

// Account implements ports.PaymentGateway. The account never changes, so it is requested
// only once.
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
	if !accountID.MatchString(account.ID) {
		return "", c.unreadable()
	}
	g.account.Store(&account.ID)
	return account.ID, nil
}

var accountID = regexp.MustCompile(`^acct_[A-Za-z0-9]{1,64}$`)
