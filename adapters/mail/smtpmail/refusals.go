package smtpmail

import (
	"slices"

	"patchbay/adapters/mail/refusal"
	"patchbay/core/fault"
)

// Meanings that only SMTP has.
var (
	// About the message at this server: another one may accept it.
	tooLarge = refusal.Meaning{
		Kind: fault.Refused, Code: "message_too_large", Permanent: true,
		Message: "the message is larger than the server takes",
	}
	tooMany = refusal.Meaning{
		Kind: fault.Refused, Code: "too_many_recipients", Permanent: true,
		Message: "the message has more recipients than the server takes at once",
	}
	// busy is about one recipient, for now. It does not count against the server.
	busy = refusal.Meaning{Kind: fault.Unavailable, Code: "recipient_unavailable", Message: "the server cannot take mail for a recipient at present; nothing was sent"}
	// barred is a server that does not talk to the gateway at all.
	barred = refusal.Meaning{Kind: fault.Unauthorized, Code: "provider_misconfigured", Message: "the server does not let the gateway in"}
)

// closing is the status with which a server ends a conversation at any time.
const closing = 421

// The statuses of refusals that pass, and of those that do not (RFC 5321 §4.2.1). In the tables of
// this file a Field is an enhanced status code (RFC 3463), or its beginning.
var (
	transient = statuses(400, 499)
	permanent = statuses(500, 599)
	either    = slices.Concat(transient, permanent)
)

func statuses(first, last int) (all []int) {
	for status := first; status <= last; status++ {
		all = append(all, status)
	}
	return all
}

// pauses are words about the rate, at any step. Amazon SES: "454 Throttling failure: Maximum sending
// rate exceeded."
var pauses = []refusal.Rule{
	{Status: either, Words: []string{"rate exceeded"}, Means: refusal.RateLimited},
	{Status: either, Words: []string{"rate limit"}, Means: refusal.RateLimited},
	{Status: either, Words: []string{"too many connections"}, Means: refusal.RateLimited},
	{Status: either, Words: []string{"too many concurrent"}, Means: refusal.RateLimited},
	{Status: either, Words: []string{"too many messages"}, Means: refusal.RateLimited},
	{Status: either, Words: []string{"too many emails"}, Means: refusal.RateLimited},
	{Status: either, Words: []string{"too many login"}, Means: refusal.RateLimited},
}

// account are words about the account or its senders, at any step but RCPT, where they are about
// the recipient's account. SendGrid: "451 Authentication failed: Maximum credits exceeded". Amazon
// SES: "454 Throttling failure: Daily message quota exceeded." Gmail: "550 5.4.5 Daily user sending
// limit exceeded." SendGrid: "550 The from address does not match a verified Sender Identity."
// Amazon SES: "554 Message rejected: Email address is not verified."
var account = slices.Concat([]refusal.Rule{
	{Status: either, Words: []string{"credits exceeded"}, Means: refusal.Exhausted},
	{Status: either, Words: []string{"quota exceeded"}, Means: refusal.Exhausted},
	{Status: either, Words: []string{"exceeded", "quota"}, Means: refusal.Exhausted},
	{Status: either, Words: []string{"daily", "limit"}, Means: refusal.Exhausted},
	{Status: either, Words: []string{"account", "suspended"}, Means: refusal.Suspended},
	{Status: either, Words: []string{"account", "disabled"}, Means: refusal.Suspended},
	{Status: either, Words: []string{"account", "terminated"}, Means: refusal.Suspended},
	{Status: either, Words: []string{"not allowed to send"}, Means: refusal.Suspended},
	{Status: permanent, Words: []string{"not verified"}, Means: refusal.SenderNotVerified},
	{Status: permanent, Words: []string{"verified sender"}, Means: refusal.SenderNotVerified},
}, pauses)

// badSender are the codes about the sender, which may come late.
var badSender = []refusal.Rule{
	{Status: permanent, Field: "5.1.7", Means: refusal.SenderRejected},
	{Status: permanent, Field: "5.1.8", Means: refusal.SenderRejected},
}

// unauthenticated are the statuses about the credentials (RFC 4954).
var unauthenticated = []refusal.Rule{{Status: []int{523, 530, 534, 535, 538}, Means: refusal.Credentials}}

