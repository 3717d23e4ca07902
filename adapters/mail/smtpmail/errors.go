package smtpmail

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"patchbay/adapters/mail/refusal"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// failure maps the end of a conversation at a step to an error. A failure before the final dot is
// sent proves that nothing was accepted: Canceled if the caller gave up, else what the answer means,
// else Unavailable. After that, what is no answer proves nothing.
func (m *Mailer) failure(ctx context.Context, at step, msg email.Message, err error) *fault.Error {
	var (
		own     *fault.Error
		refused *refusedNames
		answer  *textproto.Error
		f       *fault.Error
	)
	switch {
	case errors.As(err, &own):
		f = own
	case errors.As(err, &refused):
		f = m.refused(at, msg, refused.all[0].answer)
		f.Err = fmt.Errorf("%w: %w", f.Err, m.names(msg, refused))
	case errors.As(err, &answer):
		f = m.refused(at, msg, answer)
	case at == accepting:
		f = unanswered(refusal.Unproven, discreet(err))
	case errors.Is(ctx.Err(), context.Canceled):
		f = &fault.Error{Kind: fault.Canceled, Code: "canceled", Message: "the message was given up before it was sent", Err: ctx.Err()}
	case at == waiting:
		f = &fault.Error{Kind: fault.Overloaded, Code: "overloaded", Message: "too many messages are under way at the server; nothing was sent", Err: ctx.Err()}
	case at == authenticating && !network(err): // the mechanism itself does not trust the server
		f = unanswered(refusal.Credentials, discreet(err))
	case at == securing:
		f = &fault.Error{Kind: fault.Unavailable, Code: "tls_failed", Message: "there is no verified TLS connection to the server; nothing was sent", Err: discreet(err)}
	default:
		f = &fault.Error{Kind: fault.Unavailable, Code: "connection_failed", Message: "the server could not be reached; nothing was sent", Err: discreet(err)}
	}
	f.Op, f.Provider = "smtpmail.send", m.name
	return f
}

// enhanced matches an enhanced status code (RFC 3463) at the beginning of an answer.
var enhanced = regexp.MustCompile(`^([245])\.\d{1,3}\.\d{1,3}\b`)

// names returns the recipients whom the server has refused, as the core takes them.
func (m *Mailer) names(msg email.Message, refused *refusedNames) (all email.RefusedRecipients) {
	for _, r := range refused.all {
		code, said := m.said(msg, r.answer)
		all = append(all, email.RefusedRecipient{Email: r.to, Code: cmp.Or(code, strconv.Itoa(r.answer.Code)), Reason: strings.TrimSpace(said.Words)})
	}
	return all
}

// isAboutRecipient reports whether an answer to RCPT refuses that recipient for good.
func (m *Mailer) isAboutRecipient(msg email.Message, answer *textproto.Error) bool {
	return m.refused(recipient, msg, answer).Code == email.CodeRecipientRejected
}

// said returns the enhanced status code of an answer, and the answer without addresses and secrets.
func (m *Mailer) said(msg email.Message, answer *textproto.Error) (code string, said refusal.ProviderError) {
	code = enhanced.FindString(answer.Msg)
	return code, refusal.Redact(refusal.ProviderError{Field: code, Words: strings.TrimPrefix(answer.Msg, code)}, msg, m.secrets()...)
}

// refused maps an answer to an error.
func (m *Mailer) refused(at step, msg email.Message, answer *textproto.Error) *fault.Error {
	code, said := m.said(msg, answer)
	f := refusal.Error(table(at, answer.Code), answer.Code, []refusal.ProviderError{said})
	f.Answer = &fault.Answer{Status: answer.Code, Field: string(at), Words: strings.TrimSpace(code + " " + said.Words)}
	f.Err = fmt.Errorf("the answer to %s is %d", at, answer.Code)
	f.Blameless = f.Code == busy.Code
	return f
}

// unanswered returns the error for what no answer of the server says.
func unanswered(means refusal.Meaning, err error) *fault.Error {
	return &fault.Error{Kind: means.Kind, Code: means.Code, Message: means.Message, NoRetry: means.Permanent, Err: err}
}

// secrets are the credentials, also as they are sent.
func (m *Mailer) secrets() []string {
	user, password := m.settings.Username, m.settings.Password.Reveal()
	if user == "" {
		return nil
	}
	all := []string{user, password}
	for _, sent := range []string{user, password, "\x00" + user + "\x00" + password} {
		all = append(all, base64.StdEncoding.EncodeToString([]byte(sent)))
	}
	return all
}

// inStep reports whether the next message can follow in the same conversation: what went wrong is
// about this message, and the server has said so, or was not asked.
func inStep(f *fault.Error) bool {
	if f.Answer == nil {
		return f.Kind == fault.Refused || f.Kind == fault.Unsupported // found before the first command
	}
	refused := slices.Contains(either, f.Answer.Status) && f.Answer.Status != closing
	return refused && f.Kind != fault.Unauthorized && f.Kind != fault.UnknownOutcome
}

// network reports whether an error says that the connection broke, or that the server does not
// speak SMTP.
func network(err error) bool {
	var (
		broken   net.Error
		protocol textproto.ProtocolError
	)
	return errors.As(err, &broken) || errors.As(err, &protocol) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errTooMuch)
}

// discreet removes the text of an error that may quote the server, which may quote anything.
func discreet(err error) error {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		protocol    textproto.ProtocolError
	)
	switch {
	case errors.As(err, &protocol):
		return errors.New("the answer is not one of SMTP")
	case network(err), errors.As(err, &certificate), errors.As(err, &record):
		return err
	}
	return errors.New("the conversation failed")
}
