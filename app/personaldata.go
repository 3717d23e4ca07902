package app

import (
	"context"

	"patchbay/config"
	"patchbay/core/emails"
	"patchbay/core/payments"
	"patchbay/core/personaldata"
	"patchbay/core/users"
	"patchbay/core/webhooks"
)

// newPersonalData lists the places that hold personal data, in the order in which they are
// searched: a message moves from the spool to the store, and an event is attributed through
// its payment or message.
func newPersonalData(f fallback, mail *emails.Service, pay *payments.Service, hooks *webhooks.Service, people *users.Service) *personaldata.Service {
	var places []personaldata.Place
	if f.spool != nil {
		places = append(places, personaldata.Place{Name: "spool", Keeper: f.spool})
	}
	return personaldata.New(people, append(places,
		personaldata.Place{Name: "messages", Keeper: mail},
		personaldata.Place{Name: "payments", Keeper: pay},
		personaldata.Place{Name: "webhooks", Keeper: hooks},
	)...)
}

// WithPersonalData opens the store to find a person's data while no gateway runs on it. It sends
// nothing and calls no provider.
func WithPersonalData(ctx context.Context, c *config.Config, manage func(*personaldata.Service) error) error {
	return alone(ctx, c, func(store Storage, f fallback, s environment) error {
		h, err := newHooks(c, s)
		if err != nil {
			return err
		}
		mail, err := newEmails(c, store, nil, h, s)
		if err != nil {
			return err
		}
		pay := newPayments(c, store, nil, newAccounts(c, store, nil, s), h, s)
		return manage(newPersonalData(f, mail, pay, newWebhooks(store, h, pay, mail, s), newUsers(store, f, s)))
	})
}
