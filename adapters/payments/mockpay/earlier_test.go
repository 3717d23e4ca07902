package mockpay_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// earlier.json has records of the version of 2026-11-29, which wrote them in terms of core/payment,
// each with the body of the request that created it.
//
//go:embed testdata/earlier.json
var earlierRecords []byte

type earlierRecord struct {
	Name, Create, Key, ID, Idem, Ref, Status, Queue string

	Created time.Time
	Body    json.RawMessage
}

// earlierBook returns a journal with the records, by name.
func earlierBook(t *testing.T, journal *memjournal.Journal) map[string]earlierRecord {
	t.Helper()
	var all []earlierRecord
	must(t, json.Unmarshal(earlierRecords, &all))
	named := make(map[string]earlierRecord)
	for _, r := range all {
		var body bytes.Buffer
		must(t, json.Compact(&body, r.Body))
		must(t, journal.Save(t.Context(), &ports.Record{
			Tenant: "provider:mock", Kind: "mock_intent", ID: r.ID, Idem: r.Idem, Ref: r.Ref,
			Index: ports.Index{Status: r.Status, Created: r.Created}, Queue: r.Queue, Due: r.Created, Body: body.Bytes(),
		})[0])
		named[r.Name] = r
	}
	return named
}

// create returns the request that created the record.
func (r earlierRecord) create(t *testing.T) (asked payment.CreateRequest) {
	t.Helper()
	must(t, json.Unmarshal([]byte(r.Create), &asked))
	return asked
}

