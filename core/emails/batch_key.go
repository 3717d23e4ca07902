package emails

import (
	"context"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

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

// batchKeptUntil returns until when the key of a batch is kept: as long as the longest of its messages would keep
// one, as far as that is known.
func batchKeptUntil(b email.Batch) time.Time {
	return latest(b.CreatedAt, b.SendAt, b.UsedAt).Add(idempotency.Kept)
}

// removeBatchKey removes the key of a batch once it has been kept long enough. The batch itself does not change
// when its emails are sent, moved or retried, so each step looks at them.
func (s *Service) removeBatchKey(ctx context.Context, c ports.Claim) error {
	b, err := decodeBatch(c.Record)
	if err != nil {
		return err
	}
	now := s.removals.ClaimedAt(c)
	if b.UsedAt, err = s.batchUsedAt(ctx, b.Batch, now); err == nil {
		if b.KeyAge.Count(batchKeptUntil(b.Batch), now) {
			b.record.Idem, b.Key, b.Fingerprint = "", "", ""
		}
		b.Fingerprint = s.Names.Keys.Fingerprint(b.Fingerprint) // an earlier version may have stored it
		s.scheduleKeyRemoval(&b)
		err = s.saveBatch(ctx, &b)
	}
	if err != nil {
		s.Log.WarnContext(ctx, "batch keeps its key for now", "batch", c.ID, "tenant", c.Tenant, "error", err)
	}
	return nil
}

// batchUsedAt returns when the last email of a batch was tried, was due or has ended, which is now while one of
// them waits.
func (s *Service) batchUsedAt(ctx context.Context, b email.Batch, now time.Time) (at time.Time, err error) {
	for _, status := range unended { // mostly one look is enough for a large batch
		page, _, err := s.messages.List(ctx, b.Tenant, ports.Filter{Customer: b.ID, Status: string(status)}, "", 1)
		if err != nil || len(page) > 0 {
			return now, err
		}
	}
	err = s.messages.Walk(ctx, b.Tenant, ports.Filter{Customer: b.ID}, nil, func(st stored) error {
		if at = latest(at, usedAt(&st.message)); slices.Contains(unended, st.message.Status) { // it has changed its status between two looks
			at = latest(at, now)
		}
		return nil
	})
	return at, err
}
