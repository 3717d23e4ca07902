package explore

import (
	"time"

	"patchbay/core/payment"
	"patchbay/core/payments"
)

// Payment methods of the simulator.
const (
	good     = "pm_card_visa"
	declines = "pm_card_chargeDeclined"
)

// every contains all fates of a request that changes something.
var every = []string{
	"429", "401", "403", "400", "402 without an object", "409 without a code", "500", "500, done and kept", "connection refused", "reset", "reset, done",
	"401 of a proxy", "401 of a proxy, done", "403 of a proxy, done", "404 of a proxy, done", "405 of a proxy, done",
	"429 of a proxy", "429 of a proxy, done", "502 of a proxy", "502 of a proxy, done",
}

// few contains those that differ most.
var few = []string{"429", "401", "500", "reset", "reset, done", "connection refused"}

var peeks = []string{"reset", "429", "404 of a proxy"}

// Payments returns the payment scenarios.
func Payments() []*Scenario {
	all := []*Scenario{
		{
			Name: "create, again", Acts: []Act{pays(0, "k1", good, ""), pays(1, "k1", good, "")},
			Fates: every, Looks: peeks, JournalFaults: true, Slow: true,
		},
		{
			Name: "create, again, at a provider that lists nothing", Acts: []Act{pays(0, "k1", good, ""), pays(1, "k1", good, "")},
			Fates: few, Looks: peeks, Unlisted: true, Stalls: true,
		},
		{
			Name: "create, again, each call tried twice", Acts: []Act{pays(0, "k1", good, ""), pays(1, "k1", good, "")},
			Fates: every, Looks: peeks[:1], Attempts: 2,
		},
		{
			Name: "create, longer than its caller waits", Acts: []Act{pays(0, "k1", good, "")},
			Fates: every, Looks: peeks, Slow: true,
		},
		{
			Name:  "create, confirm under another key, create again",
			Acts:  []Act{pays(0, "k1", good, ""), confirms(1, "k2", "k1", good), pays(0, "k1", good, "")},
			Fates: few, Looks: peeks, JournalFaults: true,
		},
		{
			Name:  "create, cancel, create again",
			Acts:  []Act{pays(0, "k1", good, ""), cancels(1, "k2", "k1"), pays(0, "k1", good, "")},
			Fates: few, Looks: peeks, JournalFaults: true,
		},
		{
			Name: "create, confirm, capture, refund",
			Acts: []Act{
				creates(0, "k1", payments.CreateRequest{PaymentMethod: good, CaptureMethod: payment.CaptureManual}), confirms(1, "k2", "k1", good),
				captures(0, "k3", "k1", 0), refunds(1, "k4", "k1", 300), refunds(0, "k5", "k1", 500), refunds(1, "k4", "k1", 300),
			},
			Fates: few, Looks: peeks, JournalFaults: true,
		},
		{
			Name:  "declined, confirmed with another card",
			Acts:  []Act{pays(0, "k1", declines, ""), confirms(1, "k2", "k1", good), pays(1, "k1", declines, "")},
			Fates: few, Looks: peeks, JournalFaults: true,
		},
		{
			Name:  "authorized, canceled, captured",
			Acts:  []Act{pays(0, "k1", good, payment.CaptureManual), cancels(1, "k2", "k1"), captures(0, "k3", "k1", 0)},
			Fates: few, Looks: peeks, JournalFaults: true,
		},
		{
			Name: "one key a hundred times, then a confirm", Acts: []Act{often(102, pays(0, "k1", good, "")), confirms(1, "k2", "k1", good)},
			Refuses: "429", Once: true, Longest: 1500,
		},
		{
			Name: "two providers", Acts: []Act{pays(0, "k1", good, ""), pays(1, "k1", good, "")},
			Fates: every, Providers: 2,
		},
		{
			Name: "two providers, the first refuses, a process stands still", Acts: []Act{pays(0, "k1", good, ""), pays(1, "k1", good, "")},
			Refuses: "429", Fates: []string{"reset, done"}, Always: []string{"reset, done"}, Looks: peeks[:1], Providers: 2, Attempts: 2, Stalls: true,
		},
		{
			Name: "a process stands still", Acts: []Act{pays(0, "k1", good, ""), pays(1, "k1", good, ""), cancels(1, "k2", "k1")},
			Fates: []string{"429", "reset"}, Always: []string{"429", "reset, done", "reset"}, Attempts: 2, Stalls: true,
		},
		{
			Name: "a process is killed", Acts: []Act{pays(0, "k1", good, ""), pays(1, "k1", good, ""), cancels(0, "k2", "k1")},
			Fates: []string{"429", "reset, done"}, Crashes: 1,
		},
		{
			Name: "a clock steps", Acts: []Act{pays(0, "k1", good, ""), confirms(1, "k2", "k1", good)},
			Fates: []string{"connection refused", "500, done and kept"}, Looks: peeks[:1], Clocks: []time.Duration{2 * time.Hour, -2 * time.Hour},
		},
		{
			Name: "the provider's clock is ahead", Acts: []Act{pays(0, "k1", good, ""), pays(1, "k2", good, ""), confirms(1, "k3", "k1", good)},
			Fates: []string{"500, done and kept", "connection refused"}, Looks: peeks[:1], Skew: 7 * time.Hour, Page: 1,
		},
		{
			Name: "the provider's clock is behind", Acts: []Act{pays(0, "k1", good, ""), pays(1, "k2", good, ""), confirms(1, "k3", "k1", good)},
			Fates: []string{"500, done and kept", "connection refused"}, Looks: peeks[:1], Skew: -7 * time.Hour, Page: 1,
		},
		{
			Name: "the provider's name means another account", Acts: []Act{pays(0, "k1", good, ""), moves(), pays(1, "k1", good, ""), cancels(0, "k2", "k1")},
			Fates: []string{"429", "reset, done", "500, done and kept"}, Always: []string{"reset, done"},
		},
		{
			Name: "an upgrade words requests otherwise", Acts: []Act{pays(0, "k1", good, ""), upgrade(), pays(1, "k1", good, "")},
			Fates: []string{"429", "reset, done", "reset"}, Always: []string{"reset, done"}, Looks: peeks[:1],
		},
		{
			Name: "events", Acts: []Act{pays(0, "k1", declines, ""), confirms(1, "k2", "k1", good), refunds(0, "k3", "k1", 300)},
			Fates: []string{"connection refused", "reset, done"}, Events: true,
		},
		{
			Name: "two providers, an older state is restored", Acts: []Act{pays(0, "k1", good, ""), backup(), pays(1, "k1", good, ""), restore(), pays(1, "k1", good, "")},
			Fates: few, Providers: 2, Notices: true,
		},
		{
			Name:  "an older state is restored when the provider has forgotten its keys",
			Acts:  []Act{pays(0, "k1", good, ""), backup(), refunds(0, "k2", "k1", 300), passes(25 * time.Hour), restore(), refunds(1, "k2", "k1", 300), refunds(0, "k3", "k1", 500)},
			Fates: []string{"429", "reset, done"}, Looks: peeks[:1], Notices: true,
		},
		{
			Name:  "a state of days ago is restored",
			Acts:  []Act{pays(0, "k1", good, ""), backup(), pays(1, "k1", good, ""), passes(100 * time.Hour), restore(), confirms(0, "k2", "k1", good), cancels(1, "k3", "k1")},
			Fates: []string{"429", "500", "reset, done"}, Looks: peeks[:1], Notices: true,
		},
		{
			Name:  "an older state is restored, and gone on with days later",
			Acts:  []Act{pays(0, "k1", good, ""), backup(), pays(1, "k1", good, ""), restore(), passes(73 * time.Hour), confirms(0, "k2", "k1", good), cancels(1, "k3", "k1")},
			Fates: few, Looks: peeks[:1], Providers: 2, Notices: true,
		},
		{
			Name: "an older state is restored", Acts: []Act{backup(), pays(0, "k1", good, ""), pays(1, "k1", good, ""), restore(), pays(1, "k1", good, "")},
			Fates: []string{"429", "reset, done"},
		},
		{
			Name:  "an older state of a payment is restored",
			Acts:  []Act{pays(0, "k1", good, payment.CaptureManual), backup(), captures(0, "k2", "k1", 0), refunds(1, "k3", "k1", 300), restore()},
			Fates: []string{"429", "reset, done"},
		},
	}
	for _, s := range all {
		s.domain = newPayments
	}
	return all
}
