package personaldata_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/personaldata"
	"patchbay/core/user"
	"patchbay/core/users"
	"patchbay/tests/memjournal"
)

// seed makes one of everything for Ada, and the same for Bob, who stays.
func seed(t *testing.T, r *rig) (ada user.User, paid, noted payment.Payment) {
	t.Helper()
	ada = r.user(t, "ada@example.com")
	r.write(t, draft("Ada@Example.com"), key("emails", "welcome-ada@example.com"))
	r.write(t, draft("bob@example.com", "ada@example.com"), idempotency.Key{})
	from := large(draft("shop@example.com"))
	from.From = email.Address{Email: "ada@example.com", Name: "Ada"}
	r.write(t, from, idempotency.Key{})
	refused := draft("ada@example.com")
	refused.Subject = "refused, " + secret
	r.write(t, refused, idempotency.Key{})
	later := large(draft("ada@example.com"))
	later.SendAt = time.Now().Add(time.Hour)
	r.write(t, later, idempotency.Key{})
	paid = r.charge(t, order(ada.ID, map[string]string{"who": secret}), key("payments", "order-ada@example.com"))
	noted = r.charge(t, order("cus_"+secret, map[string]string{"email": "ADA@example.com"}), idempotency.Key{})
	r.hear(t, "evt_paid", paid, "")
	r.hear(t, "evt_noted", noted, "")
	r.hear(t, "evt_unreadable", payment.Payment{}, `,"receipt_email":"ada@example.com"`)
	r.bob(t)
	return ada, paid, noted
}

func (r *rig) bob(t *testing.T) {
	t.Helper()
	n := users.NewUser{Email: "bob@example.com"}
	if _, _, err := r.users.Create(t.Context(), tenant, n, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	r.write(t, email.Draft{To: []email.Address{{Email: "xada@example.com"}}, Subject: "Dear Bob", Text: "Bob's"}, idempotency.Key{})
	r.charge(t, payments.CreateRequest{Amount: 100, Currency: "eur", CustomerID: "cus_bob", Description: "Bob's own"}, idempotency.Key{})
}

func quiet(personaldata.Progress) error { return nil }

func (r *rig) export(t *testing.T, w personaldata.Who) (document string, parsed map[string]any) {
	t.Helper()
	var to bytes.Buffer
	d := personaldata.NewDocument(&to)
	if _, err := r.Export(t.Context(), w, d.Add); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(to.Bytes(), &parsed); err != nil {
		t.Fatalf("%v in %s", err, to.String())
	}
	return to.String(), parsed
}

func TestAnExportHasEverythingOfThePersonAndOfNobodyElse(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		ada, paid, _ := seed(t, r)
		later := order(ada.ID, nil)
		later.Confirm = false
		open := r.charge(t, later, idempotency.Key{})
		if open.ClientSecret == "" {
			t.Fatalf("%+v", open)
		}
		document, parsed := r.export(t, personaldata.Who{Tenant: tenant, UserID: ada.ID})
		for place, want := range map[string]int{"messages": 5, "payments": 3, "webhooks": 3, "users": 1} {
			if got, _ := parsed[place].([]any); len(got) != want {
				t.Errorf("%d %s, want %d: %s", len(got), place, want, document)
			}
		}
		for _, text := range []string{
			`"html":"\u003cp\u003e` + secret, `"filename":"Lovelace.txt","contentType":"text/plain","size":8`, `"large.txt","contentType":"text/plain","size":160000`, `"born":"Lovelace"`,
			`"status":"failed"`, `"id":"` + paid.ID + `"`, `"evt_noted"`, `"state":"applied"`, `"userId":"` + ada.ID + `"`,
		} {
			if !strings.Contains(document, text) {
				t.Errorf("no %s in %s", text, document)
			}
		}
		for _, text := range []string{"Bob's", "TG92ZWxhY2U", open.ClientSecret, `"answer"`, `"then"`, `"past"`} { // a file's content in base64
			if strings.Contains(document, text) {
				t.Errorf("%s is in it: %s", text, document)
			}
		}
		// By the email it is the same, and so it is a second time.
		if again, _ := r.export(t, personaldata.Who{Tenant: tenant, Email: " ADA@example.com"}); again != document {
			t.Errorf("%s\nis not\n%s", again, document)
		}
	})
}

