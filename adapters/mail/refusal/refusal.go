// Package refusal interprets the responses with which a mail provider refuses a message.
// Each adapter has a table of its provider's responses, which tells whether the cause is
// the message, its sender, its recipient, or the account at the provider.
//
// A refusal of one message must never count against the provider, and a problem of the
// account must never count against a message.
package refusal

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// Meaning is the interpretation of a response.
type Meaning struct {
	Kind    fault.Kind
	Code    string
	Message string
	// Permanent means that retrying this message at this provider is of no use.
	Permanent bool
}

// The meanings of responses.
var (
	// About the message: no provider would accept it.
	Message   = Meaning{Kind: fault.Invalid, Code: "rejected", Message: "the provider refuses this message"}
	Recipient = Meaning{Kind: fault.Invalid, Code: email.CodeRecipientRejected, Message: "the provider refuses a recipient of this message"}

	// About the message at this provider: another provider may accept it.
	SenderNotVerified = Meaning{
		Kind: fault.Refused, Code: "sender_not_verified", Permanent: true,
		Message: "the sender of this message is not verified at the provider",
	}
	SenderRejected = Meaning{
		Kind: fault.Refused, Code: "sender_rejected", Permanent: true,
		Message: "the provider refuses the sender of this message",
	}
	RecipientNotAuthorized = Meaning{
		Kind: fault.Refused, Code: "recipient_not_authorized", Permanent: true,
		Message: "the account at the provider may send to authorized recipients only",
	}
	UnknownTemplate = Meaning{
		Kind: fault.Refused, Code: "template_unknown",
		Message: "the provider does not store the template of this message",
	}
	Attachment = Meaning{
		Kind: fault.Refused, Code: "attachment_refused", Permanent: true,
		Message: "the provider refuses an attachment of this message",
	}
	// Unclear is a refusal in words that are not in the table.
	Unclear = Meaning{Kind: fault.Refused, Code: "provider_refused", Message: "the provider does not let the gateway send this"}

	// About the account: every message fails until a person fixes it.
	Credentials = Meaning{Kind: fault.Unauthorized, Code: "provider_misconfigured", Message: "the provider refused the gateway's credentials"}
	Address     = Meaning{
		Kind: fault.Unauthorized, Code: "provider_misconfigured",
		Message: "the provider does not know the domain, or is not at its base URL",
	}
	Suspended = Meaning{Kind: fault.Unauthorized, Code: "account_suspended", Message: "the account at the provider may not send"}
	Exhausted = Meaning{Kind: fault.QuotaExceeded, Code: "quota_exceeded", Message: "the account at the provider is used up"}

	// Temporary conditions.
	RateLimited = Meaning{Kind: fault.RateLimited, Code: "rate_limit", Message: "the provider asks for fewer requests"}
	Unavailable = Meaning{Kind: fault.Unavailable, Code: "unavailable", Message: "the provider is not available; nothing was sent"}

	// Unproven means that the response proves nothing.
	Unproven = Meaning{Kind: fault.UnknownOutcome, Code: "no_answer", Message: "the provider gave no answer that can be trusted"}
)

// Rule is a line of a table.
type Rule struct {
	Status []int
	Field  string   // the field reported as wrong, or its parent; empty matches any field
	Words  []string // texts that the message must contain, all of them, in lower case
	Means  Meaning
}

// ProviderError is one error that a provider reports.
type ProviderError struct{ Field, Words string }

// Error returns the failure for a response with this status and these errors. It has the
// meaning of the first rule of the table that matches any of the errors, and shows that
// error; if none matches it has the meaning Unproven, and shows the first error.
func Error(table []Rule, status int, said []ProviderError) *fault.Error {
	means, one := interpret(table, status, said)
	return &fault.Error{
		Kind: means.Kind, Code: means.Code, Message: means.Message, NoRetry: means.Permanent,
		Answer: &fault.Answer{Status: status, Field: one.Field, Words: one.Words},
		Err:    fmt.Errorf("the answer is %d %s", status, http.StatusText(status)),
	}
}

