package emails_test

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/suppression"
	"patchbay/core/user"
)

// eraseAll erases the messages of whoever has an address.
func eraseAll(t *testing.T, s *emails.Service, address string) {
	t.Helper()
	p := user.Person{Tenant: tenant, Emails: []string{address}}
	err := s.PersonalObjects(t.Context(), p, func(int) error { return nil }, func(o user.PersonalObject) error { return o.Erase(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
}

// token returns the token in the List-Unsubscribe of a message, "" if it has none.
func token(t *testing.T, m email.Message) string {
	t.Helper()
	url, ok := strings.CutPrefix(m.Headers["List-Unsubscribe"], "<https://mail.example.com/unsubscribe/")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(url, ">")
}

func TestWhichMailCanBeUnsubscribedFromWithOneClick(t *testing.T) {
	one, two := []email.Address{{Email: "ada@example.com"}}, []email.Address{{Email: "ada@example.com"}, {Email: "eve@example.com"}}
	for name, c := range map[string]struct {
		category email.Category
		to, bcc  []email.Address
		headers  map[string]string
		refuses  bool // the provider takes no headers
		want     bool
	}{
		"marketing to one":                    {email.Marketing, one, nil, map[string]string{"X-A": "b"}, false, true},
		"transactional":                       {email.Transactional, one, nil, nil, false, false},
		"of no category":                      {"", one, nil, nil, false, false},
		"to several, who would share the URL": {email.Marketing, two, nil, nil, false, false},
		"with a blind copy":                   {email.Marketing, one, two[1:], nil, false, false},
		"with a header of the caller's":       {email.Marketing, one, nil, map[string]string{"list-unsubscribe": "<mailto:stop@example.com>"}, false, false},
		"with the other header":               {email.Marketing, one, nil, map[string]string{"List-Unsubscribe-Post": "a"}, false, false},
		"by a provider without headers":       {email.Marketing, one, nil, nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
				b.first.features.Headers = !c.refuses
				d := draft()
				d.Category, d.To, d.Bcc, d.Headers = c.category, c.to, c.bcc, maps.Clone(c.headers)
				m, _, err := b.Accept(t.Context(), tenant, d, idempotency.Key{})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				got := b.first.last(t)
				equal(t, "it has our URL", token(t, got) != "", c.want)
				if c.want {
					equal(t, "List-Unsubscribe-Post", got.Headers["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
				}
				for name, value := range c.headers {
					equal(t, "the caller's "+name, got.Headers[name], value)
				}
				m = b.get(t, m.ID)
				equal(t, "the headers that are kept", len(m.Headers), len(c.headers))
				equal(t, "the status", m.Status, email.Sent)
			})
		})
	}
}

// It has no other way to say what it is for.
func TestAHeaderSaysThatAMessageByHandoverIsMarketing(t *testing.T) {
	for header, want := range map[string]struct {
		category email.Category
		status   email.Status
	}{
		"X-Patchbay-Category: Marketing":     {email.Marketing, email.Suppressed},
		"x-patchbay-category: transactional": {email.Transactional, email.Sent},
		"X-Campaign: marketing":              {email.Transactional, email.Sent},
	} {
		t.Run(header, func(t *testing.T) {
			inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
				b.first.features.MIME = true
				m, _, err := b.HandOver(t.Context(), tenant, handover(header, "", "Hello"))
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				equal(t, "category", m.Category, want.category)
				got := b.first.last(t)
				equal(t, "text, with our URL or without its header", string(got.MIME()), string(handover(header, "", "Hello").Raw))
				equal(t, "headers beside it", len(got.Headers), len(m.Headers))
				b.suppress(t, "ada", suppression.Unsubscribed)
				m, _, err = b.HandOver(t.Context(), tenant, handover(header, "", "Hello again"))
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				equal(t, "to one who has unsubscribed", b.get(t, m.ID).Status, want.status)
			})
		})
	}
	t.Run("in another word it is refused", func(t *testing.T) {
		inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
			_, _, err := b.HandOver(t.Context(), tenant, handover("X-Patchbay-Category: newsletter", "", "Hello"))
			equal(t, "code", fault.From(err).Code, "invalid_category")
		})
	})
}

// Each attempt, at whichever provider, sends the same message.
func TestTheURLIsTheSameAtEachProvider(t *testing.T) {
	inBureau(t, always(fault.Unavailable), nil, func(t *testing.T, b *bureau) {
		b.send(t, email.Marketing, "ada")
		one, other := token(t, b.first.last(t)), token(t, b.second.last(t))
		if one == "" || one != other {
			t.Errorf("the tokens are %q and %q, want the same", one, other)
		}
	})
}

func TestOneClickStopsMarketingAlone(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.send(t, email.Marketing, "ada")
		token := token(t, b.first.last(t))
		equal(t, "the error of looking", b.CheckUnsubscribe(token), nil)
		equal(t, "marketing after a look", b.send(t, email.Marketing, "ada").Status, email.Sent)
		equal(t, "the error of the click", b.Unsubscribe(t.Context(), token), nil)
		equal(t, "marketing", b.send(t, email.Marketing, "ada").Status, email.Suppressed)
		equal(t, "transactional", b.send(t, email.Transactional, "ada").Status, email.Sent)
		equal(t, "marketing to another", b.send(t, email.Marketing, "eve").Status, email.Sent)
		page, _, err := b.suppressed.List(t.Context(), tenant, "", 10)
		if err != nil || len(page) != 1 || page[0].Email != "ada@example.com" {
			t.Errorf("suppressed: %+v, %v, want Ada", page, err)
		}
	})
}

func TestOneClickOfAMessageThatWasErased(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.send(t, email.Marketing, "ada")
		eraseAll(t, b.Service, "ada@example.com")
		equal(t, "the error of the click", b.Unsubscribe(t.Context(), token(t, b.first.last(t))), nil)
		equal(t, "marketing", b.send(t, email.Marketing, "ada").Status, email.Suppressed)
		page, _, err := b.suppressed.List(t.Context(), tenant, "", 10)
		if err != nil || len(page) != 1 || page[0].Email != "" {
			t.Errorf("suppressed: %+v, %v, want one without an address", page, err)
		}
	})
}

func TestATokenThatIsNotOursUnsubscribesNobody(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		equal(t, "the error of a click", fault.KindOf(b.Unsubscribe(t.Context(), "nonsense")), fault.NotFound)
		equal(t, "the error of a look", fault.KindOf(b.CheckUnsubscribe("nonsense")), fault.NotFound)
	})
}
