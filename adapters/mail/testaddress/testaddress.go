// Package testaddress says what becomes of mail to test addresses. The catcher and the simulators of providers
// report it by webhook.
package testaddress

import (
	"strings"

	"patchbay/core/email"
)

// Outcome is one event about an address.
type Outcome struct {
	Event email.Event
	// Code and Reply are why the recipient did not get the mail: the enhanced status code, and the words of
	// the recipient's server. What is rejected has words alone: nobody tried to deliver it.
	Code, Reply string
}

// outcomes are the events about mail to an address, in their order, by its local part.
var outcomes = map[string][]Outcome{
	"delivered":    {{Event: email.EventDelivered}},
	"deferred":     {{email.EventDeferred, "4.2.2", "452 4.2.2 The mailbox is full"}},
	"bounced":      {{email.EventBounced, "5.1.1", "550 5.1.1 There is no such mailbox"}},
	"rejected":     {{email.EventRejected, "", "Mail to this address is not delivered"}},
	"complained":   {{Event: email.EventDelivered}, {Event: email.EventComplained}},
	"unsubscribed": {{Event: email.EventDelivered}, {Event: email.EventUnsubscribed}},
	"opened":       {{Event: email.EventDelivered}, {Event: email.EventOpened}},
	"clicked":      {{Event: email.EventDelivered}, {Event: email.EventOpened}, {Event: email.EventClicked}},
}

// Of returns the events about mail to an address, in their order, whatever its domain is. What follows a plus
// sign in the local part makes no difference. There are none if the address is not a test address.
func Of(address string) []Outcome {
	local, _, _ := strings.Cut(strings.ToLower(address[:max(0, strings.LastIndexByte(address, '@'))]), "+")
	return outcomes[local]
}

// OrDelivered returns the events about mail to an address. Mail to one that is not a test address is delivered.
func OrDelivered(address string) []Outcome {
	if all := Of(address); all != nil {
		return all
	}
	return outcomes["delivered"]
}

// Events returns the events about mail to these addresses, in the form of a provider that reports what it has
// accepted: accepted makes the event for that, unless it rejects the mail, and became the one for an outcome.
func Events[E any](to []string, accepted func(address string) E, became func(address string, o Outcome) E) (all []E) {
	for _, address := range to {
		outcomes := OrDelivered(address)
		if outcomes[0].Event != email.EventRejected {
			all = append(all, accepted(address))
		}
		for _, o := range outcomes {
			all = append(all, became(address, o))
		}
	}
	return all
}
