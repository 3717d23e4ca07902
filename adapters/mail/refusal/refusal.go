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
	// Lasting means that retrying this message at this provider is of no use.
	Lasting bool
}

// The meanings of responses.
var (
	// About the message: no provider would accept it.
	Message   = Meaning{Kind: fault.Invalid, Code: "rejected", Message: "the provider refuses this message"}
	Recipient = Meaning{Kind: fault.Invalid, Code: "recipient_rejected", Message: "the provider refuses a recipient of this message"}

	// About the message at this provider: another provider may accept it.
	Sender = Meaning{
		Kind: fault.Refused, Code: "sender_not_verified", Lasting: true,
		Message: "the sender of this message is not verified at the provider",
	}
	BadSender = Meaning{
		Kind: fault.Refused, Code: "sender_rejected", Lasting: true,
		Message: "the provider refuses the sender of this message",
	}
	Restricted = Meaning{
		Kind: fault.Refused, Code: "recipient_not_authorized", Lasting: true,
		Message: "the account at the provider may send to authorized recipients only",
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
	TooFast = Meaning{Kind: fault.RateLimited, Code: "rate_limit", Message: "the provider asks for fewer requests"}
	Away    = Meaning{Kind: fault.Unavailable, Code: "unavailable", Message: "the provider is not available; nothing was sent"}

	// Nothing means that the response proves nothing.
	Nothing = Meaning{Kind: fault.UnknownOutcome, Code: "no_answer", Message: "the provider gave no answer that can be trusted"}
)

// Rule is a line of a table.
type Rule struct {
	Status []int
	Field  string   // the field reported as wrong, or its parent; empty matches any field
	Words  []string // texts that the message must contain, all of them, in lower case
	Means  Meaning
}

// Said is one error that a provider reports.
type Said struct{ Field, Words string }

// Error returns the failure for a response with this status and these errors. It has the
// meaning of the first rule of the table that matches any of the errors, and shows that
// error; if none matches it has the meaning Nothing, and shows the first error.
func Error(table []Rule, status int, said []Said) *fault.Error {
	means, one := interpret(table, status, said)
	return &fault.Error{
		Kind: means.Kind, Code: means.Code, Message: means.Message, NoRetry: means.Lasting,
		Answer: &fault.Answer{Status: status, Field: one.Field, Words: one.Words},
		Err:    fmt.Errorf("the answer is %d %s", status, http.StatusText(status)),
	}
}

func interpret(table []Rule, status int, said []Said) (Meaning, Said) {
	for _, r := range table {
		if !slices.Contains(r.Status, status) {
			continue
		}
		for _, one := range said {
			if r.fits(one) {
				return r.Means, one
			}
		}
	}
	if len(said) == 0 {
		return Nothing, Said{}
	}
	return Nothing, said[0]
}

func (r Rule) fits(one Said) bool {
	if r.Field != "" && one.Field != r.Field && !strings.HasPrefix(one.Field, r.Field+".") {
		return false
	}
	text := strings.ToLower(one.Words)
	return !slices.ContainsFunc(r.Words, func(words string) bool { return !strings.Contains(text, words) })
}

const (
	maxWords = 300 // characters kept of a provider's text
	maxField = 100
	blank    = "[…]"
)

// Blank removes from a provider's error everything that it quotes from the message, and the
// secrets of the account. The result is bounded and on one line. The table is applied after
// that, so that a message cannot make a provider return text that the gateway takes for the
// provider's own.
func Blank(one Said, m email.Message, secrets ...string) Said {
	quoted := append(secrets, m.Lines()...)
	slices.SortFunc(quoted, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // longest first
	return Said{Field: short(blanked(one.Field, quoted), maxField), Words: short(blanked(one.Words, quoted), maxWords)}
}

// quotedLocal matches an address with a quoted local part, which may contain spaces.
var quotedLocal = regexp.MustCompile(`"[^"]*"(@|%40)[^\s"'<>(),;]+`)

func blanked(text string, quoted []string) string {
	for _, q := range quoted {
		if telling(q) {
			text = strings.ReplaceAll(text, q, blank)
		}
	}
	text = quotedLocal.ReplaceAllString(text, blank)
	words := strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f })
	for i, w := range words {
		if strings.Contains(w, "@") || strings.Contains(w, "%40") {
			words[i] = address(w)
		}
	}
	return strings.Join(words, " ")
}

// telling reports whether a text of the message is more than a word that a provider may use
// itself: a tag "domain" must not blank that word in "the domain is not verified".
func telling(q string) bool {
	word := !strings.ContainsFunc(q, func(r rune) bool { return r < 'a' || r > 'z' })
	return len(q) >= 3 && (!word || len(q) >= 12)
}

// address blanks an address in a word, and keeps the punctuation around it.
func address(word string) string {
	const around = "\"'<>()[]{},;:.!?`"
	start := len(word) - len(strings.TrimLeft(word, around))
	end := len(strings.TrimRight(word, around))
	return word[:start] + blank + word[end:]
}

func short(text string, most int) string {
	runes := []rune(strings.ToValidUTF8(text, "�"))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}
