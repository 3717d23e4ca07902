package mockpay

import (
	"context"
	"encoding/json"
	"time"

	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

const (
	// recordKind is the kind of the book's records in the journal.
	recordKind = "mock_intent"
	// onceKind is the kind of the records of faults that happen once.
	onceKind = "mock_fault"
)

// book is a book in the journal.
type book struct {
	provider      string
	journal       ports.Journal
	sendsWebhooks bool // events are delivered
	wake          func()
}

var _ stripesim.Book = book{}

func (b book) tenant() string { return "provider:" + b.provider }

func (b book) idem(key string) string { return b.provider + "|" + key }

// Get implements stripesim.Book.
func (b book) Get(ctx context.Context, id string) (*stripesim.Record, error) {
	return decode(b.journal.Get(ctx, b.tenant(), recordKind, id))
}

// ByKey implements stripesim.Book. It finds the keys of creates.
func (b book) ByKey(ctx context.Context, key string) (*stripesim.Record, error) {
	return decode(b.journal.Find(ctx, recordKind, ports.ByIdem, b.idem(key)))
}

// List implements stripesim.Book.
func (b book) List(ctx context.Context, after, customer string, n int) (all []*stripesim.Record, err error) {
	cursor := ""
	if after != "" {
		r, err := b.Get(ctx, after)
		if err != nil {
			return nil, err
		}
		cursor = ports.Cursor{Created: r.Handle.(ports.Record).Index.Created.UnixMicro(), ID: after}.String()
	}
	for len(all) < n {
		records, next, err := b.page(ctx, cursor, customer, n-len(all))
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
		if cursor = next; cursor == "" {
			break
		}
	}
	return all, nil
}

// page reads a page of the journal.
func (b book) page(ctx context.Context, cursor, customer string, n int) ([]*stripesim.Record, string, error) {
	page, err := b.journal.List(ctx, b.tenant(), recordKind, ports.Filter{Customer: customer}, cursor, n)
	if err != nil {
		return nil, "", err
	}
	all := make([]*stripesim.Record, len(page.Records))
	for n, r := range page.Records {
		if all[n], err = decode(r, nil); err != nil {
			return nil, "", err
		}
	}
	return all, page.Next, nil
}

// Save implements stripesim.Book. The events are delivered by HandleWebhook.
func (b book) Save(ctx context.Context, r *stripesim.Record) error {
	i := &r.Intent
	kept, known := r.Handle.(ports.Record)
	if !known {
		kept = ports.Record{
			Tenant: b.tenant(), Kind: recordKind, ID: i.ID, Idem: b.idem(i.Key), Ref: b.provider + ":" + i.ID,
			Index: ports.Index{Customer: i.Customer, Created: i.Created},
		}
	}
	if !b.sendsWebhooks {
		r.Outbox = nil
	}
	schedule(&kept, r.Outbox)
	kept.Index.Status = string(i.State.Status)
	var err error
	if kept.Body, err = json.Marshal(r); err != nil {
		return fault.Wrap(fault.Internal, "mockpay.save", err)
	}
	if err := b.journal.Save(ctx, &kept)[0]; err != nil {
		return err
	}
	r.Handle = kept
	if b.wake != nil && kept.Queue != "" {
		b.wake()
	}
	return nil
}

// Once implements stripesim.Book. A record makes it happen once per key, also across processes.
func (b book) Once(ctx context.Context, key string) (first bool, err error) {
	err = b.journal.Save(ctx, &ports.Record{Tenant: b.tenant(), Kind: onceKind, ID: key, Body: []byte("{}")})[0]
	if fault.Is(err, fault.Conflict) {
		return false, nil
	}
	return err == nil, err
}

// schedule puts a record into the queue until its events are delivered. It leaves a claimed record
// alone, because the worker calls schedule again when it saves.
func schedule(r *ports.Record, outbox []stripesim.Pending) {
	if r.Owner != "" {
		return
	}
	r.Queue, r.Due = "", time.Time{}
	for n := range outbox {
		if due := outbox[n].Due; r.Queue == "" || due.Before(r.Due) {
			r.Queue, r.Due = WebhookQueue, due
		}
	}
}

// decode decodes a record. One that an earlier version has written is converted, and is saved in the
// new form by its next change.
func decode(from ports.Record, err error) (*stripesim.Record, error) {
	if err != nil {
		return nil, err
	}
	r, err := record.Decode(from, func(r stored) bool { return r.Intent.ID == from.ID || r.Reference == from.ID })
	if err != nil {
		return nil, err
	}
	if r.Reference != "" {
		return readEarlier(from)
	}
	r.Handle = from
	return &r.Record, nil
}

// stored is a record in the form of this version, and the field by which one of an earlier version is recognized.
type stored struct {
	stripesim.Record
	Reference string
}
