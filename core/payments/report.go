package payments

import (
	"context"
	"log/slog"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

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