// otherwise are the last rules of a table: what a permanent refusal means that no rule before knows.
// A transient one passes. So does an answer to another command, since nothing was sent.
func otherwise(means refusal.Meaning) []refusal.Rule {
	return []refusal.Rule{{Status: permanent, Means: means}, {Status: statuses(100, 499), Means: refusal.Unavailable}}
}

// messages are the codes about the message as a whole.
var messages = slices.Concat(badSender, []refusal.Rule{
	{Status: permanent, Field: "5.2.3", Means: tooLarge},
	{Status: permanent, Field: "5.3.4", Means: tooLarge},
	{Status: permanent, Field: "5.1", Means: refusal.Recipient},
	{Status: permanent, Field: "5.2", Means: refusal.Recipient},
	{Status: permanent, Field: "5.6", Means: refusal.Message},
}, account, []refusal.Rule{
	{Status: transient, Field: "4.7", Means: refusal.RateLimited},
}, unauthenticated, []refusal.Rule{
	{Status: []int{552}, Means: tooLarge},
}, otherwise(refusal.Unclear))

// tables map the refusals at a step to their meaning.
var tables = map[step][]refusal.Rule{
	greeting: slices.Concat(account, []refusal.Rule{{Status: transient, Field: "4.7", Means: refusal.RateLimited}}, otherwise(barred)),
	hello:    slices.Concat(account, otherwise(barred)),
	securing: slices.Concat(account, otherwise(barred)),
	// 500 to 504: the server does not know AUTH, or not the mechanism.
	authenticating: slices.Concat(account, []refusal.Rule{
		{Status: []int{432}, Means: refusal.Credentials}, // a password transition is needed
		{Status: []int{500, 501, 502, 503, 504}, Means: noMechanism},
	}, otherwise(refusal.Credentials)),
	sender: slices.Concat(badSender, []refusal.Rule{
		{Status: permanent, Field: "5.3.4", Means: tooLarge},
		{Status: permanent, Field: "5.2.3", Means: tooLarge},
	}, account, []refusal.Rule{
		{Status: transient, Field: "4.7", Means: refusal.RateLimited},
	}, unauthenticated, []refusal.Rule{
		{Status: []int{552}, Means: tooLarge},
		{Status: []int{500, 502, 503, 504, 555}, Means: refusal.Unclear}, // the command, not the sender
	}, otherwise(refusal.SenderRejected)),
	// A relay that is refused is about what the account may do, and says nothing of the recipient.
	recipient: slices.Concat(badSender, []refusal.Rule{
		{Status: permanent, Words: []string{"relay"}, Means: refusal.Unclear},
		{Status: permanent, Words: []string{"rcpthosts"}, Means: refusal.Unclear},
		{Status: either, Words: []string{"too many recipients"}, Means: tooMany},
		{Status: transient, Field: "4.5.3", Means: tooMany},
		{Status: permanent, Field: "5.5.3", Means: tooMany},
		{Status: permanent, Field: "5.1", Means: refusal.Recipient},
		{Status: permanent, Field: "5.2", Means: refusal.Recipient},
		{Status: permanent, Words: []string{"recipient address rejected"}, Means: refusal.Recipient},
	}, pauses, []refusal.Rule{
		{Status: transient, Field: "4.1", Means: busy},
		{Status: transient, Field: "4.2", Means: busy},
		{Status: transient, Field: "4.7", Means: refusal.RateLimited},
	}, unauthenticated, []refusal.Rule{
		{Status: permanent, Field: "5.3", Means: refusal.Unclear},
		{Status: permanent, Field: "5.4", Means: refusal.Unclear},
		{Status: permanent, Field: "5.5", Means: refusal.Unclear},
		{Status: permanent, Field: "5.7", Means: refusal.Unclear},
		{Status: []int{450}, Means: busy},
		{Status: []int{501, 550, 551, 552, 553}, Means: refusal.Recipient},
	}, otherwise(refusal.Unclear)),
	content:   messages,
	accepting: messages,
}

// known are the statuses with which a server refuses a message that it has in full. Another one
// may come from something between, and proves nothing. Neither does 421, by which also a proxy ends
// a conversation whose other side was slow.
var known = []int{450, 451, 452, 454, 455, 500, 501, 502, 503, 504, 521, 523, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555, 556, 557}

// table returns the rules for an answer at a step: none for one that proves nothing.
func table(at step, status int) []refusal.Rule {
	if at == accepting && !slices.Contains(known, status) {
		return nil
	}
	return tables[at]
}
