package emails

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"patchbay/core/email"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/template"
	"patchbay/ports"
)

const (
	// BatchKind is the kind of a batch's record in the journal. Its messages are children of it.
	BatchKind = "batch"
	// chunkSize is how many personalizations one message of a batch has at most. The record of a
	// message is written again with each event about one of its recipients.
	chunkSize = 100
)

// batch is a batch with its record.
type batch struct {
	email.Batch
	record   ports.Record
	messages []*ports.Record // new ones, to be stored with the batch
}

func (s *Service) batchRepository() record.Repository[batch] {
	return record.Repository[batch]{
		Journal: s.Journal, Kind: BatchKind, Decode: decodeBatch, Save: s.saveBatch,
		Record: func(b *batch) *ports.Record { return &b.record },
	}
}

func decodeBatch(r ports.Record) (batch, error) {
	b, err := record.Decode(r, func(b email.Batch) bool { return b.ID == r.ID })
	return batch{Batch: b, record: r}, err
}

func (s *Service) saveBatch(ctx context.Context, b *batch) (err error) {
	if b.record.Body, err = marshal(b.Batch); err != nil {
		return err
	}
	if len(b.messages) > 0 {
		return s.Journal.Attach(ctx, &b.record, b.messages...)
	}
	return s.Journal.Save(ctx, &b.record)[0]
}

// BatchState is a batch and how many of its recipients have each status.
type BatchState struct {
	email.Batch
	Counts map[email.Status]int
}

// AcceptBatch accepts a batch, once per idempotency key. When it returns, all of its messages are on
// disk. A repeated request returns the batch in its current state, with replayed set.
//
// Invalid; Unsupported: no provider can carry one of the copies; Conflict with idempotency.CodeMismatch;
// Unavailable; UnknownOutcome.
func (s *Service) AcceptBatch(ctx context.Context, tenant string, d email.BatchDraft, key idempotency.Key) (state BatchState, replayed bool, err error) {
	now := s.Clock.Now()
	source, err := s.checkBatch(d)
	if err == nil {
		err = s.checkTimes(d.SendAt, d.ExpiresAt, now)
	}
	if err != nil {
		return replayDespite(ctx, key, err, s.replayBatch)
	}
	for n, chunk := range email.Chunks(d.Personalizations, chunkSize, s.mailbox) {
		if err := s.checkRoute(s.newChunk(email.Batch{Tenant: tenant, CreatedAt: now}, n, d, source, chunk)); err != nil {
			return replayDespite(ctx, key, err, s.replayBatch)
		}
	}
	b, err := s.acceptBatch(ctx, s.newBatchID(key), tenant, d, source, key, now)
	if fault.Is(err, fault.Conflict) && !key.Empty() {
		state, err = s.replayBatch(ctx, key)
		if !fault.Is(err, fault.NotFound) {
			return state, err == nil, err
		}
		// The key has expired since, but the id derived from it still names the earlier batch.
		b, err = s.acceptBatch(ctx, s.IDs.New("bat"), tenant, d, source, key, now)
		if fault.Is(err, fault.Conflict) { // another request under the key was accepted just now
			state, err = s.replayBatch(ctx, key)
			return state, err == nil, err
		}
	}
	if err != nil {
		return BatchState{}, false, err
	}
	return BatchState{b.Batch, map[email.Status]int{email.Queued: b.Recipients}}, false, nil
}

// checkBatch checks a draft with everything that its copies say. It returns the template's source,
// which is nil if only a provider has the template.
func (s *Service) checkBatch(d email.BatchDraft) (*template.Source, error) {
	source, err := s.source(d.TemplateID)
	if err != nil && d.TemplateID != "" {
		if fault.From(err).Param == "templateId" {
			err = errNoBatchTemplate
		}
		return nil, err
	}
	for i, p := range d.Personalizations {
		if err := s.Staging.check(p.To, fmt.Sprintf("personalizations[%d].to", i), s.ascii); err != nil {
			return nil, err
		}
	}
	return source, d.Check(func(data json.RawMessage) (*template.Content, error) { return s.content(source, data) })
}

