// Package mailroom is where email is accepted, sent, tried again and, in the
// end, given up. A message that was accepted is on disk; each attempt is on disk
// before it begins.
package mailroom

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/idem"
	"patchbay/core/message"
	"patchbay/core/queue"
	"patchbay/ports"
)

const (
	// Kind is that of the journal's records.
	Kind      = "message"
	queueName = "mail" // where messages wait that are not sent yet, each for its next provider

	attemptDeadline = 30 * time.Second // of one call at one provider
	saveDeadline    = 10 * time.Second
	// Messages sent at once at one provider: as they come, and from its queue. A tenant
	// has half of the latter, unless others have too.
	atOnce, queuedAtOnce = 32, 32
)

// schedule is when a message that no provider took is tried again. After it the
// message is dead, until a person retries it.
var schedule = queue.Backoff{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
}

// Options is what a Service needs.
type Options struct {
	Journal ports.Journal
	Mailers []ports.Mailer // the preferred first
	Text    ports.TextRenderer
	Clock   ports.Clock
	IDs     ports.IDs
	From    message.Address  // where a draft names none
	Promise message.Delivery // where a draft names none
	// Retention is how long the text and the files of a message are kept once it waits
	// for nothing any more; 0 for ever.
	Retention time.Duration
	Names     Names  // of messages that are accepted under keys
	Owner     string // this process, unique among those that share the journal
	Log       *slog.Logger
	// Events reads what each provider tells by webhook, by the provider's name.
	Events map[string]ports.MailReader
	// Mailbox writes an address as providers do, who know domains in ASCII alone. Invalid.
	Mailbox func(email string) (ascii string, err error)
	// Unmarked is the tenant of mail that an earlier version has sent, which is not marked
	// with it.
	Unmarked string
	// Told counts what providers tell: an event, or why it is ignored. It may be nil.
	Told func(provider, what string)
	// Restored is when an older copy of the journal was last put in its place, zero where
	// it never was; it is not known before the journal was there. Nil: it never was.
	Restored func() (at time.Time, known bool)
}

// Service sends email.
type Service struct {
	Options
	queues  *queue.Set // one a provider
	ageing  *queue.Worker
	places  places
	rooms   map[string]room // by provider
	running guard.Group
	lease   time.Duration
}

// New makes a Service. Its Run must be called for what waits to be sent.
func New(o Options) *Service {
	s := &Service{Options: o, places: places{}, rooms: map[string]room{}, running: guard.Group{Log: o.Log}}
	var names []string
	for _, mailer := range o.Mailers {
		names = append(names, mailer.Name())
		s.places[mailer.Name()] = make(chan struct{}, atOnce)
		s.rooms[mailer.Name()] = newRoom()
	}
	s.lease = time.Duration(len(o.Mailers))*(attemptDeadline+saveDeadline) + saveDeadline
	s.queues = queue.NewSet(queueName, names, func(name string) *queue.Worker {
		return &queue.Worker{
			Journal: o.Journal, Queue: name, Owner: o.Owner, Lease: s.lease,
			Idle: time.Second, Limit: queuedAtOnce, Fair: true, Handle: s.handle, Log: o.Log,
		}
	})
	s.ageing = &queue.Worker{
		Journal: o.Journal, Queue: restQueue, Owner: o.Owner, Lease: time.Minute,
		Idle: time.Minute, Limit: 4, Handle: s.age, Log: o.Log,
	}
	return s
}

// Run sends what waits until ctx ends, then waits for what is being sent.
func (s *Service) Run(ctx context.Context) {
	ageing := guard.Group{Log: s.Log}
	ageing.Keep(ctx, "mail at rest", s.ageing.Run)
	s.queues.Run(ctx)
	ageing.Wait()
	s.running.Wait()
}

// Accept takes a message, once for each key. Once it returns the message is on
// disk, and is sent in the background. A repeat gets the message as it stands,
// and replayed is true.
//
// Invalid; Unsupported: no provider can carry it; Conflict with
// idem.CodeMismatch or code message_erased; Unavailable; UnknownOutcome.
func (s *Service) Accept(ctx context.Context, tenant string, d message.Draft, key idem.Key) (m message.Message, replayed bool, err error) {
	now := s.Clock.Now()
	if err := d.Check(now); err != nil {
		return message.Message{}, false, err
	}
	m, err = s.accept(ctx, s.draft(s.id(key), tenant, d, key, now))
	if !fault.Is(err, fault.Conflict) || key.Empty() {
		return m, false, err
	}
	m, err = s.repeat(ctx, key)
	if fault.Is(err, fault.NotFound) {
		// The key was given up since; its id still stands for what was sent then.
		m, err = s.accept(ctx, s.draft(s.IDs.New("msg"), tenant, d, key, now))
		return m, false, err
	}
	return m, err == nil, err
}

// accept stores a new message, and sends it. One that the journal could only hold
// comes out of the queue when the store is back.
func (s *Service) accept(ctx context.Context, st stored) (message.Message, error) {
	now := st.message.CreatedAt
	if err := s.carriable(st.message); err != nil {
		return message.Message{}, err
	}
	first := s.first(st.message)
	st.record.Queue = s.queues.Queue(first)
	placed := !st.record.Due.After(now) && s.places.take(first)
	if placed {
		s.hold(&st.record, now)
	}
	err := s.insert(ctx, &st)
	if err == nil && !st.record.Held {
		s.dispatch(ctx, st, first, placed)
		return st.message, nil
	}
	if placed {
		s.places.release(first)
	}
	return st.message, err
}

func (s *Service) draft(id, tenant string, d message.Draft, key idem.Key, now time.Time) stored {
	m := message.Message{
		ID: id, Tenant: tenant, Status: message.Queued, From: d.From, To: d.To, Cc: d.Cc, Bcc: d.Bcc,
		ReplyTo: d.ReplyTo, Subject: d.Subject, HTML: d.HTML, Text: d.Text, Headers: d.Headers,
		Attachments: d.Attachments, Tags: d.Tags, Metadata: d.Metadata, SendAt: d.SendAt, Delivery: d.Delivery,
		Key: key.Scoped, Fingerprint: key.Fingerprint, CreatedAt: now,
	}
	s.note(&m)
	if m.From == (message.Address{}) {
		m.From = s.From
	}
	if m.Delivery == "" {
		m.Delivery = s.Promise
	}
	if m.Text == "" {
		m.Text = s.Text.Text(m.HTML)
	}
	m.MessageID = m.ID + "@" + m.From.Email[strings.LastIndexByte(m.From.Email, '@')+1:]
	for _, list := range [][]message.Address{m.To, m.Cc, m.Bcc} {
		for _, a := range list {
			m.Recipients = append(m.Recipients, message.Recipient{Email: a.Email, Status: message.Queued})
		}
	}
	due := now
	if m.SendAt.After(now) {
		due = m.SendAt
	}
	return stored{message: m, record: ports.Record{Idem: key.Scoped, Due: due}}
}

// repeat answers a request whose key is taken.
func (s *Service) repeat(ctx context.Context, key idem.Key) (message.Message, error) {
	r, err := s.Journal.Find(ctx, Kind, ports.ByIdem, key.Scoped)
	if err != nil {
		return message.Message{}, err
	}
	st, err := decode(r)
	if err != nil {
		return message.Message{}, err
	}
	if err := key.Match(st.message.Fingerprint); err != nil || st.message.ErasedAt.IsZero() {
		return st.message, err
	}
	return message.Message{}, errErased
}

// jitter spreads the messages that one outage has held back, by a tenth.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1) //nolint:gosec // not a secret
}
