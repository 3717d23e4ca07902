package app

import (
	"patchbay/core/emails"
	"patchbay/core/payments"
	"patchbay/core/personaldata"
	"patchbay/core/suppressions"
	"patchbay/core/users"
	"patchbay/core/webhooks"
)

// newPersonalData lists the places that hold personal data, in the order in which they are
// searched: a message moves from the spool to the store, and an event is attributed through
// its payment or message. An event that is being applied may suppress an address; it waits until it
// has been applied, and cannot be erased before.
func newPersonalData(f fallback, mail *emails.Service, pay *payments.Service, hooks *webhooks.Service, suppressed *suppressions.Service, people *users.Service) *personaldata.Service {
	var places []personaldata.Place
	if f.spool != nil {
		places = append(places, personaldata.Place{Name: "spool", Keeper: f.spool})
	}
	return personaldata.New(people, append(places,
		personaldata.Place{Name: "messages", Keeper: mail},
		personaldata.Place{Name: "payments", Keeper: pay},
		personaldata.Place{Name: "webhooks", Keeper: hooks},
		personaldata.Place{Name: "suppressions", Keeper: suppressed},
	)...)
}