func TestAnErasureLeavesNothingOfThePerson(t *testing.T) {
	for name, who := range map[string]func(user.User) personaldata.Who{
		"by the user's id": func(u user.User) personaldata.Who { return personaldata.Who{Tenant: tenant, UserID: u.ID} },
		"by the email":     func(user.User) personaldata.Who { return personaldata.Who{Tenant: tenant, Email: "ADA@example.com"} },
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				ada, paid, _ := seed(t, r)
				before := r.dump(t)
				report, err := r.Erase(t.Context(), who(ada), true, quiet)
				if err != nil || summary(report) != "messages 5/0/0 payments 2/0/0 webhooks 3/0/0 users 1/0/0" || r.dump(t) != before {
					t.Fatalf("a rehearsal: %v, %s", err, summary(report))
				}
				counts, pending, err := r.erase(t, who(ada))
				if err != nil || counts != "messages 5/5/0 payments 2/2/0 webhooks 3/3/0 users 1/1/0" {
					t.Fatalf("%v, %s, %+v", err, counts, pending)
				}
				r.clean(t)
				if counts, _, err = r.erase(t, who(ada)); err != nil || counts != "messages 0/0/0 payments 0/0/0 webhooks 0/0/0 users 0/0/0" {
					t.Fatalf("once more: %v, %s", err, counts)
				}
				r.kept(t, paid)
			})
		})
	}
}

// kept fails the test where more is gone than Ada.
func (r *rig) kept(t *testing.T, paid payment.Payment) {
	t.Helper()
	p, err := r.pay.Get(t.Context(), tenant, paid.ID)
	if err != nil || p.ErasedAt.IsZero() || p.Amount != 1250 || p.AmountCaptured != 1250 || p.Status != payment.Succeeded ||
		p.Provider != "mock" || p.ProviderReference != paid.ProviderReference || !p.CreatedAt.Equal(paid.CreatedAt) || p.Operations[0].Outcome != payment.Done {
		t.Errorf("%v, %+v", err, p)
	}
	all := r.dump(t)
	for _, text := range []string{"Bob's", "xada@example.com", "Bob's own", "bob@example.com", `"status":"failed"`, `"status":"canceled"`, `"status":"sent"`, "ref-msg_"} {
		if !strings.Contains(all, text) {
			t.Errorf("%s is gone too", text)
		}
	}
	if _, _, err := r.users.FindByEmail(t.Context(), tenant, "bob@example.com", users.Strong); err != nil {
		t.Errorf("Bob: %v", err)
	}
	if _, _, err := r.users.FindByEmail(t.Context(), tenant, "ada@example.com", users.Strong); !fault.Is(err, fault.NotFound) {
		t.Errorf("Ada: %v", err)
	}
}

// Whatever fails, and wherever, the next run finishes what this one began.
func TestAnErasureThatIsInterruptedGoesOn(t *testing.T) {
	for _, row := range []struct {
		moments string
		kind    fault.Kind
	}{
		{memjournal.Save, fault.Unavailable},
		{memjournal.Saved, fault.UnknownOutcome},
		{memjournal.Detach, fault.Unavailable},
		{memjournal.List, fault.Unavailable},
		{memjournal.Find, fault.Unavailable},
		{"find user", fault.Unavailable},
		{"delete", fault.Unavailable},
		{"deleted", fault.UnknownOutcome},
	} {
		t.Run(row.moments+" "+row.kind.String(), func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				ada, paid, _ := seed(t, r)
				interrupted := 0
				for nth := 1; ; nth++ {
					count := 0
					fail := func(op string) error {
						if op == row.moments {
							if count++; count == nth {
								return fault.New(row.kind, "scripted", "")
							}
						}
						return nil
					}
					r.fails.Store(&fail)
					_, pending, err := r.erase(t, personaldata.Who{Tenant: tenant, UserID: ada.ID})
					r.fails.Store(nil)
					if len(pending) > 0 {
						t.Fatalf("%+v", pending)
					}
					if err != nil {
						interrupted++
						if !fault.Is(err, row.kind) {
							t.Fatal(err)
						}
						continue
					}
					if count < nth {
						break // it was not asked so often: nothing went wrong any more
					}
				}
				if interrupted == 0 && row.moments != memjournal.Saved { // a lost answer is looked up at once
					t.Error("it was never interrupted")
				}
				r.clean(t)
				r.kept(t, paid)
			})
		})
	}
}

// Whoever asked may go at any moment.
func TestAnErasureEndsWhenNobodyListens(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		ada, paid, _ := seed(t, r)
		gone := errors.New("nobody listens")
		for after := 0; ; after++ {
			told := 0
			_, err := r.Erase(t.Context(), personaldata.Who{Tenant: tenant, UserID: ada.ID}, false, func(personaldata.Progress) error {
				if told++; told > after {
					return gone
				}
				return nil
			})
			if err == nil {
				break
			}
			if !errors.Is(err, gone) {
				t.Fatal(err)
			}
		}
		r.clean(t)
		r.kept(t, paid)
	})
}

