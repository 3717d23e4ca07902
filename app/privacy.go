package app

import (
	"context"

	"patchbay/config"
	"patchbay/core/checkout"
	"patchbay/core/directory"
	"patchbay/core/inbox"
	"patchbay/core/mailroom"
	"patchbay/core/privacy"
)

// newPrivacy says where data of persons is, in the order in which it is looked for: a
// message goes from the spool to the store, and an event is told by its payment or message.
func newPrivacy(f fallback, mail *mailroom.Service, pay *checkout.Service, hooks *inbox.Service, people *directory.Service) *privacy.Service {
	var places []privacy.Place
	if f.spool != nil {
		places = append(places, privacy.Place{Name: "spool", Keeper: f.spool})
	}
	return privacy.New(people, append(places,
		privacy.Place{Name: "messages", Keeper: mail},
		privacy.Place{Name: "payments", Keeper: pay},
		privacy.Place{Name: "webhooks", Keeper: hooks},
	)...)
}

// WithPrivacy opens the store for finding a person's data while no gateway runs on it.
// Nothing is sent and no provider is asked.
func WithPrivacy(ctx context.Context, c *config.Config, manage func(*privacy.Service) error) error {
	return alone(ctx, c, func(store Storage, f fallback, s surroundings) error {
		h, err := newHooks(c, s)
		if err != nil {
			return err
		}
		mail, err := newMailroom(c, store, nil, h, s)
		if err != nil {
			return err
		}
		pay := newCheckout(c, store, nil, newAccounts(c, store, nil, s), h, s)
		return manage(newPrivacy(f, mail, pay, newInbox(store, h, pay, mail, s), newDirectory(store, f, s)))
	})
}
