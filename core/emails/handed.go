package emails

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// Handover is a message that a caller hands over as MIME.
type Handover struct {
	Caller     string   // the id of the caller's API key
	Sender     string   // MAIL FROM; empty if nothing is to be returned
	Recipients []string // RCPT TO, each once
	Raw        []byte   // with CR LF at the end of each line
}

// handoverRoute is the scope of the keys of messages that were handed over.
const handoverRoute = "SMTP DATA"

// HandOver accepts a message as Accept does, once for each Message-ID, or X-Idempotency-Key, of a caller.
// A message that differs from an earlier one in anything that counts is another message, also under the
// same Message-ID: see keyOf.
//
// Invalid, with the Param from if it is about the sender: it cannot be read, or not be sent; Unsupported: no
// provider can carry it; Conflict with code message_erased; Unavailable; UnknownOutcome.
func (s *Service) HandOver(ctx context.Context, tenant string, h Handover) (m email.Message, replayed bool, err error) {
	parts, err := s.MIME.Read(h.Raw)
	if err != nil {
		return email.Message{}, false, err
	}
	if parts.Forbidden != "" {
		return email.Message{}, false, fault.InvalidParam("headers", "forbidden_header", "a header would tell a provider what to do with the message")
	}
	key := s.keyOf(tenant, h, parts)
	if err := cmp.Or(checkClear(parts), s.checkSenders(tenant, h, parts)); err != nil {
		return replayDespite(ctx, key, err, s.replay)
	}
	d, whole := parts.Addressed(h.Recipients)
	d.Envelope, d.Category = &email.Envelope{Sender: h.Sender}, parts.Category
	if whole {
		d.Envelope.Apart = d.Composed(parts).NeedsOf()
	}
	d.Attachments = []email.Attachment{email.MIMEFile(h.Raw)}
	return s.Accept(ctx, tenant, d, key)
}

// checkClear returns Invalid if a header by which the caller tells the gateway something is empty, or there
// twice: whoever sends it so expects the one or the other, and gets neither by chance.
func checkClear(p email.Parts) error {
	if p.Unclear == "" {
		return nil
	}
	return fault.InvalidParam("headers", "invalid_header", "the header "+p.Unclear+" may be there once, and not empty")
}

// checkSenders returns Invalid if the tenant may not send as one of the senders of a message beside that
// in From: in the envelope, or in the header Sender.
func (s *Service) checkSenders(tenant string, h Handover, p email.Parts) error {
	senders := p.Sender
	if h.Sender != "" {
		senders = append(senders, email.Address{Email: h.Sender})
	}
	for _, a := range senders {
		if err := s.Senders.check(tenant, s.mailbox(a.Email)); err != nil {
			return err
		}
	}
	return nil
}

// keyOf returns the idempotency key of a message that is handed over: of the caller, the Message-ID or
// X-Idempotency-Key, the envelope and the content. A message with neither of these headers has no key.
func (s *Service) keyOf(tenant string, h Handover, p email.Parts) idempotency.Key {
	if cmp.Or(p.IdempotencyKey, p.MessageID) == "" {
		return idempotency.Key{}
	}
	name := "id:" + p.MessageID
	if p.IdempotencyKey != "" {
		name = "key:" + p.IdempotencyKey
	}
	to := make([]string, len(h.Recipients))
	for i, r := range h.Recipients {
		to[i] = s.mailbox(r)
	}
	slices.Sort(to)
	all := append([]string{h.Caller, name, h.Sender, p.Digest}, to...)
	value := strings.Join(all, "\x00") // none of them has a zero byte
	return s.Names.Keys.Conceal(idempotency.New(tenant, handoverRoute, value, []byte(value)))
}

// outgoingTo returns a message as it is passed to a provider: taken apart, if it was handed over as MIME
// and the provider does not take that.
func (s *Service) outgoingTo(p ports.Mailer, st *stored) (email.Message, error) {
	m := st.outgoing()
	if m.Envelope == nil || p.Features().MIME {
		return m, nil
	}
	parts, err := s.MIME.Read(m.MIME())
	if err != nil {
		return email.Message{}, err
	}
	return m.TakenApart(parts), nil
}
