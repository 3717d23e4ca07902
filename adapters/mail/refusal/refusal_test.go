package refusal_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"patchbay/adapters/mail/refusal"
	"patchbay/core/email"
	"patchbay/core/fault"
)

func TestTheFirstRuleThatFitsDecides(t *testing.T) {
	t.Parallel()
	table := []refusal.Rule{
		{Status: []int{403}, Field: "from", Means: refusal.SenderNotVerified},
		{Status: []int{400, 403}, Words: []string{"account", "disabled"}, Means: refusal.Suspended},
		{Status: []int{400}, Means: refusal.Message},
	}
	for name, c := range map[string]struct {
		status int
		said   []refusal.ProviderError
		want   refusal.Meaning
		field  string
	}{
		"a field":                     {403, []refusal.ProviderError{{Field: "from"}}, refusal.SenderNotVerified, "from"},
		"a part of the field":         {403, []refusal.ProviderError{{Field: "from.email"}}, refusal.SenderNotVerified, "from.email"},
		"an element of the field":     {403, []refusal.ProviderError{{Field: "from[0].email"}}, refusal.SenderNotVerified, "from[0].email"},
		"another field":               {403, []refusal.ProviderError{{Field: "fromage"}}, refusal.Unproven, "fromage"},
		"all words":                   {400, []refusal.ProviderError{{Words: "Your Account is DISABLED"}}, refusal.Suspended, ""},
		"some words":                  {400, []refusal.ProviderError{{Words: "Your account"}}, refusal.Message, ""},
		"another status":              {401, []refusal.ProviderError{{Words: "Your account is disabled"}}, refusal.Unproven, ""},
		"the second of what was said": {403, []refusal.ProviderError{{Field: "to"}, {Field: "from"}}, refusal.SenderNotVerified, "from"},
		"nothing was said":            {400, nil, refusal.Unproven, ""},
	} {
		f := refusal.Error(table, c.status, c.said)
		if got := (refusal.Meaning{Kind: f.Kind, Code: f.Code, Message: f.Message, Permanent: f.NoRetry}); got != c.want {
			t.Errorf("%s: meaning %+v, want %+v", name, got, c.want)
		}
		if f.Answer.Field != c.field {
			t.Errorf("%s: field %q, want %q", name, f.Answer.Field, c.field)
		}
	}
}

// What is about one message is neither held against the provider nor tried there again;
// what is about the account is.
func TestAMeaningSaysWhetherOthersAreAskedAndWhatCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refusal.Meaning
		failover, trips, lasting bool
	}{
		"message": {refusal.Message, false, false, false}, "recipient": {refusal.Recipient, false, false, false},
		"sender": {refusal.SenderNotVerified, true, false, true}, "bad sender": {refusal.SenderRejected, true, false, true},
		"restricted": {refusal.RecipientNotAuthorized, true, false, true}, "unclear": {refusal.Unclear, true, false, false},
		"attachment":  {refusal.Attachment, true, false, true},
		"template":    {refusal.UnknownTemplate, true, false, false},
		"credentials": {refusal.Credentials, true, true, false}, "address": {refusal.Address, true, true, false},
		"suspended": {refusal.Suspended, true, true, false}, "exhausted": {refusal.Exhausted, true, true, false},
	} {
		f := refusal.Error([]refusal.Rule{{Status: []int{400}, Means: c.Meaning}}, 400, []refusal.ProviderError{{}})
		if rule := f.Kind.Rule(); rule.Failover != c.failover || rule.Trips != c.trips || f.NoRetry != c.lasting {
			t.Errorf("%s: others are asked %t, it counts %t, asking again is of no use %t; want %t, %t, %t", name, rule.Failover, rule.Trips, f.NoRetry, c.failover, c.trips, c.lasting)
		}
	}
}

func TestWhatIsQuotedIsBlanked(t *testing.T) {
	t.Parallel()
	m := email.Message{
		From: email.Address{Email: "shop@example.com", Name: "The Shop"}, To: []email.Address{{Email: `"ada l"@example.com`, Name: "Ada"}},
		Subject: "Your secret order", Tags: []string{"domain", "Spring"}, Metadata: map[string]string{"customer": "17-4711"},
		Headers: map[string]string{"X-Very-Own": "is not allowed to send"},
	}
	for text, want := range map[string]string{
		"The from address shop@example.com is bad":             "The from address […] is bad",
		`Not valid: "Ada" <eve@example.org>, please check.`:    `Not valid: "[…]" <[…]>, please check.`,
		`Not valid: "ada l"@example.com`:                       "Not valid: […]",
		`Not valid: "eve of elsewhere"@example.org, and so on`: "Not valid: […], and so on",
		"?email=eve%40example.org is bad":                      "?[…] is bad",
		"Subject 'Your secret order' of The Shop: no":          "Subject '[…]' of […]: no",
		"the domain is not verified":                           "the domain is not verified",
		"tag Spring for 17-4711":                               "tag […] for […]",
		"the header X-Very-Own: is not allowed to send":        "the header […]: […]",
		"key-4711 was refused":                                 "[…] was refused",
		"two\r\nlines\tand\x00 more":                           "two lines and more",
		"bytes \xff that are no text":                          "bytes � that are no text",
		"mailto:x@y, <x@xn--bcher-kva.example>; (a.b+c@d.e).":  "[…], <[…]>; ([…]).",
	} {
		got := refusal.Redact(refusal.ProviderError{Field: text, Words: text}, m, "key-4711")
		if got.Words != want {
			t.Errorf("%q becomes %q, want %q", text, got.Words, want)
		}
		if strings.Contains(got.Field, "example.") {
			t.Errorf("field = %q, want one without an address", got.Field)
		}
	}
	long := refusal.Redact(refusal.ProviderError{Field: strings.Repeat("ü", 999), Words: strings.Repeat("ü ", 999)}, m)
	if n := utf8.RuneCountInString(long.Words); n != 300 || utf8.RuneCountInString(long.Field) != 100 {
		t.Errorf("%d characters of the words and %d of the field are kept, want 300 and 100", n, utf8.RuneCountInString(long.Field))
	}
}

// The answer itself, and not only its words, is told: an operator sees the status.
func TestAnErrorHasTheAnswer(t *testing.T) {
	t.Parallel()
	table := []refusal.Rule{{Status: []int{403}, Means: refusal.SenderNotVerified}}
	f := refusal.Error(table, 403, []refusal.ProviderError{{Field: "from", Words: "No."}})
	if want := (fault.Answer{Status: 403, Field: "from", Words: "No."}); *f.Answer != want {
		t.Errorf("answer %+v, want %+v", *f.Answer, want)
	}
	if f.Code != "sender_not_verified" {
		t.Errorf("code %q, want sender_not_verified", f.Code)
	}
	if f.Message == "" {
		t.Error("no message, want one")
	}
}

func TestCodesAreFoundInTheWordsOfAServer(t *testing.T) {
	t.Parallel()
	for words, want := range map[string][2]string{
		"smtp; 550 5.1.1 no such user": {"5.1.1", "550"}, "552 full": {"", "552"}, "host 10.5.1.1 said 4.2.2": {"4.2.2", ""},
		"550-5.7.1 blocked": {"5.7.1", "550"}, "it said #5.1.1.": {"5.1.1", ""}, "from 192.0.2.250 (450)": {"", "450"},
		"order 5501 at 6.1.1": {"", ""}, "": {"", ""},
	} {
		if got := [2]string{refusal.EnhancedCode(words), refusal.ReplyCode(words)}; got != want {
			t.Errorf("%q: codes %q, want %q", words, got, want)
		}
	}
}
