package payments_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

// asBefore has the record of a payment hold the answer to its create as the version before
// kept it: all of the payment, as it was stored then.
func (r *rig) asBefore(t *testing.T, id, then string) {
	t.Helper()
	r.rewrite(t, id, func(p *payment.Payment) {
		var answer payment.Payment
		if err := json.Unmarshal([]byte(then), &answer); err != nil {
			t.Fatal(err)
		}
		for i := range answer.Operations {
			op := &answer.Operations[i]
			op.Answer, op.Body, op.Request, op.Key, op.Fingerprint = nil, "", payment.Request{}, "", ""
		}
		raw, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		p.Past = nil
		for i := range p.Operations {
			p.Operations[i].ClearAnswer()
		}
		p.Operations[0].Answer = raw
	})
}

// rewrite changes a payment behind the back of the service.
func (r *rig) rewrite(t *testing.T, id string, change func(*payment.Payment)) {
	t.Helper()
	record, err := r.journal.Get(t.Context(), tenant, "payment", id)
	if err != nil {
		t.Fatal(err)
	}
	var p payment.Payment
	if err := json.Unmarshal(record.Body, &p); err != nil {
		t.Fatal(err)
	}
	change(&p)
	if record.Body, err = json.Marshal(p); err != nil {
		t.Fatal(err)
	}
	if err := r.journal.Save(t.Context(), &record)[0]; err != nil {
		t.Fatal(err)
	}
}

// unconfirmed is a payment that the buyer is to confirm.
func (r *rig) unconfirmed(t *testing.T, k string) (payments.Result, error) {
	t.Helper()
	o := request()
	o.Confirm, o.PaymentMethod, o.Metadata = false, "", map[string]string{"order": "1"}
	return r.Create(t.Context(), tenant, o, key(k, "a"))
}

func TestAnswerStoredByEarlierVersionIsReplayedUnchanged(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, r *rig, id string){
		"the payment waits": func(*testing.T, *rig, string) {},
		"the payment is final": func(t *testing.T, r *rig, id string) {
			if _, err := r.Cancel(t.Context(), tenant, id, opKey("cancel", "a")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				first, err := r.unconfirmed(t, "k")
				if err != nil || first.Payment.ClientSecret == "" {
					t.Fatalf("%+v, %v", first.Payment, err)
				}
				id := first.Payment.ID
				then := r.body(t, id)
				end(t, r, id)
				r.asBefore(t, id, then)
				same := func(when string) {
					t.Helper()
					again, err := r.unconfirmed(t, "k")
					want := visible(first.Payment)
					if r.status(t, id).Status.Terminal() {
						want.Conceal()
					}
					if err != nil || !again.Replayed || !reflect.DeepEqual(visible(again.Payment), want) {
						t.Errorf("%s: %+v, %v\nwant %+v", when, visible(again.Payment), err, want)
					}
				}
				same("as it was kept")
				if _, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.Noted}); !fault.Is(err, fault.Conflict) {
					t.Fatal(err)
				}
				r.rewrite(t, id, func(p *payment.Payment) { p.Review(payment.ReviewAmount, "", time.Now()) })
				if _, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.Noted}); err != nil {
					t.Fatal(err)
				}
				same("as it is kept since")
				if body := r.body(t, id); strings.Contains(body, `"answer"`) || !strings.Contains(body, `"then"`) {
					t.Errorf("it is kept as before: %s", body)
				}
			})
		})
	}
}

// An answer that says of the payment what it does not say any more is kept as it is.
func TestAnswerThatCannotBeConvertedStaysStored(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		first, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		id := first.Payment.ID
		r.asBefore(t, id, strings.Replace(r.body(t, id), `"captureMethod":"automatic"`, `"captureMethod":"automatic","description":"of old"`, 1))
		if _, err := r.Refund(t.Context(), tenant, id, 100, opKey("refund", "a")); err != nil {
			t.Fatal(err)
		}
		if again, err := r.pay(t, "k"); err != nil || again.Payment.Description != "of old" || again.Payment.AmountRefunded != 0 {
			t.Errorf("%+v, %v", again.Payment, err)
		}
	})
}

// With the keys of a payment goes what was answered under them.
func TestAnswersAreRemovedWithTheirKeys(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		first, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			if _, err := r.Refund(t.Context(), tenant, first.Payment.ID, 100, opKey("refund", fmt.Sprint(n))); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(idempotency.Kept + time.Hour)
		if body := r.body(t, first.Payment.ID); strings.Contains(body, `"then"`) || strings.Contains(body, `"past"`) {
			t.Errorf("%s", body)
		}
	})
}
