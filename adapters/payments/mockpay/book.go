package mockpay

import (
	"context"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/record"
	"patchbay/ports"
)

// recordKind is the kind of the book's records in the journal.
const recordKind = "mock_intent"

func (g *Gateway) tenant() string { return "provider:" + g.Name() }

func (g *Gateway) idem(key string) string { return g.Name() + "|" + key }

func (g *Gateway) newRecord(i *intent, key string) ports.Record {
	return ports.Record{
		Tenant: g.tenant(), Kind: recordKind, ID: i.Reference,
		Idem: g.idem(key), Ref: g.Name() + ":" + i.Reference,
		Index: ports.Index{Customer: i.Customer, Created: i.CreatedAt},
	}
}

// load reads an intent and its record. It returns NotFound if there is none.
func (g *Gateway) load(ctx context.Context, reference string) (ports.Record, *intent, error) {
	if err := ctx.Err(); err != nil {
		return ports.Record{}, nil, fault.Wrap(fault.Canceled, "", err)
	}
	record, err := g.o.Journal.Get(ctx, g.tenant(), recordKind, reference)
	if fault.Is(err, fault.NotFound) {
		return record, nil, fault.New(fault.NotFound, "resource_missing", "no such payment intent")
	}
	if err != nil {
		return record, nil, err
	}
	i, err := g.read(record)
	return record, i, err
}

// read decodes the intent of a record, with the changes that are due by now.
func (g *Gateway) read(r ports.Record) (*intent, error) {
	i, err := decode(r)
	if err == nil {
		i.elapse(g.o.Clock.Now())
	}
	return i, err
}

func decode(r ports.Record) (*intent, error) {
	i, err := record.Decode(r, func(i intent) bool { return i.Reference == r.ID })
	if err != nil {
		return nil, err
	}
	return &i, nil
}

// save stores an intent with the events of the request. It returns Conflict if the intent
// has changed since it was read.
func (g *Gateway) save(ctx context.Context, r *ports.Record, i *intent, m mishap) error {
	if g.o.Endpoint != nil {
		i.post(g.o.IDs.New, g.o.Clock.Now(), m)
	}
	i.schedule(r)
	r.Index.Status = string(i.Status)
	r.Body = mustMarshal(i)
	if err := g.o.Journal.Save(ctx, r)[0]; err != nil {
		return err
	}
	if g.o.Wake != nil && r.Queue != "" {
		g.o.Wake()
	}
	return nil
}

// list pages through the journal, newest first. It skips intents that are too new, and ends
// at the first that is too old.
func (g *Gateway) list(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error) {
	if r.Limit < 1 || r.Limit > 100 {
		return payment.IntentPage{}, fault.InvalidParam("limit", "parameter_invalid", "limit must be 1 to 100")
	}
	page := payment.IntentPage{Next: r.Cursor, Now: g.o.Clock.Now()}
	for {
		records, err := g.page(ctx, page.Next, r.Limit-len(page.Intents))
		if err != nil {
			return payment.IntentPage{}, err
		}
		page.Next = records.Next
		for _, record := range records.Records {
			i, err := g.read(record)
			if err != nil {
				return payment.IntentPage{}, err
			}
			if i.CreatedAt.Before(r.From) {
				page.Next = ""
				return page, nil
			}
			if r.To.IsZero() || !i.CreatedAt.After(r.To) {
				page.Intents = append(page.Intents, i.Intent)
			}
		}
		if page.Next == "" || len(page.Intents) == r.Limit {
			return page, nil
		}
	}
}

func (g *Gateway) page(ctx context.Context, cursor string, limit int) (ports.RecordPage, error) {
	if err := ctx.Err(); err != nil {
		return ports.RecordPage{}, fault.Wrap(fault.Canceled, "", err)
	}
	return g.o.Journal.List(ctx, g.tenant(), recordKind, ports.Filter{}, cursor, limit)
}

// Book returns the provider's own record of its charges, newest first, up to limit after
// the cursor. It returns Invalid for a cursor that Book did not return.
func (g *Gateway) Book(ctx context.Context, cursor string, limit int) (payment.BookPage, error) {
	records, err := g.page(ctx, cursor, limit)
	if err != nil {
		return payment.BookPage{}, g.named(request{action: "book"}, err)
	}
	book := payment.BookPage{Next: records.Next, Entries: []payment.BookEntry{}}
	for _, record := range records.Records {
		i, err := g.read(record)
		if err != nil {
			return payment.BookPage{}, g.named(request{action: "book"}, err)
		}
		book.Entries = append(book.Entries, payment.BookEntry{
			Provider: g.Name(), Reference: i.Reference, Key: i.Requests[0].Key, Status: i.Status,
			Amount: i.Amount, Currency: i.Currency, Captured: i.AmountCaptured,
			Refunded: i.AmountRefunded, Refunds: i.given(),
			Metadata: i.Metadata, CreatedAt: i.CreatedAt,
		})
	}
	return book, nil
}

// schedule puts the record into the queue until its events are delivered. It leaves a
// claimed record alone, because the worker calls schedule again when it saves.
func (i *intent) schedule(r *ports.Record) {
	if r.Owner != "" {
		return
	}
	r.Queue, r.Due = "", time.Time{}
	for _, w := range i.Outbox {
		if r.Queue == "" || w.Due.Before(r.Due) {
			r.Queue, r.Due = WebhookQueue, w.Due
		}
	}
}
