package suppression_test

import (
	"testing"

	"patchbay/core/email"
	"patchbay/core/suppression"
)

// What an event must say for its recipient to be suppressed. Each row that suppresses nobody is a
// person who would lose mail for a reason that is not theirs.
func TestReasonFor(t *testing.T) {
	t.Parallel()
	const none = suppression.Reason("")
	for _, c := range []struct {
		name   string
		event  email.Event
		code   string
		cause  email.Cause
		reason string // in the words of the server
		want   suppression.Reason
	}{
		{"no such mailbox", email.EventBounced, "5.1.1", "", "", suppression.Bounced},
		{"another status of the address", email.EventBounced, "5.1.0", "", "", suppression.Bounced},
		{"no such domain", email.EventBounced, "5.1.2", "", "", suppression.Bounced},
		{"an address that is none", email.EventBounced, "5.1.3", "", "", suppression.Bounced},
		{"an address that is ambiguous", email.EventBounced, "5.1.4", "", "", suppression.Bounced},
		{"the mailbox has moved", email.EventBounced, "5.1.6", "", "", suppression.Bounced},
		{"the domain takes no mail", email.EventBounced, "5.1.10", "", "", suppression.Bounced},
		{"the code is in the reply", email.EventBounced, "550", "", "550 5.1.1 […] no such user", suppression.Bounced},
		{"the code is in the first of several lines", email.EventBounced, "", "", "550-5.1.1 The email account does not exist", suppression.Bounced},
		{"the code is in a delivery report", email.EventBounced, "5.0.0", "", "smtp; 550 5.1.1 unknown", suppression.Bounced},
		{"the code says little, and the provider knows", email.EventBounced, "5.0.0", email.CauseAddress, "", suppression.Bounced},
		{"a bare code, and the provider knows", email.EventBounced, "550", email.CauseAddress, "", suppression.Bounced},
		{"a mailbox out of use, and the provider knows", email.EventBounced, "5.2.1", email.CauseAddress, "", suppression.Bounced},
		{"the provider does not try an address that is none", email.EventRejected, "", email.CauseAddress, "", suppression.Bounced},

		{"a bare 550", email.EventBounced, "550", "", "550 no", none},
		{"no code", email.EventBounced, "", "", "", none},
		{"blocked for policy", email.EventBounced, "5.7.1", "", "", none},
		{"blocked for policy, which the provider takes for the address", email.EventBounced, "5.7.1", email.CauseAddress, "", none},
		{"blocked for policy, in the reply", email.EventBounced, "550", email.CauseAddress, "550 5.7.606 Access denied, banned sending IP", none},
		{"reputation, in the provider's class", email.EventBounced, "5.1.1", email.CauseOther, "", none},
		{"a full mailbox", email.EventBounced, "5.2.2", "", "", none},
		{"a full mailbox, which the provider takes for the address", email.EventBounced, "5.2.2", email.CauseAddress, "", none},
		{"a full mailbox, for now", email.EventBounced, "4.2.2", email.CauseAddress, "", none},
		{"given up after a transient code", email.EventBounced, "452", email.CauseAddress, "", none},
		{"a mailbox out of use", email.EventBounced, "5.2.1", "", "", none},
		{"the sender's mailbox is wrong", email.EventBounced, "5.1.7", "", "", none},
		{"the sender's domain is wrong", email.EventBounced, "5.1.8", "", "", none},
		{"the daily limit of a recipient at Microsoft", email.EventBounced, "5.1.90", "", "", none},
		{"too large", email.EventBounced, "5.3.4", "", "", none},
		{"no route", email.EventBounced, "5.4.4", "", "", none},
		{"a code inside of the words", email.EventBounced, "", "", "see article 5.1.1", none},
		{"deferred", email.EventDeferred, "4.2.2", "", "", none},
		{"deferred with a permanent code", email.EventDeferred, "5.1.1", email.CauseAddress, "", none},

		{"on the provider's list of bounces", email.EventRejected, "605", email.CauseBouncedBefore, "", suppression.Bounced},
		{"on the provider's list of complaints", email.EventRejected, "", email.CauseComplainedBefore, "", suppression.Complained},
		{"on the provider's list of unsubscribed", email.EventRejected, "", email.CauseUnsubscribedBefore, "", suppression.Unsubscribed},
		{"rejected for its content", email.EventRejected, "", email.CauseOther, "", none},

		{"complained", email.EventComplained, "", "", "", suppression.Complained},
		{"unsubscribed", email.EventUnsubscribed, "", "", "", suppression.Unsubscribed},
		{"delivered", email.EventDelivered, "", "", "", none},
		{"opened", email.EventOpened, "", "", "", none},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := suppression.ReasonFor(email.Notification{Event: c.event, Code: c.code, Cause: c.cause, Reason: c.reason})
			if !ok {
				got = none
			}
			if got != c.want {
				t.Errorf("the reason is %q, want %q", got, c.want)
			}
		})
	}
}