func interpret(table []Rule, status int, said []ProviderError) (Meaning, ProviderError) {
	for _, r := range table {
		if !slices.Contains(r.Status, status) {
			continue
		}
		for _, one := range said {
			if r.matches(one) {
				return r.Means, one
			}
		}
	}
	if len(said) == 0 {
		return Unproven, ProviderError{}
	}
	return Unproven, said[0]
}

func (r Rule) matches(one ProviderError) bool {
	below, isBelow := strings.CutPrefix(one.Field, r.Field)
	if r.Field != "" && (!isBelow || below != "" && below[0] != '.' && below[0] != '[') {
		return false
	}
	text := strings.ToLower(one.Words)
	return !slices.ContainsFunc(r.Words, func(words string) bool { return !strings.Contains(text, words) })
}

const (
	maxText      = 300 // characters kept of a provider's text
	maxField     = 100
	redactedText = "[…]"
)

// Redact removes from a provider's error everything that it quotes from the message, and the
// secrets of the account. The result is bounded and on one line. The table is applied after
// that, so that a message cannot make a provider return text that the gateway takes for the
// provider's own.
func Redact(one ProviderError, m email.Message, secrets ...string) ProviderError {
	quoted := append(secrets, m.Lines()...)
	slices.SortFunc(quoted, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // longest first
	return ProviderError{Field: truncate(redact(one.Field, quoted), maxField), Words: truncate(redact(one.Words, quoted), maxText)}
}

// quotedLocal matches an address with a quoted local part, which may contain spaces.
var quotedLocal = regexp.MustCompile(`"[^"]*"(@|%40)[^\s"'<>(),;]+`)

func redact(text string, quoted []string) string {
	for _, q := range quoted {
		if isDistinctive(q) {
			text = strings.ReplaceAll(text, q, redactedText)
		}
	}
	text = quotedLocal.ReplaceAllString(text, redactedText)
	words := strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f })
	for i, w := range words {
		if strings.Contains(w, "@") || strings.Contains(w, "%40") {
			words[i] = redactAddress(w)
		}
	}
	return strings.Join(words, " ")
}

// isDistinctive reports whether a text of the message is more than a word that a provider
// may use itself: a tag "domain" must not blank that word in "the domain is not verified".
func isDistinctive(q string) bool {
	word := !strings.ContainsFunc(q, func(r rune) bool { return r < 'a' || r > 'z' })
	return len(q) >= 3 && (!word || len(q) >= 12)
}

// redactAddress blanks an address in a word, and keeps the punctuation around it.
func redactAddress(word string) string {
	const around = "\"'<>()[]{},;:.!?`"
	start := len(word) - len(strings.TrimLeft(word, around))
	end := len(strings.TrimRight(word, around))
	return word[:start] + redactedText + word[end:]
}

func truncate(text string, most int) string {
	runes := []rune(strings.ToValidUTF8(text, "�"))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}

// A code is a word of its own, which a full stop may follow: part of an IP address is none.
var (
	enhancedCode = regexp.MustCompile(`(?:^|[^\w.])([245]\.\d{1,3}\.\d{1,3})(?:$|[^\w.]|\.(?:$|\W))`)
	replyCode    = regexp.MustCompile(`(?:^|[^\w.])([245]\d\d)(?:$|[^\w.]|\.(?:$|\W))`)
)

// EnhancedCode returns the first enhanced status code (RFC 3463) in the words of a server, "" if there is none.
func EnhancedCode(words string) string { return word(enhancedCode, words) }

// ReplyCode returns the first reply code of SMTP in the words of a server, "" if there is none.
func ReplyCode(words string) string { return word(replyCode, words) }

func word(code *regexp.Regexp, words string) string {
	if found := code.FindStringSubmatch(words); found != nil {
		return found[1]
	}
	return ""
}
