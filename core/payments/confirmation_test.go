package payments_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// listener is a gateway that keeps what it was asked for.
type listener struct {
	ports.PaymentGateway
	asked []payment.Change
}

func (l *listener) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	l.asked = append(l.asked, r)
	return l.PaymentGateway.Create(ctx, r)
}

func (l *listener) Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error) {
	l.asked = append(l.asked, r)
	return l.PaymentGateway.Confirm(ctx, r)
}

func (l *listener) Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error) {
	l.asked = append(l.asked, r)
	return l.PaymentGateway.Capture(ctx, r)
}

func (l *listener) Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error) {
	l.asked = append(l.asked, r)
	return l.PaymentGateway.Refund(ctx, r)
}

// till is a payments.Service at the mock of Stripe, which takes what Stripe takes.
type till struct {
	*payments.Service
	journal *memjournal.Journal
	gateway *listener
}

func atTheTill(t *testing.T, test func(t *testing.T, r *till)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &till{journal: memjournal.New(clock.System{})}
		mock, err := mockpay.New(mockpay.Options{
			Name: "mock", Journal: r.journal, Clock: clock.System{}, IDs: ids.UUIDs{}, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		r.gateway = &listener{PaymentGateway: mock}
		r.Service = payments.New(payments.Options{
			Journal: r.journal, Gateways: []ports.PaymentGateway{r.gateway}, Clock: clock.System{}, IDs: ids.UUIDs{}, Owner: "one",
			Currencies: money.All(), Log: slog.New(slog.DiscardHandler),
		})
		test(t, r)
	})
}

func TestConfirmationDefaultsAndValues(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		request payments.CreateRequest
		want    payment.Confirmation // empty: refused
	}{
		{"at once, and so here", payments.CreateRequest{Confirm: true}, payment.ConfirmServer},
		{"at once, as it says", payments.CreateRequest{Confirm: true, Confirmation: payment.ConfirmServer}, payment.ConfirmServer},
		{"later: by the buyer, where nothing is said", payments.CreateRequest{}, payment.ConfirmClient},
		{"later, by the buyer", payments.CreateRequest{Confirmation: payment.ConfirmClient}, payment.ConfirmClient},
		{"later, here", payments.CreateRequest{Confirmation: payment.ConfirmServer}, payment.ConfirmServer},
		{"at once, by the buyer, which cannot be", payments.CreateRequest{Confirm: true, Confirmation: payment.ConfirmClient}, ""},
		{"elsewhere", payments.CreateRequest{Confirmation: "terminal"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			atTheTill(t, func(t *testing.T, r *till) {
				row.request.Amount, row.request.Currency, row.request.PaymentMethod = 900, "usd", "pm_card_visa"
				res, err := r.Create(t.Context(), tenant, row.request, idempotency.Key{})
				if row.want == "" {
					if !fault.Is(err, fault.Invalid) || fault.From(err).Param != "confirmation" || r.gateway.asked != nil {
						t.Fatalf("%v, and the provider was asked for %v", err, r.gateway.asked)
					}
					return
				}
				if err != nil || res.Payment.Confirmation != row.want {
					t.Fatalf("%+v, %v", res.Payment, err)
				}
				if told := r.gateway.asked[0].(payment.CreateRequest).Confirmation; told != row.want {
					t.Fatalf("the provider was told %q", told)
				}
			})
		})
	}
}

func TestServerConfirmOfAClientPaymentNeedsReturnURL(t *testing.T) {
	t.Parallel()
	const back = "https://shop.example/done"
	for _, row := range []struct {
		name         string
		confirmation payment.Confirmation
		stored       string // the create's returnUrl
		given        string // the confirm's
		ok           bool
	}{
		{"for the buyer, without an address", payment.ConfirmClient, "", "", false},
		{"for the buyer, with the confirm's", payment.ConfirmClient, "", back, true},
		{"for the buyer, with the create's", payment.ConfirmClient, back, "", true},
		{"for here, without an address", payment.ConfirmServer, "", "", true},
		{"for here, with the create's", payment.ConfirmServer, back, "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			atTheTill(t, func(t *testing.T, r *till) {
				id := r.open(t, row.confirmation, row.stored)
				done, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{ReturnURL: row.given}, idempotency.Key{})
				if row.ok {
					if err != nil || done.Payment.Status != payment.Succeeded {
						t.Fatalf("status = %q, error %v; want %q", done.Payment.Status, err, payment.Succeeded)
					}
					return
				}
				if f := fault.From(err); !fault.Is(err, fault.Invalid) || f.Code != "return_url_required" || f.Param != "returnUrl" {
					t.Fatal(err)
				}
				after, err := r.Get(t.Context(), tenant, id)
				if err != nil || len(r.gateway.asked) != 1 || after.Status != payment.RequiresConfirmation || len(after.Operations) != 1 {
					t.Fatalf("%v was asked for: %+v, %v", r.gateway.asked, after, err)
				}
			})
		})
	}
}

// A payment of an earlier version says nothing of where it is confirmed. Nothing was
// offered in it that sends the buyer away.
func TestConfirmOfPaymentWithoutStoredConfirmation(t *testing.T) {
	t.Parallel()
	atTheTill(t, func(t *testing.T, r *till) {
		id := r.open(t, payment.ConfirmServer, "")
		record, err := r.journal.Get(t.Context(), tenant, "payment", id)
		if err != nil || !bytes.Contains(record.Body, []byte(`"confirmation":"server",`)) {
			t.Fatalf("%s, %v", record.Body, err)
		}
		record.Body = bytes.ReplaceAll(record.Body, []byte(`"confirmation":"server",`), nil)
		if err := r.journal.Save(t.Context(), &record)[0]; err != nil {
			t.Fatal(err)
		}
		done, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, idempotency.Key{})
		if err != nil || done.Payment.Status != payment.Succeeded || done.Payment.Confirmation != "" {
			t.Fatalf("%+v, %v", done.Payment, err)
		}
	})
}

func (r *till) open(t *testing.T, where payment.Confirmation, returnURL string) (id string) {
	t.Helper()
	res, err := r.Create(t.Context(), tenant, payments.CreateRequest{
		Amount: 900, Currency: "usd", PaymentMethod: "pm_card_visa", Confirmation: where, ReturnURL: returnURL,
	}, idempotency.Key{})
	if err != nil || res.Payment.Status != payment.RequiresConfirmation {
		t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.RequiresConfirmation)
	}
	return res.Payment.ID
}