func TestARepeatedKeyTellsThatItsAnswerIsErased(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		ada := r.user(t, "ada@example.com")
		mailKey, payKey := key("emails", "k"), key("payments", "k")
		m := r.write(t, draft("ada@example.com"), mailKey)
		p := r.charge(t, order(ada.ID, nil), payKey)
		if counts, _, err := r.erase(t, personaldata.Who{Tenant: tenant, UserID: ada.ID}); err != nil {
			t.Fatalf("%v, %s", err, counts)
		}
		if _, _, err := r.mail.Accept(t.Context(), tenant, draft("ada@example.com"), mailKey); !fault.Is(err, fault.Conflict) || fault.From(err).Code != "message_erased" {
			t.Errorf("the email: %v", err)
		}
		if res, err := r.pay.Create(t.Context(), tenant, order(ada.ID, nil), payKey); !fault.Is(err, fault.Conflict) || fault.From(err).Code != "payment_erased" || res.Payment.ID != p.ID {
			t.Errorf("the payment: %v", err)
		}
		if _, _, err := r.mail.Accept(t.Context(), tenant, draft("ada@example.com"), idempotency.New(tenant, "emails", "k", []byte("other"))); fault.From(err).Code != idempotency.CodeMismatch {
			t.Errorf("the email's key for another: %v", err)
		}
		synctest.Wait()
		r.clean(t)
		if m, err := r.mail.Get(t.Context(), tenant, m.ID); err != nil || len(m.Attempts) != 1 {
			t.Errorf("it was sent again: %v, %+v", err, m)
		}
	})
}

// An erased payment is still one: the money can be moved, and the provider is heard.
func TestAnErasedPaymentStillWorks(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		ada := r.user(t, "ada@example.com")
		reserve := order(ada.ID, nil)
		reserve.CaptureMethod = payment.CaptureManual
		p := r.charge(t, reserve, idempotency.Key{})
		unpaid := order(ada.ID, nil)
		unpaid.Confirm = false
		left := r.charge(t, unpaid, idempotency.Key{})
		if counts, _, err := r.erase(t, personaldata.Who{Tenant: tenant, UserID: ada.ID}); err != nil {
			t.Fatalf("%v, %s", err, counts)
		}
		if res, err := r.pay.Capture(t.Context(), tenant, p.ID, 0, idempotency.Key{}); err != nil || res.Payment.Status != payment.Succeeded {
			t.Errorf("capture: %v, %+v", err, res.Payment)
		}
		refund := key("refunds", "r")
		for replayed := range 2 {
			res, err := r.pay.Refund(t.Context(), tenant, p.ID, 250, refund)
			if err != nil || res.Operation.Outcome != payment.Done || res.Replayed != (replayed == 1) || res.Payment.AmountRefunded != 250 {
				t.Errorf("refund: %v, %+v", err, res)
			}
		}
		if _, err := r.pay.Confirm(t.Context(), tenant, left.ID, payments.ConfirmRequest{PaymentMethod: "pm_card_visa"}, idempotency.Key{}); fault.From(err).Code != "payment_erased" {
			t.Errorf("confirm: %v", err)
		}
		if res, err := r.pay.Cancel(t.Context(), tenant, left.ID, idempotency.Key{}); err != nil || res.Payment.Status != payment.Canceled {
			t.Errorf("cancel: %v, %+v", err, res.Payment)
		}
		// The provider tells all it knows, long after.
		r.hear(t, "evt_late", p, fmt.Sprintf(`,"metadata":{"patchbay_user":%q},"receipt_email":"ada@example.com"`, ada.ID))
		r.clean(t)
		if p, err := r.pay.Get(t.Context(), tenant, p.ID); err != nil || p.AmountRefunded != 250 || p.AmountCaptured != 1250 || p.ClientSecret != "" {
			t.Errorf("%v, %+v", err, p)
		}
	})
}

func TestTenantsDoNotMeet(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		ada, paid, _ := seed(t, r)
		d := draft("ada@example.com")
		if _, _, err := r.mail.Accept(t.Context(), "other", d, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.hear(t, "evt_named", paid, `,"receipt_email":"ada@example.com"`)
		for _, who := range []personaldata.Who{{Tenant: "other", Email: "ada@example.com"}, {Tenant: "other", UserID: ada.ID}} {
			document, parsed := r.export(t, who)
			if n := len(parsed["payments"].([]any)) + len(parsed["users"].([]any)); n > 0 || strings.Contains(document, "evt_named") || strings.Contains(document, "evt_paid") {
				t.Errorf("%s", document)
			}
		}
		if counts, _, err := r.erase(t, personaldata.Who{Tenant: tenant, UserID: ada.ID}); err != nil {
			t.Fatalf("%v, %s", err, counts)
		}
		page, err := r.mail.List(t.Context(), "other", emails.Filter{}, "", 10)
		if err != nil || len(page.Messages) != 1 || page.Messages[0].Text != secret {
			t.Errorf("%v, %+v", err, page)
		}
	})
}

func TestSomebodyMustBeNamed(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		for _, who := range []personaldata.Who{{}, {Tenant: tenant}, {UserID: "usr_1"}, {Tenant: tenant, UserID: "usr_1", Email: "ada@example.com"}} {
			if _, err := r.Export(t.Context(), who, quiet); !fault.Is(err, fault.Invalid) {
				t.Errorf("export of %+v: %v", who, err)
			}
			if _, err := r.Erase(t.Context(), who, false, quiet); !fault.Is(err, fault.Invalid) {
				t.Errorf("erasure of %+v: %v", who, err)
			}
		}
	})
}
