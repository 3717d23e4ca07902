package emails

import (
	"context"
	"log/slog"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// logChange logs what became of a message since it was last saved: that it failed or its outcome is
// unknown, or where it goes after a failed attempt. before is the status that the feed knew
// before.
func (s *Service) logChange(ctx context.Context, before email.Status, st *stored) {
	m := &st.message
	failed, exhausted := st.cause, st.exhausted
	st.cause, st.exhausted = nil, false
	attrs := append([]slog.Attr{slog.String("email", m.ID), slog.String("tenant", m.Tenant)}, attemptAttrs(m, failed)...)
	changed := before != m.Status
	switch {
	case changed && m.Status == email.Failed && exhausted:
		s.Log.LogAttrs(ctx, slog.LevelError, "email is set aside after its last attempt", append(attrs, slog.Int("attempts", len(m.Attempts)))...)
	case changed && m.Status == email.Failed:
		s.Log.LogAttrs(ctx, slog.LevelWarn, "email failed", attrs...)
	case changed && m.Status == email.Unknown:
		s.Log.LogAttrs(ctx, slog.LevelWarn, "outcome of an email is unknown; it is not sent again", attrs...)
	case changed && before == email.Unknown && feedStatus(m.Status) == email.Sent:
		s.Log.LogAttrs(ctx, slog.LevelInfo, "outcome of an email is known", attrs...)
	case failed == nil:
	case m.Next != "" && m.Next == m.LastAttempt().Provider: // see leaveOut
		s.Log.LogAttrs(ctx, slog.LevelInfo, "email goes on without the recipients whom the provider refuses", attrs...)
	case m.Next != "":
		s.Log.LogAttrs(ctx, slog.LevelWarn, "email goes to the next provider", append(attrs, slog.String("next", m.Next))...)
	case m.Status == email.Sending && st.record.Owner == "":
		s.Log.LogAttrs(ctx, slog.LevelWarn, "outcome of an email is not known yet; its call is repeated", append(attrs, slog.Time("due", st.record.Due))...)
	case m.Status == email.Queued:
		s.Log.LogAttrs(ctx, slog.LevelWarn, "email is tried again later", append(attrs, slog.Time("due", st.record.Due))...)
	}
}

// attemptAttrs describes the last attempt of a message, without the provider's words about one that is not
// kept: they may quote it.
func attemptAttrs(m *email.Message, failed error) []slog.Attr {
	a := m.LastAttempt()
	if a.ID == "" {
		return nil
	}
	attrs := []slog.Attr{slog.String("attempt", a.ID), slog.String("provider", a.Provider), slog.String("outcome", string(a.Outcome))}
	if failed != nil {
		if m.Keeping.Brief() {
			failed = fault.Private(failed)
		}
		return append(attrs, slog.Any("error", failed))
	}
	if a.Code != "" {
		attrs = append(attrs, slog.String("code", a.Code))
	}
	return attrs
}
