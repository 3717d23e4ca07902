package emails_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// toMany is a draft for n recipients whose subject is "large".
func toMany(n int) email.Draft {
	d := draft()
	d.To, d.Subject = nil, "large"
	for i := range n {
		d.To = append(d.To, email.Address{Email: fmt.Sprintf("u%d@example.com", i)})
	}
	return d
}

// sendSteadily accepts a message for one recipient in the middle of each minute, at one of the gateways, until a
// time.
func sendSteadily(t *testing.T, gateways []*emails.Service, until time.Time) {
	t.Helper()
	<-time.After(30 * time.Second)
	for i := 0; time.Now().Before(until); i++ {
		mustAccept(t, gateways[i%len(gateways)], draft(), idempotency.Key{})
		<-time.After(time.Minute)
	}
}

// More is sent than the rate allows, so that some always wait. A message that needs more room than is left
// waits for the next hour, and no younger one takes its room then.
func TestALargeMessageGoesOutBeforeYoungerOnes(t *testing.T) {
	for _, n := range []int{8, 10, 15} {
		for _, owners := range [][]string{{"one"}, {"one", "two"}} {
			t.Run(fmt.Sprint(n, " recipients, gateways ", owners), func(t *testing.T) {
				first := &metered{name: "first"}
				rates := map[string]emails.Rate{"first": {Most: 10, Per: time.Hour, Waits: true}}
				withRates(t, rates, []ports.Mailer{first}, func(t *testing.T, r *rated) {
					begin := time.Now().Truncate(time.Hour)
					var gateways []*emails.Service
					for _, owner := range owners {
						s, stop := r.start(t, owner)
						defer stop()
						gateways = append(gateways, s)
					}
					for range 15 { // five are left for the second hour
						mustAccept(t, gateways[0], draft(), idempotency.Key{})
					}
					<-time.After(time.Minute)
					mustAccept(t, gateways[0], toMany(n), idempotency.Key{})
					// One that is older may have to wait for the third hour, since gateways ask for room at the same time.
					sendSteadily(t, gateways, begin.Add(time.Duration(1+len(owners))*time.Hour))
					equal(t, "the large one is sent", slices.Contains(first.subjects, "large"), true)
					<-time.After(30 * time.Minute)
					if got, want := first.most(time.Hour), max(n, 10); got != want {
						t.Errorf("%d recipients in an hour, want %d at most", got, want)
					}
				})
			})
		}
	}
}

// The same, where younger ones need not wait, since they can go to another provider.
func TestALargeMessageThatOnlyOneProviderCarriesGoesOutBeforeYoungerOnes(t *testing.T) {
	first := &metered{name: "first", features: email.Features{Tags: 1}}
	second := &metered{name: "second"}
	rates := map[string]emails.Rate{"first": {Most: 10, Per: time.Hour}, "second": {Most: 100, Per: time.Hour}}
	withRates(t, rates, []ports.Mailer{first, second}, func(t *testing.T, r *rated) {
		next := time.Now().Truncate(time.Hour).Add(time.Hour)
		s, stop := r.start(t, "one")
		defer stop()
		for range 12 {
			mustAccept(t, s, draft(), idempotency.Key{})
		}
		<-time.After(time.Minute)
		d := toMany(8)
		d.Tags = []string{"first"}
		mustAccept(t, s, d, idempotency.Key{})
		<-time.After(time.Until(next))
		for range 20 {
			mustAccept(t, s, draft(), idempotency.Key{})
		}
		<-time.After(10 * time.Second)
		equal(t, "the large one is sent", slices.Contains(first.subjects, "large"), true)
		equal(t, "most in an hour", first.most(time.Hour), 10)
	})
}

// Once a large message has gone out, nothing is kept for it any more.
func TestTheRoomBesideALargeMessageIsUsed(t *testing.T) {
	first := &metered{name: "first"}
	rates := map[string]emails.Rate{"first": {Most: 10, Per: time.Minute, Waits: true}}
	withRates(t, rates, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		for range 5 {
			mustAccept(t, s, draft(), idempotency.Key{})
		}
		<-time.After(time.Second)
		mustAccept(t, s, toMany(6), idempotency.Key{})
		<-time.After(time.Minute + 9*time.Second)
		equal(t, "recipients after the large one", first.got(), 5+6)
		for range 4 {
			mustAccept(t, s, draft(), idempotency.Key{})
		}
		<-time.After(10 * time.Second)
		equal(t, "recipients in two minutes", first.got(), 5+10)
	})
}

// The room that is kept for a message does not stay empty if that is canceled.
func TestTheRoomOfALargeMessageThatIsCanceledIsUsed(t *testing.T) {
	first := &metered{name: "first"}
	rates := map[string]emails.Rate{"first": {Most: 10, Per: time.Hour, Waits: true}}
	withRates(t, rates, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		sendMany(t, s, 5)
		m := mustAccept(t, s, toMany(8), idempotency.Key{})
		<-time.After(time.Minute)
		if _, err := s.Cancel(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		sendMany(t, s, 30)
		<-time.After(30 * time.Minute)
		equal(t, "recipients in the first hour", first.got(), 10)
		<-time.After(time.Hour)
		equal(t, "recipients in two", first.got(), 20)
	})
}

// What is left of one window is of no use in the next, but that of the day is.
func TestTheRoomOfADayIsNotLostWithThatOfItsHours(t *testing.T) {
	first := &metered{name: "first"}
	begins := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when the virtual clock begins
	rates := map[string]emails.Rate{"first": {Most: 40, Per: time.Hour, Waits: true, WarmUp: emails.WarmUp{Begins: begins, FirstDay: 60}}}
	withRates(t, rates, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		for range 20 { // each takes two from the record, and uses one
			mustAccept(t, s, draft(), idempotency.Key{})
			<-time.After(time.Hour)
		}
		for range 40 {
			mustAccept(t, s, draft(), idempotency.Key{})
		}
		<-time.After(30 * time.Minute)
		equal(t, "recipients on the day", first.got(), 60)
		equal(t, "most in an hour", first.most(time.Hour), 40)
	})
}

// What was not sent in the end is given back to the day, also if its minute is over.
func TestRoomIsGivenBackToTheDayAfterItsMinute(t *testing.T) {
	first := &late{metered: metered{name: "first"}}
	begins := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	rates := map[string]emails.Rate{"first": {Most: 3, Per: time.Minute, Waits: true, WarmUp: emails.WarmUp{Begins: begins, FirstDay: 3}}}
	withRates(t, rates, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		next := time.Now().Truncate(time.Hour).Add(time.Hour)
		first.react = func(now time.Time) (time.Duration, error) {
			if now.Before(next) {
				return 20 * time.Second, fault.New(fault.Unavailable, "scripted", "")
			}
			return 0, nil
		}
		<-time.After(time.Until(next) - 10*time.Second)
		s, stop := r.start(t, "one")
		defer stop()
		for range 3 {
			mustAccept(t, s, draft(), idempotency.Key{})
		}
		<-time.After(12 * time.Second)
		mustAccept(t, s, draft(), idempotency.Key{}) // it finds out that there is none on the day
		<-time.After(time.Hour)
		equal(t, "recipients on the day", first.got(), 3)
	})
}
