// Package emails accepts email, sends it through providers, retries it and finally gives it up.
// An accepted message is on disk, and each attempt is on disk before it begins.
package emails

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/core/worker"
	"patchbay/ports"
)

const (
	// Kind is the kind of a message's record in the journal.
	Kind      = "message"
	queueName = "mail" // messages not sent yet, in one queue per provider

	attemptDeadline = 30 * time.Second // for one call to one provider
	checkDeadline   = 5 * time.Second  // for reading which recipients are suppressed
	saveDeadline    = 10 * time.Second
	// Messages sent at the same time through one provider: directly after they were accepted, and
	// from the provider's queue, together as many as its bulkhead takes by default. One tenant alone gets at most
	// half of the latter. A message that is sent directly costs a commit less, since nothing claims it.
	directLimit, queueLimit = 128, 128
)

// schedule says when a message that no provider accepted is retried. After the last retry the
// message fails for good, unless a person retries it.
var schedule = worker.Backoff{
	5 * time.Second, 20 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
}

// Options configures a Service.
type Options struct {
	Journal ports.Journal
	Mailers []ports.Mailer // in order of preference
	Text    ports.TextRenderer
	// Templates are the local sources of templates, and Renderer renders them. Both are nil if there
	// are none.
	Templates ports.Templates
	Renderer  ports.TemplateRenderer
	// MIME reads the messages that are handed over as MIME. It may be nil if none are.
	MIME  ports.MIMEReader
	Clock ports.Clock
	IDs   ports.IDs
	// Staging restricts the recipients. Its Wrap was applied to the Mailers.
	Staging  Staging
	Senders  Senders        // its Wrap was applied to the Mailers
	From     email.Address  // default for drafts without a sender
	Delivery email.Delivery // default for drafts without a delivery promise
	// Rates limit how many recipients a provider is given, by its name.
	Rates map[string]Rate
	// HeldBack counts messages that a provider did not get because of its Rate. It may be nil.
	HeldBack func(provider string)
	// Retention is how long the text and the files of a message are kept after it was accepted, or was
	// due, once it no longer waits to be sent; 0 means forever.
	Retention time.Duration
	Names     Names  // makes the ids of messages accepted under idempotency keys
	Owner     string // identifies this process; unique among those that share the journal
	Log       *slog.Logger
	// Events reads the webhook events of each provider, by the provider's name.
	Events map[string]ports.MailReader
	// ASCIIAddress returns an address in the form in which it is compared with others, with its domain in
	// ASCII: see user.Mailbox. Invalid.
	ASCIIAddress func(email string) (ascii string, err error)
	// UnmarkedTenant is the tenant of mail sent by an earlier version, which did not mark mail with
	// its tenant.
	UnmarkedTenant string
	// Suppressions knows which recipients get no mail. Nil means that all do.
	Suppressions ports.Suppressions
	// Counted counts webhook events by what became of them: the event, or the reason why it is
	// ignored. It may be nil.
	Counted func(provider, result string)
	// TermSecret is the key of the hashes by which messages are found.
	TermSecret []byte
	// Restored returns when the journal was last restored from an older copy, the zero time if it
	// never was. The time is not known before the journal was reached for the first time. A nil
	// func means that it never was restored.
	Restored func() (at time.Time, known bool)
}

// Service sends email.
type Service struct {
	Options
	messages record.Repository[stored]
	batches  record.Repository[batch]
	queues   *queues
	removals *worker.Worker
	expiring *worker.Worker
	places   worker.Places     // for messages sent right after they were accepted, or after a failover
	memory   map[string]memory // by provider
	running  guard.Group
	backlog  backlog
	lease    time.Duration
}

