package payments

import (
	"context"
	"encoding/json"
	"log/slog"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// told is what the feed and the callers have been told of a payment, as it is stored.
type told struct {
	status   payment.Status
	refunded int64
	refunds  map[string]payment.RefundStatus // by reference
	disputes map[string]payment.Dispute
	reviews  int    // number of reviews
	settled  int    // number of settled reviews
	open     string // ID of the open operation
	answered []string
	objects  int // number of objects that are indexed
	outcome  payment.Outcome
}

func known(p payment.Payment) told {
	t := told{status: p.Status, refunded: p.AmountRefunded, reviews: len(p.Reviews), answered: answered(p), objects: len(p.Objects)}
	if op := p.Open(); op != nil {
		t.open, t.outcome = op.ID, op.Outcome
	}
	if len(p.Refunds) > 0 {
		t.refunds = make(map[string]payment.RefundStatus, len(p.Refunds))
	}
	for _, r := range p.Refunds {
		t.refunds[r.Reference] = r.Status
	}
	if len(p.Disputes) > 0 {
		t.disputes = make(map[string]payment.Dispute, len(p.Disputes))
	}
	for _, d := range p.Disputes {
		t.disputes[d.Reference] = d
	}
	t.settled = settled(p.Reviews)
	return t
}

func settled(reviews []payment.Review) (n int) {
	for _, r := range reviews {
		if !r.Open() {
			n++
		}
	}
	return n
}

// teller collects the events of one payment.
type teller struct {
	payment payment.Payment
	id      func(prefix string) string
	events  []event.Event
}

func (t *teller) add(name string, data map[string]any) {
	body, _ := json.Marshal(data) // our own types always encode
	t.events = append(t.events, event.Event{
		ID: t.id("fev"), Tenant: t.payment.Tenant, Type: "payment." + name,
		Subject: t.payment.ID, At: t.payment.UpdatedAt, Data: body,
	})
}

// news returns the feed events for what has changed in the payment since it was last saved.
func (s *Service) news(before told, after payment.Payment) []event.Event {
	t := &teller{payment: after, id: s.IDs.New}
	state := map[string]any{"status": after.Status, "provider": after.Provider, "amountRefunded": after.AmountRefunded}
	if before.status != after.Status {
		t.add(string(after.Status), state)
	}
	if after.AmountRefunded > before.refunded {
		t.add("refunded", state)
	}
	if op := after.Operation(before.open); op != nil && !op.AcceptedAt.IsZero() && op.DidNothing() {
		t.add(string(op.Action)+"_failed", state) // the caller was answered 202, and learns the failure here
	}
	for _, r := range after.Refunds {
		t.refund(before.refunds, r)
	}
	for _, d := range after.Disputes {
		t.dispute(before.disputes, d)
	}
	for _, r := range after.Reviews[min(before.reviews, len(after.Reviews)):] {
		t.add("needs_review", map[string]any{"reason": r.Reason, "provider": after.Provider})
	}
	if settled(after.Reviews) > before.settled {
		t.add("reviewed", map[string]any{"needsReview": after.NeedsReview, "provider": after.Provider})
	}
	return t.events
}

// refund adds an event if the status of a refund has changed. A new refund that has not
// failed needs none, since the event for the refunded amount tells it.
func (t *teller) refund(before map[string]payment.RefundStatus, r payment.RefundEntry) {
	was, known := before[r.Reference]
	changed := known && was != r.Status || !known && (r.Status == payment.RefundFailed || r.Status == payment.RefundCanceled)
	if !changed || r.Released {
		return
	}
	name := "refund_updated"
	if r.Status.Settled() {
		name = "refund_" + string(r.Status)
	}
	t.add(name, map[string]any{
		"refund": r.Reference, "amount": r.Amount, "status": r.Status, "provider": t.payment.Provider, "amountRefunded": t.payment.AmountRefunded,
	})
}

func (t *teller) dispute(before map[string]payment.Dispute, d payment.Dispute) {
	was, known := before[d.Reference]
	data := map[string]any{
		"dispute": d.Reference, "amount": d.Amount, "reason": d.Reason, "status": d.Status,
		"fundsWithdrawn": d.FundsWithdrawn, "provider": t.payment.Provider,
	}
	switch {
	case known && was == d:
		return
	case !known:
		t.add("dispute_opened", data)
		if d.Closed() {
			t.add("dispute_closed", data)
		}
	case d.Closed() && was.Status != d.Status:
		t.add("dispute_closed", data)
	default:
		t.add("dispute_updated", data)
	}
}

// count reports the reviews that were opened by a save to Reviewed.
func (s *Service) count(before told, after payment.Payment) {
	if s.Reviewed == nil {
		return
	}
	for _, r := range after.Reviews[min(before.reviews, len(after.Reviews)):] {
		s.Reviewed(after.Provider, r.Reason)
	}
}

// report logs what has changed in a payment since it was last saved: outcomes that have
// become unknown or known, declines, operations that did nothing, and reviews. before is
// what the feed had been told.
func (s *Service) report(ctx context.Context, before told, st *stored) {
	p := &st.payment
	if op := p.Operation(before.open); op != nil {
		s.reportOperation(ctx, before.outcome, st, op)
	}
	for _, r := range p.Reviews[min(before.reviews, len(p.Reviews)):] {
		s.Log.LogAttrs(ctx, slog.LevelError, "payment needs review", ofPayment(p,
			slog.String("provider", p.Provider), slog.String("reason", r.Reason), slog.String("detail", r.Detail))...)
	}
	if known(*p).settled <= before.settled {
		return
	}
	for _, r := range p.Reviews {
		if !r.Open() && r.SettledAt.Equal(p.UpdatedAt) {
			s.Log.LogAttrs(ctx, slog.LevelInfo, "review of a payment is settled", ofPayment(p,
				slog.String("provider", p.Provider), slog.String("reason", r.Reason), slog.String("verdict", r.Verdict), slog.String("by", r.By))...)
		}
	}
}

// reportOperation logs what has become of the operation that was open.
func (s *Service) reportOperation(ctx context.Context, was payment.Outcome, st *stored, op *payment.Operation) {
	p := &st.payment
	attrs := ofPayment(p, slog.String("operation", op.ID), slog.String("action", string(op.Action)), slog.String("provider", op.Provider))
	next := p.Open()
	switch {
	case op.Outcome == was:
	case op.Outcome == payment.Unknown:
		s.Log.LogAttrs(ctx, slog.LevelWarn, "outcome of a payment is unknown; it is looked into", append(attrs, cause(st, op)...)...)
	case op.Outcome == payment.Waiting:
		s.Log.LogAttrs(ctx, slog.LevelWarn, "payment is tried again later", append(append(attrs, slog.Time("due", st.record.Due)), cause(st, op)...)...)
	case op.Outcome.Open():
	case was == payment.Unknown:
		s.Log.LogAttrs(ctx, slog.LevelInfo, "outcome of a payment is known",
			append(attrs, slog.String("outcome", string(op.Outcome)), slog.Duration("for", p.UpdatedAt.Sub(op.LastTry())))...)
	case op.Outcome == payment.Declined:
		s.Log.LogAttrs(ctx, slog.LevelInfo, "payment is declined", append(attrs, cause(st, op)...)...)
	case op.DidNothing() && next != nil:
		s.Log.LogAttrs(ctx, slog.LevelWarn, "payment goes to the next provider",
			append(append(attrs, slog.String("next", next.Provider)), cause(st, op)...)...)
	case op.DidNothing():
		s.Log.LogAttrs(ctx, levelOf(op), "operation of a payment did nothing", append(attrs, cause(st, op)...)...)
	}
}

// levelOf returns Info if the failure is the caller's own mistake, else Warn.
func levelOf(op *payment.Operation) slog.Level {
	switch fault.ParseKind(op.Kind) {
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Canceled, fault.Unsupported:
		return slog.LevelInfo
	default:
		return slog.LevelWarn
	}
}

func ofPayment(p *payment.Payment, more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{slog.String("payment", p.ID), slog.String("tenant", p.Tenant)}, more...)
}

// cause returns why an operation failed: the error itself if it is known, else the stored
// code of it.
func cause(st *stored, op *payment.Operation) []slog.Attr {
	switch {
	case st.cause != nil:
		return []slog.Attr{slog.Any("error", st.cause)}
	case op.Error != nil:
		return []slog.Attr{slog.String("kind", op.Kind), slog.String("code", op.Error.Code)}
	}
	return []slog.Attr{slog.String("code", "interrupted")} // the process that made the call has ended
}
