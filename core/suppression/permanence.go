package suppression

import (
	"regexp"
	"slices"
	"strings"

	"patchbay/core/email"
)

// ReasonFor returns why the recipient of an event is to be suppressed. ok is false if the event is no
// reason to.
//
// An address that bounced is suppressed only if the mailbox or its domain does not exist. That is so
// by the enhanced status code (RFC 3463, registry of IANA "SMTP Enhanced Status Codes") or, where the
// code does not say, as the provider classifies it. A full mailbox (X.2.2), and a refusal for policy
// or reputation (X.7), never are, whatever the provider says. Neither is 550 alone: servers use it
// for all of these.
func ReasonFor(n email.Notification) (r Reason, ok bool) {
	switch n.Event {
	case email.EventComplained:
		return Complained, true
	case email.EventUnsubscribed:
		return Unsubscribed, true
	case email.EventBounced, email.EventRejected:
		return reasonForFailure(n)
	default:
		return "", false
	}
}

func reasonForFailure(n email.Notification) (r Reason, ok bool) {
	switch n.Cause {
	case email.CauseComplainedBefore:
		return Complained, true
	case email.CauseUnsubscribedBefore:
		return Unsubscribed, true
	case email.CauseBouncedBefore:
		return Bounced, true
	case email.CauseOther:
		return "", false
	default: // an address, or nothing is known
	}
	code := enhanced(n)
	switch {
	case code == "" && isTransient(n.Code), strings.HasPrefix(code, "4."):
		return "", false
	case strings.HasPrefix(code, "5.7."), code == "5.2.2":
		return "", false
	}
	return Bounced, n.Cause == email.CauseAddress || slices.Contains(noSuchAddress, code)
}

// noSuchAddress are the codes that say that there is no such mailbox, or no such domain. 5.1.5, 5.1.7,
// 5.1.8 and 5.1.9 are not about that, or about the sender.
var noSuchAddress = []string{"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10"}

// isTransient reports whether a reply code of SMTP is one of those that pass (RFC 5321 §4.2.1).
func isTransient(code string) bool { return len(code) == 3 && code[0] == '4' }

// replyCode matches the enhanced status code of a server's reply, which may follow the reply code:
// 550-5.1.1, or 550 5.1.1 (RFC 2034).
var replyCode = regexp.MustCompile(`^(?:smtp;\s*)?(?:\d{3}[ -])?([245]\.\d{1,3}\.\d{1,3})(?:\D|$)`)

// enhanced returns the enhanced status code of an event, empty if it has none. The one that says
// least gives way to that of the reply itself.
func enhanced(n email.Notification) (code string) {
	for _, text := range []string{n.Code, n.Reason} {
		found := replyCode.FindStringSubmatch(strings.TrimSpace(text))
		if found != nil && (code == "" || code == "5.0.0") {
			code = found[1]
		}
	}
	return code
}
