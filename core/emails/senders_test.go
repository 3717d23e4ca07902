package emails_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

func TestAMessageGoesToTheProviderThatSendsForItsDomain(t *testing.T) {
	for _, tt := range []struct{ from, want string }{
		{"a@shop.example", "first:accepted "},
		{"a@SHOP.example", "first:accepted "},
		{"a@club.example", "second:accepted "},
		{"a@bücher.example", "second:accepted "},
		{"a@xn--bcher-kva.example", "second:accepted "},
	} {
		t.Run(tt.from, func(t *testing.T) {
			within(t, nil, nil, nil, func(t *testing.T, r rig) {
				s := emails.Senders{
					Domains: map[string][]string{"first": {"shop.example"}, "second": {"club.example", "xn--bcher-kva.example"}},
					ASCII:   func(a string) (string, error) { return strings.Replace(a, "@bücher.", "@xn--bcher-kva.", 1), nil },
				}
				r.Mailers[0], r.Mailers[1] = s.Wrap(r.first), s.Wrap(r.second)
				d := draft()
				d.From = email.Address{Email: tt.from}
				m := r.accept(t, d)
				synctest.Wait()
				equal(t, "attempts", outcomes(r.get(t, m.ID)), tt.want)
			})
		})
	}
}

func TestAMessageOfADomainThatNoProviderSendsForIsRefused(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		s := emails.Senders{Domains: map[string][]string{"first": {"shop.example"}, "second": {"club.example"}}}
		r.Mailers[0], r.Mailers[1] = s.Wrap(r.first), s.Wrap(r.second)
		d := draft()
		d.From = email.Address{Email: "a@other.example"}
		_, _, err := r.Accept(t.Context(), tenant, d, idempotency.Key{})
		if f := fault.From(err); !fault.Is(err, fault.Unsupported) || f.Param != "from" {
			t.Errorf("error = %v at %q, want unsupported at from", err, f.Param)
		}
	})
}

// What a provider of another domain cannot do says nothing of the message.
func TestARefusalIsOfAProviderThatSendsForTheDomain(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		s := emails.Senders{Domains: map[string][]string{"first": {"shop.example"}, "second": {"club.example"}}}
		r.first.features.UTF8, r.second.features.UTF8 = false, false
		r.Mailers[0], r.Mailers[1] = s.Wrap(r.first), s.Wrap(r.second)
		d := draft()
		d.From, d.To = email.Address{Email: "a@club.example"}, []email.Address{{Email: "jürgen@example.com"}}
		_, _, err := r.Accept(t.Context(), tenant, d, idempotency.Key{})
		if f := fault.From(err); !fault.Is(err, fault.Unsupported) || f.Param != "to" {
			t.Errorf("error = %v at %q, want unsupported at to", err, f.Param)
		}
	})
}

func TestATenantSendsOnlyAsItsSenders(t *testing.T) {
	senders := emails.Senders{Allowed: map[string][]string{"acme": {"*@club.example", "news@shop.example"}, "locked": {}}}
	for _, tt := range []struct {
		name, tenant, from string
		refused            bool
	}{
		{"a domain of its own", "acme", "a@Club.example", false},
		{"an address of its own", "acme", "news@shop.example", false},
		{"an address of its own, in capitals", "acme", "NEWS@shop.example", false},
		{"a look-alike of its own address", "acme", "new\u017f@shop.example", true},
		{"another address of that domain", "acme", "a@shop.example", true},
		{"the default sender, which is not its own", "acme", "", true},
		{"a tenant without any", "locked", "a@club.example", true},
		{"a tenant that is not restricted", tenant, "a@other.example", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			within(t, nil, nil, nil, func(t *testing.T, r rig) {
				r.Senders = senders
				d := draft()
				d.From = email.Address{Email: tt.from}
				_, _, err := r.Accept(t.Context(), tt.tenant, d, idempotency.Key{})
				if got := fault.From(err).Code == "sender_not_allowed"; err != nil && !got || got != tt.refused {
					t.Errorf("error = %v, want refused = %t", err, tt.refused)
				}
			})
		})
	}
}

func TestABatchIsRefusedForASenderOfAnother(t *testing.T) {
	withBatches(t, []*line{single("first", nil)}, func(t *testing.T, o *batchRig) {
		o.Senders = emails.Senders{Allowed: map[string][]string{tenant: {"*@club.example"}}}
		_, _, err := o.AcceptBatch(t.Context(), tenant, batchOf(2), idempotency.Key{})
		if code := fault.From(err).Code; code != "sender_not_allowed" {
			t.Errorf("error = %v, want sender_not_allowed", err)
		}
	})
}