// acceptBatch stores a new batch with its messages, and wakes those who send them.
func (s *Service) acceptBatch(ctx context.Context, id, tenant string, d email.BatchDraft, source *template.Source, key idempotency.Key, now time.Time) (batch, error) {
	b := batch{Batch: email.Batch{
		ID: id, Tenant: tenant, TemplateID: d.TemplateID, Personalizations: len(d.Personalizations), SendAt: d.SendAt,
		Key: key.Scoped, Fingerprint: key.Fingerprint, CreatedAt: now,
	}}
	var all []*stored
	for n, chunk := range email.Chunks(d.Personalizations, chunkSize, s.mailbox) {
		m := s.newChunk(b.Batch, n, d, source, chunk)
		r, err := s.chunkRecord(&m, s.queues.Queue(s.firstProvider(m)))
		if err != nil {
			return batch{}, err
		}
		b.messages, all = append(b.messages, r), append(all, &stored{message: m, record: *r})
		b.Recipients += len(m.Recipients)
	}
	b.record = ports.Record{Tenant: tenant, Kind: BatchKind, ID: id, Idem: key.Scoped, Index: ports.Index{Created: now}, Events: []event.Event{s.batchEvent(b.Batch)}}
	s.scheduleKeyRemoval(&b)
	if err := s.saveExpiries(ctx, all...); err != nil {
		return batch{}, err
	}
	messages := b.messages
	err := s.batches.Insert(ctx, &b, func(there *batch) error {
		if key.Empty() || id != s.Names.batchID(key) {
			return nil // the id is this request's own: it was saved, only the response was lost
		}
		if there.record.Rev > 1 || there.Fingerprint != key.Fingerprint {
			return errExists
		}
		return nil // its messages have the same ids
	})
	if err == nil && !b.record.Held {
		for _, r := range messages {
			s.queues.Nudge(r.Queue) // they may wait for different providers
		}
	}
	return b, err
}

// newChunk makes the message for some personalizations of a batch.
func (s *Service) newChunk(b email.Batch, n int, d email.BatchDraft, source *template.Source, chunk []email.Personalization) email.Message {
	shared := email.Draft{
		From: d.From, Subject: d.Subject, Tags: d.Tags, Metadata: d.Metadata, SendAt: d.SendAt, ExpiresAt: d.ExpiresAt, Delivery: d.Delivery,
		Category: d.Category, Keeping: d.Keeping, Tracking: d.Tracking, HTMLOnly: d.HTMLOnly, TemplateID: d.TemplateID,
	}
	m := s.newMessage(chunkID(b.ID, n), b.Tenant, shared, idempotency.Key{}, b.CreatedAt).message
	m.Batch, m.Personalizations, m.Source, m.Recipients = b.ID, chunk, source, email.RecipientsOf(chunk...)
	m.UpdatedAt = m.CreatedAt
	return m
}

// chunkID derives the id of a batch's message. Whichever of two stores accepts the batch, it is the
// same.
func chunkID(batch string, n int) string {
	return fmt.Sprintf("msg_%s.%d", strings.TrimPrefix(batch, "bat_"), n)
}

// chunkRecord makes the record of a batch's message as a child of the batch. Children have no events.
func (s *Service) chunkRecord(m *email.Message, queue string) (*ports.Record, error) {
	r := &ports.Record{Queue: queue, Due: latest(m.CreatedAt, m.SendAt)}
	s.setTerms(m, r)
	err := encode(m, r)
	index(m, r)
	return r, err
}

// batchEvent makes the feed's event for a new batch. It contains no addresses.
func (s *Service) batchEvent(b email.Batch) event.Event {
	raw, _ := json.Marshal(map[string]any{"personalizations": b.Personalizations, "templateId": b.TemplateID}) // always encodes
	return event.Event{ID: s.IDs.New("fev"), Tenant: b.Tenant, Type: "batch.accepted", Subject: b.ID, At: b.CreatedAt, Data: raw}
}

// GetBatch returns a batch. NotFound, also for a batch of another tenant; Unavailable.
func (s *Service) GetBatch(ctx context.Context, tenant, id string) (BatchState, error) {
	b, err := s.batches.Get(ctx, tenant, id)
	if err != nil {
		return BatchState{}, err
	}
	if b.record.Held {
		return BatchState{b.Batch, map[email.Status]int{email.Queued: b.Recipients}}, nil
	}
	counts, err := s.count(ctx, b.Batch)
	return BatchState{b.Batch, counts}, err
}

// count counts the recipients of a batch by status. While a message is being split, a copy may be in
// two messages; it counts once.
func (s *Service) count(ctx context.Context, b email.Batch) (map[email.Status]int, error) {
	counts, counted := map[email.Status]int{}, make([]string, b.Personalizations) // by which message
	err := s.messages.Walk(ctx, b.Tenant, ports.Filter{Customer: b.ID}, nil, func(st stored) error {
		for _, r := range st.message.Recipients {
			if by := &counted[r.Personalization]; *by == "" || *by == st.message.ID {
				*by = st.message.ID
				counts[r.Status]++
			}
		}
		return nil
	})
	return counts, err
}