func TestPaymentsOfAnEarlierVersionAreLookedUp(t *testing.T) {
	t.Parallel()
	journal := memjournal.New(clock.System{})
	g := open(t, mockpay.Options{Journal: journal})
	records := earlierBook(t, journal)
	entries := make(map[string]payment.BookEntry)
	for _, e := range book(t, g) {
		entries[e.Reference] = e
	}
	listed := make(map[string]payment.Intent)
	for cursor := ""; ; {
		page, err := g.List(t.Context(), payment.ListRequest{Cursor: cursor, Limit: 5})
		must(t, err)
		for _, i := range page.Intents {
			listed[i.Reference] = i
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for name, want := range map[string]struct {
		status                         payment.Status
		amount                         int64
		capturable, captured, refunded int64
		refunds                        int
	}{
		"open":       {payment.RequiresConfirmation, 1000, 0, 0, 0, 0},
		"paid":       {payment.Succeeded, 1000, 0, 1000, 0, 0},
		"authorised": {payment.RequiresCapture, 1000, 1000, 0, 0, 0},
		"declined":   {payment.RequiresPaymentMethod, 1000, 0, 0, 0, 0},
		"refunded":   {payment.Succeeded, 1000, 0, 1000, 500, 2},
		"captured":   {payment.Succeeded, 1000, 0, 600, 100, 1},
		"approval":   {payment.RequiresAction, 1000, 0, 0, 0, 0},
		"isk":        {payment.Succeeded, 500, 0, 500, 0, 0},
		"failed":     {payment.Succeeded, 1000, 0, 1000, 0, 0},
		"pending":    {payment.Succeeded, 1000, 0, 1000, 400, 1},
		"won":        {payment.Succeeded, 1000, 0, 1000, 0, 0},
		"canceled":   {payment.Canceled, 1000, 0, 0, 0, 0},
	} {
		r := records[name]
		i, err := g.Retrieve(t.Context(), r.ID)
		must(t, err)
		for where, got := range map[string]payment.Intent{"retrieved": i, "listed": listed[r.ID]} {
			if got.Status != want.status || got.Amount != want.amount || got.AmountCapturable != want.capturable ||
				got.AmountCaptured != want.captured || got.AmountRefunded != want.refunded || got.Metadata[payment.MetaOperation] != "op_"+name {
				t.Errorf("%s, %s: %+v, want %+v", name, where, got, want)
			}
		}
		if e := entries[r.ID]; e.Key != r.Key || e.Amount != want.amount || e.Captured != want.captured || e.Refunded != want.refunded || e.Refunds != want.refunds {
			t.Errorf("%s in the book: %+v, want %+v", name, e, want)
		}
	}
	all, err := g.Disputes(t.Context(), records["won"].ID)
	if err != nil || len(all) != 1 || all[0].Status != "won" || all[0].Amount != 1000 || all[0].FundsWithdrawn {
		t.Errorf("disputes %+v, %v, want one that was won", all, err)
	}
	refunds, err := g.Refunds(t.Context(), records["pending"].ID)
	if err != nil || len(refunds) != 1 || refunds[0].Status != "succeeded" {
		t.Errorf("refunds %+v, %v, want one that has succeeded by now", refunds, err)
	}
}

func TestRequestsOfAnEarlierVersionAreRepeated(t *testing.T) {
	t.Parallel()
	journal := memjournal.New(clock.System{})
	g := open(t, mockpay.Options{Journal: journal})
	for name, r := range earlierBook(t, journal) {
		asked := r.create(t)
		for how, body := range map[string]string{"with its body": r.Create, "without a body": ""} {
			asked.Body = body
			i, err := g.Create(t.Context(), asked)
			switch name {
			case "declined":
				if f := fault.From(err); i.Reference != r.ID || f.Kind != fault.Declined || f.DeclineCode != "insufficient_funds" || !f.Proven {
					t.Errorf("%s %s: %+v, %v, want it declined", name, how, i, err)
				}
			case "failed":
				if !fault.Is(err, fault.UnknownOutcome) {
					t.Errorf("%s %s: %v, want unknown", name, how, err)
				}
			default:
				if err != nil || i.Reference != r.ID {
					t.Errorf("%s %s: %+v, %v, want %s", name, how, i, err, r.ID)
				}
			}
		}
		asked.Amount++
		asked.Body = ""
		if _, err := g.Create(t.Context(), asked); fault.From(err).Code != "idempotency_mismatch" {
			t.Errorf("%s with another amount: %v, want idempotency_mismatch", name, err)
		}
	}
	if n := len(book(t, g)); n != 12 {
		t.Errorf("%d payments, want the 12 that there were", n)
	}
}

func TestARefundOfAnEarlierVersionIsRepeated(t *testing.T) {
	t.Parallel()
	journal := memjournal.New(clock.System{})
	g := open(t, mockpay.Options{Journal: journal})
	records := earlierBook(t, journal)
	for _, row := range []struct {
		name, key     string
		amount, total int64
	}{{"refunded", "pb_r1", 400, 400}, {"refunded", "pb_r2", 100, 500}, {"captured", "pb_r3", 100, 100}} {
		r := payment.RefundRequest{
			Key: row.key, Reference: records[row.name].ID, Amount: row.amount, Currency: "usd", Metadata: map[string]string{"n": row.key},
		}
		again, err := g.Refund(t.Context(), r)
		if err != nil || again.Amount != row.amount || again.Total != row.total || again.Metadata["n"] != row.key {
			t.Errorf("%s: %+v, %v, want %d of %d", row.key, again, err, row.amount, row.total)
		}
	}
	i, err := g.Retrieve(t.Context(), records["refunded"].ID)
	if err != nil || i.AmountRefunded != 500 {
		t.Errorf("refunded %d, %v, want 500", i.AmountRefunded, err)
	}
}

func TestPaymentsOfAnEarlierVersionAreChanged(t *testing.T) {
	t.Parallel()
	journal := memjournal.New(clock.System{})
	g := open(t, mockpay.Options{Journal: journal})
	records := earlierBook(t, journal)
	id := func(name string) string { return records[name].ID }

	i, err := g.Capture(t.Context(), payment.CaptureRequest{
		Key: "c", Reference: id("authorised"), Amount: 600, Currency: "usd", Body: `{"Key":"c","Reference":"` + id("authorised") + `","Amount":600}`,
	})
	if err != nil || i.AmountCaptured != 600 || i.Status != payment.Succeeded {
		t.Errorf("captured: %+v, %v", i, err)
	}
	made, err := g.Refund(t.Context(), payment.RefundRequest{Key: "r", Reference: id("isk"), Amount: 200, Currency: "isk"})
	if err != nil || made.Amount != 200 || made.Total != 200 {
		t.Errorf("refunded: %+v, %v", made, err)
	}
	made, err = g.Refund(t.Context(), payment.RefundRequest{Key: "r", Reference: id("captured"), Amount: 500, Currency: "usd"})
	if err != nil || made.Total != 600 {
		t.Errorf("the rest of a part refunded: %+v, %v", made, err)
	}
	_, err = g.Refund(t.Context(), payment.RefundRequest{Key: "r2", Reference: id("captured"), Amount: 1, Currency: "usd"})
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("refunded more than was paid: %v, want a conflict", err)
	}
	i, err = g.Confirm(t.Context(), payment.ConfirmRequest{Key: "f", Reference: id("declined"), PaymentMethod: "pm_card_visa"})
	if err != nil || i.Status != payment.Succeeded || i.Failure != nil {
		t.Errorf("confirmed with another card: %+v, %v", i, err)
	}
	i, err = g.Cancel(t.Context(), payment.CancelRequest{Key: "x", Reference: id("open")})
	if err != nil || i.Status != payment.Canceled {
		t.Errorf("canceled: %+v, %v", i, err)
	}
	must(t, g.Approve(t.Context(), id("approval"), true))
	i, err = g.Retrieve(t.Context(), id("approval"))
	if err != nil || i.Status != payment.Succeeded || i.AmountCaptured != 1000 {
		t.Errorf("approved: %+v, %v", i, err)
	}
	// A record that was saved in the new form still knows what it was asked before.
	asked := records["authorised"].create(t)
	asked.Body = records["authorised"].Create
	if again, err := g.Create(t.Context(), asked); err != nil || again.Reference != id("authorised") || again.Status != payment.RequiresCapture {
		t.Errorf("the create again: %+v, %v, want its first answer", again, err)
	}
}

func TestEventsOfAnEarlierVersionAreDelivered(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	records := earlierBook(t, e.journal)
	_, err := e.gateway.Refund(t.Context(), payment.RefundRequest{Key: "r", Reference: records["paid"].ID, Amount: 300, Currency: "usd"})
	must(t, err)
	for range 3 {
		e.turn(t)
	}
	events, _ := e.seen()
	var told []string
	for _, event := range events {
		object := event.Data.Object
		if object["id"] == records["paid"].ID || object["payment_intent"] == records["paid"].ID {
			told = append(told, string(event.Type))
		}
	}
	want := []string{"payment_intent.created", "payment_intent.succeeded", "charge.refunded", "refund.created"}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
