package payments

import (
	"context"
	"encoding/json"
	"log/slog"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// feed collects the events of one payment.
type feed struct {
	payment *payment.Payment
	id      func(prefix string) string
	events  []event.Event
}

func (f *feed) add(name string, data map[string]any) {
	body, _ := json.Marshal(data) // our own types always encode
	f.events = append(f.events, event.Event{
		ID: f.id("fev"), Tenant: f.payment.Tenant, Type: "payment." + name,
		Subject: f.payment.ID, At: f.payment.UpdatedAt, Data: body,
	})
}

// eventsOf returns the feed events for what has changed in a payment since it was last saved.
func (s *Service) eventsOf(before, after *payment.Payment) []event.Event {
	f := &feed{payment: after, id: s.IDs.New}
	state := map[string]any{"status": after.Status, "provider": after.Provider, "amountRefunded": after.AmountRefunded}
	if before.Status != after.Status {
		f.add(string(after.Status), state)
	}
	if after.AmountRefunded > before.AmountRefunded {
		f.add("refunded", state)
	}
	if open := before.Open(); open != nil {
		if op := after.Operation(open.ID); op != nil && !op.AcceptedAt.IsZero() && op.DidNothing() {
			f.add(string(op.Action)+"_failed", state) // the caller was answered 202, and learns the failure here
		}
	}
	for _, r := range after.Refunds {
		f.refund(before.FindRefund(r.Reference), r)
	}
	for _, d := range after.Disputes {
		f.dispute(before.FindDispute(d.Reference), d)
	}
	for _, r := range opened(before, after) {
		f.add("needs_review", map[string]any{"reason": r.Reason, "provider": after.Provider})
	}
	if settled(after) > settled(before) {
		f.add("reviewed", map[string]any{"needsReview": after.NeedsReview, "provider": after.Provider})
	}
	return f.events
}

// opened returns the reviews that have been opened since a payment was last saved.
func opened(before, after *payment.Payment) []payment.Review {
	return after.Reviews[min(len(before.Reviews), len(after.Reviews)):]
}

// settled returns the number of settled reviews.
func settled(p *payment.Payment) (n int) {
	for _, r := range p.Reviews {
		if !r.Open() {
			n++
		}
	}
	return n
}

// refund adds an event if the status of a refund has changed. A new refund that has not
// failed needs none, since the event for the refunded amount covers it.
func (f *feed) refund(before *payment.RefundEntry, r payment.RefundEntry) {
	changed := before != nil && before.Status != r.Status || before == nil && r.Status.Returned()
	if !changed || r.Released {
		return
	}
	name := "refund_updated"
	if r.Status.Final() {
		name = "refund_" + string(r.Status)
	}
	f.add(name, map[string]any{
		"refund": r.Reference, "amount": r.Amount, "status": r.Status, "provider": f.payment.Provider, "amountRefunded": f.payment.AmountRefunded,
	})
}

func (f *feed) dispute(before *payment.Dispute, d payment.Dispute) {
	data := map[string]any{
		"dispute": d.Reference, "amount": d.Amount, "reason": d.Reason, "status": d.Status,
		"fundsWithdrawn": d.FundsWithdrawn, "provider": f.payment.Provider,
	}
	switch {
	case before == nil:
		f.add("dispute_opened", data)
		if d.Closed() {
			f.add("dispute_closed", data)
		}
	case *before == d:
	case d.Closed() && before.Status != d.Status:
		f.add("dispute_closed", data)
	default:
		f.add("dispute_updated", data)
	}
}

// report logs and counts what has changed in a payment since it was last saved: outcomes that
// have become unknown or known, declines, operations that did nothing, and reviews.
func (s *Service) report(ctx context.Context, st *stored) {
	p := &st.payment
	if open := st.saved.Open(); open != nil {
		if op := p.Operation(open.ID); op != nil {
			s.reportOperation(ctx, open.Outcome, st, op)
		}
	}
	for _, r := range opened(&st.saved, p) {
		if s.Reviewed != nil {
			s.Reviewed(p.Provider, r.Reason)
		}
		s.Log.LogAttrs(ctx, slog.LevelError, "payment needs review", ofPayment(p,
			slog.String("provider", p.Provider), slog.String("reason", r.Reason), slog.String("detail", r.Detail))...)
	}
	if settled(p) <= settled(&st.saved) {
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
