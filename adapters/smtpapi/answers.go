package smtpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/emersion/go-smtp"

	"patchbay/core/apikeys"
	"patchbay/core/fault"
	"patchbay/core/logging"
)

// refusal is why a command is refused, with its answer.
type refusal struct {
	code string // for the log, as in the HTTP API
	smtp.SMTPError
}

func (r *refusal) Error() string { return r.code }

func refuse(status, class, subject, detail int, code, words string) *refusal {
	return &refusal{code, smtp.SMTPError{Code: status, EnhancedCode: smtp.EnhancedCode{class, subject, detail}, Message: words}}
}

// line returns the answer as it is sent where the library does not send it.
func (r *refusal) line() string {
	e := r.EnhancedCode
	return fmt.Sprintf("%d %d.%d.%d %s", r.Code, e[0], e[1], e[2], r.Message)
}

// The refusals of this package.
var (
	errNoTLS     = refuse(538, 5, 7, 11, "tls_missing", "send STARTTLS first")
	errMechanism = refuse(504, 5, 5, 4, "unknown_mechanism", "AUTH takes PLAIN and LOGIN")
	errScope     = refuse(535, 5, 7, 8, "scope_missing", "the API key lacks the scope "+scope)
	errNoKey     = refuse(530, 5, 7, 0, "unauthorized", "authenticate with an API key as the password, after STARTTLS")
	errSender    = refuse(501, 5, 1, 7, "invalid_address", "the sender must look like ada@example.com, in ASCII")
	errRecipient = refuse(553, 5, 1, 3, "invalid_address", "a recipient must look like ada@example.com, in ASCII")
	errMemory    = refuse(451, 4, 3, 1, "bodies_in_flight", "too many large messages are being received; try again")
	errTooLarge  = refuse(552, 5, 3, 4, "body_too_large", "a message takes at most 30 MB")
	errBroken    = refuse(451, 4, 4, 2, "body_incomplete", "the message did not arrive as a whole; nothing was done")

	// After these the conversation ends.
	errLineTooLong  = refuse(500, 5, 5, 2, "line_too_long", "a line is too long: a message takes 998 characters in each")
	errLineEnd      = refuse(554, 5, 5, 2, "invalid_line_end", "a line ends in CR LF, and has neither of them elsewhere")
	errTooSlow      = refuse(421, 4, 4, 2, "too_slow", "too long without a command, or a text that comes too slowly")
	errTextTooLarge = refuse(552, 5, 3, 4, "body_too_large", "the message is too large")
)

// answerTo returns the answer to an error. The words of an error of the store, or of the gateway's own, are
// not for clients.
func answerTo(err error) *refusal {
	if own, ok := errors.AsType[*refusal](err); ok {
		return own
	}
	f := fault.From(err)
	code := cmp.Or(f.Code, f.Kind.String())
	sender := f.Param == "from"
	switch f.Kind {
	case fault.Unauthorized:
		return refuse(535, 5, 7, 8, code, "the API key is not valid")
	case fault.Refused:
		return refuse(550, 5, 7, 1, code, cmp.Or(f.Message, "this sender is refused"))
	case fault.Invalid:
		switch {
		case sender, f.Code == "recipient_not_allowed":
			return refuse(550, 5, 7, 1, code, cmp.Or(f.Message, "this sender is refused"))
		case f.Code == "body_too_large", f.Code == "attachments_too_large":
			return refuse(552, 5, 3, 4, code, cmp.Or(f.Message, "the message is too large"))
		}
		return refuse(554, 5, 6, 0, code, cmp.Or(f.Message, "the message is not valid"))
	case fault.Unsupported:
		if sender {
			return refuse(550, 5, 7, 1, code, "no provider sends for this sender")
		}
		if f.Param == "attachments" {
			return refuse(552, 5, 3, 4, code, "no provider can carry a message with files this large")
		}
		return refuse(554, 5, 6, 3, code, "no provider can carry this message: "+cmp.Or(f.Param, "the message")+" is beyond them")
	case fault.Conflict:
		return refuse(554, 5, 7, 1, code, cmp.Or(f.Message, "the message is in conflict with an earlier one"))
	default:
		return refuse(451, 4, 3, 0, code, "nothing can be taken at present; try again")
	}
}

// failed answers a command that has no id of its own.
func (s *session) failed(verb string, began time.Time, err error) error {
	return s.refused(verb, s.server.IDs.New("req"), began, err)
}

// refused logs why a command is refused, and returns the answer.
func (s *session) refused(verb, request string, began time.Time, err error) error {
	answer := answerTo(err)
	client := addressOf(s.conn.raw).String()
	attrs := []slog.Attr{slog.String("code", answer.code), slog.String("route", route(verb)), slog.String("request", request)}
	attrs = append(attrs, nonEmpty(slog.String("key", cmp.Or(apikeys.EndedKey(err), s.caller.KeyID)), slog.String("tenant", s.caller.Tenant))...)
	switch answer.Code {
	case 535, 530, 538:
		s.server.credentialRefusals.Note(context.Background(), answer.code+" "+client, append(attrs, slog.String("client", client))...)
	case 451:
		if _, own := errors.AsType[*refusal](err); !own {
			s.server.Log.LogAttrs(context.Background(), slog.LevelError, "request failed",
				append(attrs, slog.String("method", method), slog.Int("status", answer.Code), slog.Any("error", err))...)
		}
	}
	s.log(verb, request, began, answer.Code, answer.code)
	return &answer.SMTPError
}

// method is what the log has in the place of the method of HTTP.
const method = "SMTP"

func route(verb string) string { return "smtp " + verb }

// log writes the line of a message, or of a refused command.
func (s *session) log(verb, request string, began time.Time, status int, code string) {
	if !s.server.LogRequests || !s.server.Log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", method), slog.String("route", route(verb)), slog.Int("status", status),
		slog.Duration("duration", time.Since(began)), slog.String("request", request),
		slog.String("client", addressOf(s.conn.raw).String()),
	}
	attrs = append(attrs, nonEmpty(slog.String("tenant", s.caller.Tenant), slog.String("key", s.caller.KeyID), slog.String("code", code))...)
	logging.Request(s.server.Log, slog.LevelInfo, attrs)
}

// nonEmpty returns the attributes that have a value.
func nonEmpty(attrs ...slog.Attr) []slog.Attr {
	return slices.DeleteFunc(attrs, func(a slog.Attr) bool { return a.Value.String() == "" })
}
