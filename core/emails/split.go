package emails

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// A message with personalizations is sent by one call if the provider can carry it, and otherwise
// split into messages of one copy each. It is split only if it is certain that nothing of it was
// sent: a mark that it is being split is on disk before the first of those messages, and from then
// on it is not sent any more.

// mustSplit reports whether the provider can carry the message's copies only one by one.
func mustSplit(m email.Message, to ports.Mailer) bool {
	return len(m.Personalizations) > 0 && to.Features().Carry(m) != nil
}

// carry returns Unsupported unless the provider can carry the message, or each of its copies if it
// may still be split.
func carry(f email.Features, m email.Message) error {
	err := f.Carry(m)
	if err == nil || len(m.Personalizations) == 0 || m.HasOutcome(email.Ambiguous) {
		return err
	}
	for _, p := range m.Personalizations {
		if err := f.Carry(shape(m, p)); err != nil {
			return err
		}
	}
	return nil
}

// shape is a copy with a text in place of one that is only rendered when it is sent.
func shape(m email.Message, p email.Personalization) email.Message {
	one := m.Copy(m.ID, p)
	if m.Source != nil {
		one.Text = m.Source.Name
	}
	return one
}

// mayBeSplit reports whether a message that was refused is tried copy by copy: one bad address is no
// reason to send nothing to the others.
func mayBeSplit(m email.Message) bool {
	return len(m.Personalizations) > 1 && !m.HasOutcome(email.Ambiguous)
}

