package resilience_test

import (
	"context"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// The events of a provider are logged. What it says of a message that is not kept is private in each of them,
// also in that of a breaker that opens.
func TestTheWordsAboutAMessageThatIsNotKeptArePrivate(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Invalid, fault.Refused, fault.Unavailable, fault.UnknownOutcome} {
		for keeping, private := range map[email.Keeping]bool{email.Keep: false, email.UntilSent: true, email.Never: true} {
			t.Run(kind.String()+", "+string(keeping), func(t *testing.T) {
				withPolicy(t, nil, func(t *testing.T, r *rig) {
					r.provider.answer(func(context.Context, int) error {
						return &fault.Error{Kind: kind, Code: "scripted", Answer: &fault.Answer{Status: 550, Words: "your code is 4711"}}
					})
					for range 20 {
						if _, err := r.mailer.Send(t.Context(), email.Message{Keeping: keeping}); err == nil {
							t.Fatal("got no error")
						}
					}
					failed := 0
					for _, e := range r.events {
						if e.Err == nil || fault.From(e.Err).Answer == nil {
							continue
						}
						failed++
						if got := fault.From(e.Err).Answer.Private; got != private {
							t.Errorf("%s: got private %v, want %v: %v", e.Decision, got, private, e.Err)
						}
					}
					if failed == 0 {
						t.Error("got no event of a failure")
					}
				})
			})
		}
	}
}