// New returns a Service. Waiting messages are sent only while Run runs.
func New(o Options) *Service {
	if o.Counted == nil {
		o.Counted = func(string, string) {}
	}
	if o.HeldBack == nil {
		o.HeldBack = func(string) {}
	}
	if o.Suppressions == nil {
		o.Suppressions = nobody{}
	}
	if o.Restored == nil {
		o.Restored = func() (time.Time, bool) { return time.Time{}, true }
	}
	s := &Service{Options: o, memory: map[string]memory{}, running: guard.Group{Log: o.Log}}
	s.messages, s.batches = s.repository(), s.batchRepository()
	var names []string
	for _, mailer := range o.Mailers {
		names = append(names, mailer.Name())
		s.memory[mailer.Name()] = newMemory()
	}
	s.places = worker.NewPlaces(names, directLimit)
	s.lease = time.Duration(len(o.Mailers))*(checkDeadline+attemptDeadline+saveDeadline) + time.Duration(len(o.Rates))*checkDeadline + saveDeadline
	s.queues = s.newQueues(names, func(name string) *worker.Worker {
		return &worker.Worker{
			Journal: o.Journal, Queue: name, Owner: o.Owner, Lease: s.lease,
			Idle: time.Second, Limit: queueLimit, Fair: true, Handle: s.handle, Log: o.Log,
		}
	})
	s.removals = &worker.Worker{
		Journal: o.Journal, Queue: removalQueue, Owner: o.Owner, Lease: time.Minute,
		Idle: time.Minute, Limit: 4, Handle: s.remove, Log: o.Log,
	}
	s.expiring = &worker.Worker{
		Journal: o.Journal, Queue: expiringQueue, Owner: o.Owner, Lease: time.Minute,
		Idle: 10 * time.Second, Limit: 16, Handle: s.endWaiting, Log: o.Log,
	}
	return s
}

// Run sends waiting messages until ctx ends, then waits for the sends in progress.
func (s *Service) Run(ctx context.Context) {
	ageing := guard.Group{Log: s.Log}
	ageing.Keep(ctx, "mail at rest", s.removals.Run)
	ageing.Keep(ctx, "mail that expires", s.expiring.Run)
	s.queues.Run(ctx)
	ageing.Wait()
	s.running.Wait()
}

// Accept accepts a message, once per idempotency key. When it returns, the message is on disk;
// it is sent in the background. A repeated request returns the message in its current state,
// with replayed set.
//
// Invalid; Unsupported: no provider can carry it; Conflict with idempotency.CodeMismatch or code
// message_erased; Unavailable; UnknownOutcome.
func (s *Service) Accept(ctx context.Context, tenant string, d email.Draft, key idempotency.Key) (m email.Message, replayed bool, err error) {
	now := s.Clock.Now()
	st, err := s.admit(tenant, &d, key, now)
	if err != nil {
		return replayDespite(ctx, key, err, s.replay)
	}
	m, err = s.accept(ctx, st)
	if !fault.Is(err, fault.Conflict) || key.Empty() {
		return m, false, err
	}
	m, err = s.replay(ctx, key)
	if fault.Is(err, fault.NotFound) {
		// The key has expired since, but the id derived from it still names the earlier message.
		m, err = s.accept(ctx, s.newMessage(s.IDs.New("msg"), tenant, d, key, now))
		if !fault.Is(err, fault.Conflict) {
			return m, false, err
		}
		m, err = s.replay(ctx, key) // of another request under the key, which was accepted just now
	}
	return m, err == nil, err
}

// admit renders a draft, and makes the message of it. Invalid, Unsupported or Unavailable: it is refused by
// this configuration.
func (s *Service) admit(tenant string, d *email.Draft, key idempotency.Key, now time.Time) (stored, error) {
	if err := s.renderDraft(d); err != nil {
		return stored{}, err
	}
	if err := d.Check(); err != nil { // it depends on what the template says
		return stored{}, err
	}
	if err := s.checkMailboxes(*d); err != nil {
		return stored{}, err
	}
	if err := s.checkTimes(d.SendAt, d.ExpiresAt, now); err != nil {
		return stored{}, err
	}
	st := s.newMessage(s.newID(key), tenant, *d, key, now)
	return st, s.checkRoute(st.message)
}

// accept stores a new message and sends it. A message that the journal could only hold comes out
// of the queue once the store is back.
func (s *Service) accept(ctx context.Context, st stored) (email.Message, error) {
	now := st.message.CreatedAt
	first := s.firstProvider(st.message)
	st.record.Queue = s.queues.Queue(first)
	placed := !st.record.Due.After(now) && s.takePlace(first)
	if placed {
		worker.Hold(&st.record, s.Owner, now.Add(s.lease))
	}
	err := s.insert(ctx, &st)
	if err == nil && !st.record.Held && st.record.Rev == 1 { // otherwise another process has begun with it
		accepted := st.message
		accepted.Recipients = slices.Clone(st.message.Recipients) // they change while it is sent
		s.dispatch(ctx, st, first, placed)
		return accepted, nil
	}
	if placed {
		s.places.Release(first)
	}
	return st.message, err
}

// checkRoute returns Invalid if the tenant may not send as the sender, and the errors of checkFeatures.
func (s *Service) checkRoute(m email.Message) error {
	if err := s.Senders.check(m.Tenant, s.mailbox(m.From.Email)); err != nil {
		return err
	}
	return s.checkFeatures(m)
}