// CancelBatch stops the messages of a batch that wait. What is being sent, or was sent, stays as it
// is, but is not tried again, nor split. The mark that says so is on disk before the first of the messages
// is canceled.
//
// NotFound; Unavailable, also while it is held; UnknownOutcome: repeat it.
func (s *Service) CancelBatch(ctx context.Context, tenant, id string) (BatchState, error) {
	b, err := s.batches.Get(ctx, tenant, id)
	switch {
	case err != nil:
		return BatchState{}, err
	case b.record.Held:
		return BatchState{}, errHeld
	}
	now := s.Clock.Now()
	if err := s.batches.Update(ctx, &b, func(b *batch) error { b.CanceledAt = now; return nil }); err != nil {
		return BatchState{}, err
	}
	err = s.messages.Walk(ctx, tenant, ports.Filter{Customer: id, Status: string(email.Queued)}, nil, func(st stored) error {
		if st.message.Splitting {
			return s.splitNow(ctx, tenant, st.message.ID)
		}
		_, err := s.Cancel(ctx, tenant, st.message.ID)
		if fault.Is(err, fault.Conflict) { // it is being sent, or was erased
			return nil
		}
		return err
	})
	if err != nil {
		return BatchState{}, err
	}
	return s.GetBatch(ctx, tenant, id)
}

// RescheduleBatch moves the messages of a batch that wait to another time, each as Reschedule does; one that is
// past means now. What is being sent, or does not wait any more, stays as it is. The batch shows the time once all
// of them are moved.
//
// NotFound; Conflict with code unexpected_state: none of them waits; Invalid: as for Reschedule; Unavailable, also
// while it is held, and UnknownOutcome: some may be moved, repeat it.
func (s *Service) RescheduleBatch(ctx context.Context, tenant, id string, at time.Time) (BatchState, error) {
	b, err := s.batches.Get(ctx, tenant, id)
	switch {
	case err != nil:
		return BatchState{}, err
	case b.record.Held:
		return BatchState{}, errHeld
	}
	at = latest(at, s.Clock.Now())
	moved := 0
	err = s.messages.Walk(ctx, tenant, ports.Filter{Customer: id, Status: string(email.Queued)}, nil, func(st stored) error {
		_, err := s.Reschedule(ctx, tenant, st.message.ID, at)
		if fault.Is(err, fault.Conflict) { // it is being sent, split or erased
			return nil
		}
		moved++
		return err
	})
	if err == nil && moved == 0 {
		err = fault.New(fault.Conflict, errState.Code, "no email of this batch waits")
	}
	if err == nil {
		err = s.batches.Update(ctx, &b, func(b *batch) error { b.SendAt = at; return nil })
	}
	if err != nil {
		return BatchState{}, err
	}
	return s.GetBatch(ctx, tenant, id)
}

func (s *Service) newBatchID(key idempotency.Key) string {
	if key.Empty() {
		return s.IDs.New("bat")
	}
	return s.Names.batchID(key)
}

// scheduleKeyRemoval queues a batch until its key may be removed. A batch without a key waits for
// nothing.
func (s *Service) scheduleKeyRemoval(b *batch) {
	b.record.Queue, b.record.Owner, b.record.Due = "", "", time.Time{}
	if b.record.Idem != "" {
		b.record.Queue, b.record.Due = removalQueue, b.KeyAge.Due(batchKeptUntil(b.Batch))
	}
}

func batchKeptUntil(b email.Batch) time.Time {
	return latest(b.CreatedAt, b.SendAt).Add(idempotency.Kept)
}

// removeBatchKey removes the key of a batch once it has been kept long enough.
func (s *Service) removeBatchKey(ctx context.Context, c ports.Claim) error {
	b, err := decodeBatch(c.Record)
	if err != nil {
		return err
	}
	if b.KeyAge.Count(batchKeptUntil(b.Batch), s.removals.ClaimedAt(c)) {
		b.record.Idem, b.Key, b.Fingerprint = "", "", ""
	}
	b.Fingerprint = s.Names.Keys.Fingerprint(b.Fingerprint) // an earlier version may have stored it
	s.scheduleKeyRemoval(&b)
	if err := s.saveBatch(ctx, &b); err != nil {
		s.Log.WarnContext(ctx, "batch keeps its key for now", "batch", c.ID, "tenant", c.Tenant, "error", err)
	}
	return nil
}
