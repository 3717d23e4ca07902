package emails

import (
	"context"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// replayDespite answers a request that is refused with an error. If its key is taken, it was accepted before,
// under another configuration or before it expired, and is answered by replay; otherwise by the error.
func replayDespite[T any](ctx context.Context, key idempotency.Key, refused error, replay func(context.Context, idempotency.Key) (T, error)) (answer T, replayed bool, err error) {
	if key.Empty() {
		return answer, false, refused
	}
	first, err := replay(ctx, key)
	if fault.Is(err, fault.NotFound) {
		return answer, false, refused
	}
	return first, err == nil, err
}

// replay answers a request whose idempotency key is taken. The key of an erased message is concealed.
func (s *Service) replay(ctx context.Context, key idempotency.Key) (email.Message, error) {
	st, err := s.messages.Find(ctx, ports.ByIdem, key.Scoped)
	if fault.Is(err, fault.NotFound) {
		st, err = s.messages.Find(ctx, ports.ByIdem, s.Names.Keys.Scoped(key.Scoped))
	}
	if err != nil {
		return email.Message{}, err
	}
	if err := key.Match(st.message.Fingerprint); err != nil || st.message.ErasedAt.IsZero() {
		return st.message, err
	}
	return email.Message{}, errErased
}

// replayBatch answers a request whose idempotency key is taken.
func (s *Service) replayBatch(ctx context.Context, key idempotency.Key) (BatchState, error) {
	b, err := s.batches.Find(ctx, ports.ByIdem, key.Scoped)
	if err != nil {
		return BatchState{}, err
	}
	if err := key.Match(b.Fingerprint); err != nil {
		return BatchState{}, err
	}
	return s.GetBatch(ctx, b.Tenant, b.ID)
}