func (s *Service) newMessage(id, tenant string, d email.Draft, key idempotency.Key, now time.Time) stored {
	m := email.Message{
		ID: id, Tenant: tenant, Status: email.Queued, From: d.From, To: d.To, Cc: d.Cc, Bcc: d.Bcc,
		ReplyTo: d.ReplyTo, Subject: d.Subject, HTML: d.HTML, Text: d.Text, HTMLOnly: d.HTMLOnly, Headers: d.ThreadedHeaders(),
		Attachments: d.Attachments, Tags: d.Tags, Metadata: d.Metadata, SendAt: d.SendAt, ExpiresAt: d.ExpiresAt, Delivery: d.Delivery,
		Category: cmp.Or(d.Category, email.Transactional), Keeping: d.Keeping, Tracking: d.Tracking,
		TemplateID: d.TemplateID, TemplateData: d.TemplateData, Envelope: d.Envelope,
		Key: key.Scoped, Fingerprint: key.Fingerprint, CreatedAt: now,
	}
	s.stampRestore(&m)
	if m.From == (email.Address{}) {
		m.From = s.From
	}
	if m.Delivery == "" {
		m.Delivery = s.Delivery
	}
	if m.Text == "" && m.HTML != "" && !m.HTMLOnly {
		m.Text = s.Text.Text(m.HTML)
	}
	if m.MessageID = d.MessageID; m.MessageID == "" {
		from := s.ascii(m.From.Email)
		m.MessageID = m.ID + "@" + from[strings.LastIndexByte(from, '@')+1:]
	}
	for _, list := range [][]email.Address{m.To, m.Cc, m.Bcc} {
		for _, a := range list {
			m.Recipients = append(m.Recipients, email.Recipient{Email: a.Email, Status: email.Queued})
		}
	}
	return stored{message: m, record: ports.Record{Idem: key.Scoped, Due: latest(now, m.SendAt)}}
}

// ascii returns an address in the form that providers use, or as it is if it has none.
func (s *Service) ascii(address string) string {
	if s.ASCIIAddress != nil {
		if ascii, err := s.ASCIIAddress(address); err == nil {
			return ascii
		}
	}
	return address
}

// mailbox returns the form of an address in which it is compared with others.
func (s *Service) mailbox(address string) string { return user.Mailbox(address, s.ASCIIAddress) }

// checkMailboxes returns Invalid if two recipients are one mailbox, though their addresses are not
// spelled the same, or if one is not allowed.
func (s *Service) checkMailboxes(d email.Draft) error {
	seen := map[string]bool{}
	for _, list := range []struct {
		name      string
		addresses []email.Address
	}{{"to", d.To}, {"cc", d.Cc}, {"bcc", d.Bcc}} {
		for i, a := range list.addresses {
			mailbox := s.mailbox(a.Email)
			if seen[mailbox] {
				return fault.InvalidParam(fmt.Sprintf("%s[%d]", list.name, i), "duplicate_recipient", "an address may stand only once in to, cc and bcc")
			}
			seen[mailbox] = true
		}
		if err := s.Staging.check(list.addresses, list.name, s.mailbox); err != nil {
			return err
		}
	}
	return nil
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// jitter varies d by up to a tenth, to spread out the messages that one outage delayed.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1) //nolint:gosec // not a secret
}

// Flags of message records.
const (
	flagUnknown = "unknown" // it may have been sent, and is not sent again
	flagAgain   = "again"   // an attempt failed, or its outcome is unknown, and it waits for the next call
)

// flagOf returns the flag under which a message is counted, and since when.
func flagOf(m *email.Message) (flag string, since time.Time) {
	switch tried := len(m.Attempts) > 0; {
	case m.Status == email.Unknown && !tried: // not sent because the journal was restored
		return flagUnknown, m.CreatedAt
	case m.Status == email.Unknown:
		return flagUnknown, m.LastAttempt().StartedAt
	case m.Status == email.Queued && tried, m.Status == email.Sending && m.LastAttempt().Code != "":
		return flagAgain, m.Attempts[0].StartedAt
	}
	return "", time.Time{}
}

// UnknownSets selects the messages that may have been sent and are not sent again.
func UnknownSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagUnknown}} }

// AgainSets selects the messages that wait after an attempt that failed, or whose call is repeated.
func AgainSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagAgain}} }

// Queues lists the queues of messages.
func (s *Service) Queues() []string { return append(s.queues.Queues(), removalQueue, expiringQueue) }