// split makes the copies of a message messages of their own. It may be repeated after a crash: the
// ids follow from the message. If a save fails, the lease expires. Copies that cannot be rendered are
// retried as a message is, so that they are given up in the end.
func (s *Service) split(ctx context.Context, st *stored) {
	copies, err := s.render(st.message)
	if st.canceled {
		copies, err = st.message.Personalizations, nil // whatever they would have said
	}
	if err != nil {
		s.Log.ErrorContext(ctx, "copies of an email are not rendered", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
		s.postpone(ctx, st)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	err = s.markSplitting(ctx, st)
	if err == nil {
		err = s.saveCopies(ctx, st, copies)
	}
	if err == nil {
		err = s.cancelCopies(ctx, &st.message)
	}
	if err == nil {
		st.message.Personalizations, st.message.Recipients, st.message.Source, st.message.Splitting = nil, nil, nil, false
		st.reindex = true // its recipients are those of the copies
		s.dequeue(st, email.Split)
		err = s.save(ctx, st)
	}
	if err != nil {
		s.Log.WarnContext(ctx, "email to several is not split", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
		return
	}
	for _, queue := range s.queues.Queues() {
		s.queues.Nudge(queue)
	}
}

// splitNow makes the split of a message due whose batch was canceled, and which may wait for long to be tried
// again: what its copies say could not be rendered. Its copies are canceled by that.
func (s *Service) splitNow(ctx context.Context, tenant, id string) error {
	st, err := s.messages.Get(ctx, tenant, id)
	if err != nil {
		return err
	}
	err = s.messages.Update(ctx, &st, func(st *stored) error {
		now := s.Clock.Now()
		if st.message.Status != email.Queued || !st.message.Splitting || st.record.Owner != "" || !st.record.Due.After(now) {
			return record.ErrUnchanged
		}
		st.record.Due = now
		return nil
	})
	s.queues.Nudge(st.record.Queue)
	return err
}

func (s *Service) markSplitting(ctx context.Context, st *stored) error {
	if st.message.Splitting {
		return nil
	}
	st.message.Splitting = true
	return s.save(ctx, st)
}

// saveCopies stores a message for each copy. A Conflict says that it is stored already.
func (s *Service) saveCopies(ctx context.Context, st *stored, copies []email.Personalization) error {
	m := st.message
	all, records := make([]*stored, len(copies)), make([]*ports.Record, len(copies))
	for i, p := range copies {
		one := &stored{message: m.Copy(copyID(m.ID, p), p)}
		one.message.UpdatedAt = s.Clock.Now()
		one.message.KeepRefused(m.Recipients)
		switch {
		case !one.message.AnyLeft():
			s.giveUp(one)
		case st.canceled:
			s.dequeue(one, email.Canceled)
		default:
			s.retryAt(one, latest(m.CreatedAt, m.SendAt))
		}
		one.message.SetRecipientStatuses()
		s.setTerms(&one.message, &one.record)
		if err := encode(&one.message, &one.record); err != nil {
			return err
		}
		index(&one.message, &one.record)
		one.record.Events = append(one.record.Events, s.statusEvent(&one.message, one.message.Status))
		all[i], records[i] = one, &one.record
	}
	if err := s.saveExpiries(ctx, all...); err != nil {
		return err
	}
	for _, err := range s.Journal.Save(ctx, records...) {
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// render returns the copies of a message with what they say, if the source of the template is here.
// The data were rendered once before, when the batch was accepted.
func (s *Service) render(m email.Message) ([]email.Personalization, error) {
	all := slices.Clone(m.Personalizations)
	for i := range all {
		if err := s.renderCopy(m, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// renderCopy is render for one copy.
func (s *Service) renderCopy(m email.Message, p *email.Personalization) error {
	content, err := s.content(m.Source, p.TemplateData)
	if err != nil || content == nil {
		return err
	}
	content.Subject = cmp.Or(content.Subject, m.Subject)
	if content.Text == "" && content.HTML != "" && !m.HTMLOnly {
		content.Text = s.Text.Text(content.HTML)
	}
	p.Content = content
	return nil
}

// isReady is checkBatchOf, whose errors it logs: the message comes back when the lease expires. It returns
// one only if the batch cannot be decoded.
func (s *Service) isReady(ctx context.Context, st *stored) (ready bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkDeadline)
	defer cancel()
	ready, err = s.checkBatchOf(ctx, st)
	if err == nil {
		return ready, nil
	}
	s.Log.WarnContext(ctx, "batch of an email is not read; the email is not sent yet", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
	if fault.Is(err, fault.Internal) {
		return false, err
	}
	return false, nil
}

// checkBatchOf reports whether a claimed message is to be sent as far as its batch is concerned. A store may
// hand out the messages before it has stored their batch, and a batch that is never stored was not
// accepted: until then a message that was never tried is put off, unchanged, because the store compares it.
// A message of a batch that was canceled since it was stored, or while it was claimed, is canceled now.
func (s *Service) checkBatchOf(ctx context.Context, st *stored) (ready bool, err error) {
	m := &st.message
	isCopy := len(m.Personalizations) == 0
	if m.Batch == "" {
		return true, nil
	}
	stored := isCopy || len(m.Attempts) > 0 // the batch is, or was: only a whole one is split or tried
	b, err := s.batches.Get(ctx, m.Tenant, m.Batch)
	switch {
	case fault.Is(err, fault.NotFound) && stored:
		return true, nil
	case fault.Is(err, fault.NotFound):
		r := st.record
		r.Owner, r.Due = "", s.Clock.Now().Add(time.Second)
		return false, s.Journal.Save(ctx, &r)[0]
	case err != nil:
		return false, err
	case !b.Cancels(m):
		return true, nil
	case m.Splitting: // some copies may be messages already
		st.canceled = true
		return true, nil
	}
	s.dequeue(st, email.Canceled)
	return false, s.save(ctx, st)
}

// cancelCopies cancels the copies of a message that was split if its batch was canceled: CancelBatch may
// have looked before they were stored.
func (s *Service) cancelCopies(ctx context.Context, m *email.Message) error {
	ids := make([]string, len(m.Personalizations))
	for i, p := range m.Personalizations {
		ids[i] = copyID(m.ID, p)
	}
	return s.cancelWithBatch(ctx, m, ids...)
}

// cancelRequeued cancels a message of a batch that was put back into a queue if the batch was canceled:
// CancelBatch may have looked while it was claimed. If the batch cannot be read now, it is when the message
// is claimed again.
func (s *Service) cancelRequeued(ctx context.Context, st *stored) {
	m, r := &st.message, &st.record
	if m.Batch == "" || m.Status != email.Queued || r.Owner != "" || m.Splitting {
		return
	}
	if err := s.cancelWithBatch(ctx, m, m.ID); err != nil {
		s.Log.DebugContext(ctx, "batch of an email is not read", "email", m.ID, "tenant", m.Tenant, "error", err)
	}
}

// isCanceledByBatch reports whether a message belongs to a batch that cancels it.
func (s *Service) isCanceledByBatch(ctx context.Context, m *email.Message) (bool, error) {
	if m.Batch == "" {
		return false, nil
	}
	b, err := s.batches.Get(ctx, m.Tenant, m.Batch)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && b.Cancels(m), err
}

// cancelWithBatch cancels messages that are in a queue now if the batch of a message cancels that.
func (s *Service) cancelWithBatch(ctx context.Context, m *email.Message, ids ...string) error {
	if canceled, err := s.isCanceledByBatch(ctx, m); !canceled {
		return err
	}
	for _, id := range ids {
		_, err := s.Cancel(ctx, m.Tenant, id)
		if err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) { // a Conflict: it is being sent
			return err
		}
	}
	return nil
}

// copyID derives the id of a copy that becomes a message.
func copyID(message string, p email.Personalization) string {
	return fmt.Sprintf("%s.%d", message, p.Index)
}
