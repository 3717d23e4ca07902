package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"go.uber.org/fx"

	"patchbay/adapters/failover"
	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/metrics"
	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/render"
	"patchbay/adapters/sys"
	"patchbay/app/installation"
	"patchbay/config"
	"patchbay/core/access"
	"patchbay/core/checkout"
	"patchbay/core/directory"
	"patchbay/core/feed"
	"patchbay/core/idem"
	"patchbay/core/inbox"
	"patchbay/core/logging"
	"patchbay/core/mailroom"
	"patchbay/core/message"
	"patchbay/core/payment"
	"patchbay/core/queue"
	"patchbay/core/retention"
	"patchbay/ports"
)

// modules is the whole gateway. What is started first is stopped last: the
// store outlives the workers, and they the listeners.
var modules = fx.Options(
	fx.Provide(newSurroundings, openServed, newAccess, newGateways, newMailers, newHooks,
		newAccounts, newCheckout, newMailroom, newInbox, newDirectory, newRetention, newFeed, newPrivacy, newAPI, newConsole),
	fx.Invoke(announce, requireKey, showBacklog, runWorkers, listen),
)

// surroundings is what adapters are made with.
type surroundings struct {
	clock    ports.Clock
	ids      ports.IDs
	log      *slog.Logger
	outages  *logging.Outages
	metrics  *metrics.Metrics
	secrets  installation.Secrets
	owner    string                  // of leases: this process
	base     *atomic.Pointer[string] // URL of the API, once it listens
	journal  ports.Journal
	wake     func() // the worker that delivers the mock's webhooks
	looking  bool   // stores are not used, only looked at
	existing bool   // no store is made
	restored *restored
}

// newSurroundings is for a gateway, which makes what is not there yet.
func newSurroundings(c *config.Config, log logging.Log) (surroundings, error) {
	secrets, err := installation.Open(c.DataDir())
	if err != nil {
		return surroundings{}, err
	}
	return surround(c, log, secrets), nil
}

func surround(c *config.Config, log logging.Log, secrets installation.Secrets) surroundings {
	ids := sys.IDs{}
	return surroundings{
		clock: sys.Clock{}, ids: ids, log: log.Logger, outages: log.Outages, metrics: metrics.New(), secrets: secrets, owner: ids.New("own"), base: new(atomic.Pointer[string]),
		restored: newRestored(c, log.Logger),
	}
}

// endpoint is where the mock sends its webhooks.
func (s surroundings) endpoint() string {
	if base := s.base.Load(); base != nil {
		return *base + "/api/webhooks/stripe"
	}
	return ""
}

// webhookSecrets verify a provider's webhooks: the configured ones, or, for a
// mock, that of this installation.
func (s surroundings) webhookSecrets(p config.Provider) []string {
	var secrets []string
	if signs, ok := p.Settings.(config.Signs); ok {
		for _, one := range signs.Webhooks() {
			secrets = append(secrets, one.Reveal())
		}
	}
	if _, mock := p.Settings.(*config.Mock); mock && len(secrets) == 0 {
		return []string{s.secrets.MockWebhook + p.Name} // never the same for two
	}
	return secrets
}

// credential is a digest of that by which a provider knows the account, under this
// installation's secret; empty where it knows none.
func (s surroundings) credential(p config.Provider) string {
	settings, ok := p.Settings.(config.Identifies)
	if !ok {
		return ""
	}
	mac := hmac.New(sha256.New, s.secrets.Pepper)
	_, _ = io.WriteString(mac, "credential\n"+p.Type.Name+"\n"+settings.Credential()) // a hash takes everything
	return hex.EncodeToString(mac.Sum(nil))
}

// messageNames make the ids of messages, here and in the spool.
func (s surroundings) messageNames() mailroom.Names {
	return mailroom.Names{Secret: s.secrets.For("message ids")}
}

func newAccess(store Storage, f fallback, s surroundings) *access.Service {
	return access.New(access.Options{Journal: store.Journal, Local: f.local, Clock: s.clock, IDs: s.ids, Pepper: s.secrets.Pepper})
}

// mockWorker delivers the webhooks of all mock accounts; nil where there is none.
type mockWorker struct{ *queue.Worker }

// accounts are the payment providers as they are; callers get them within their
// policies.
type accounts []ports.PaymentGateway

func newGateways(c *config.Config, store Storage, under *underway, s surroundings) (accounts, []ports.PaymentGateway, mockWorker, error) {
	worker := &queue.Worker{
		Journal: store.Journal, Queue: mockpay.WebhookQueue, Owner: s.owner, Lease: mockpay.WebhookLease,
		Idle: idle, Limit: 16, Log: s.log,
	}
	s.journal, s.wake = store.Journal, worker.Nudge
	mocks := make(map[string]*mockpay.Gateway)
	var bare accounts
	var gateways []ports.PaymentGateway
	for i, name := range c.Payments.Providers {
		p := c.Provider[name]
		e, err := find(p)
		if err != nil {
			return nil, nil, mockWorker{}, err
		}
		gateway, err := e.payment(p, s)
		if err != nil {
			return nil, nil, mockWorker{}, fmt.Errorf("payment provider %q: %w", name, err)
		}
		bare = append(bare, gateway)
		bounded := failover.NewGateway(gateway, within(p, s, rolePayments(i == len(c.Payments.Providers)-1)))
		under.addCalls(bounded.Underway)
		gateways = append(gateways, bounded)
		s.metrics.AddReviews(name, payment.ReviewReasons()...)
		if mock, ok := gateway.(*mockpay.Gateway); ok {
			mocks["provider:"+name] = mock
		}
	}
	if len(mocks) == 0 {
		return bare, gateways, mockWorker{}, nil
	}
	worker.Handle = func(ctx context.Context, claim ports.Claim) error {
		if mock, ok := mocks[claim.Tenant]; ok {
			return mock.HandleWebhook(ctx, claim)
		}
		return nil
	}
	return bare, gateways, mockWorker{worker}, nil
}

// posts are the mail providers as they are; the mailroom gets them within their
// policies.
type posts []ports.Mailer

func newMailers(c *config.Config, under *underway, s surroundings) (posts, []ports.Mailer, error) {
	var bare posts
	var mailers []ports.Mailer
	for i, name := range c.Mail.Providers {
		p := c.Provider[name]
		e, err := find(p)
		if err != nil {
			return nil, nil, err
		}
		mailer, err := e.mail(p)
		if err != nil {
			return nil, nil, fmt.Errorf("mail provider %q: %w", name, err)
		}
		bare = append(bare, mailer)
		bounded := failover.NewMailer(mailer, within(p, s, roleMail(i == len(c.Mail.Providers)-1)))
		under.addCalls(bounded.Underway)
		mailers = append(mailers, bounded)
		s.metrics.AddTold(name, mailroom.Told()...)
	}
	return bare, mailers, nil
}

// newAccounts learns which accounts the configured names mean.
func newAccounts(c *config.Config, store Storage, gateways []ports.PaymentGateway, s surroundings) *checkout.KnownAccounts {
	digests := make(map[string]string)
	for _, name := range c.Payments.Providers {
		digests[name] = s.credential(c.Provider[name])
	}
	return checkout.NewAccounts(store.Journal, gateways, digests, s.clock, s.log)
}

func newCheckout(c *config.Config, store Storage, gateways []ports.PaymentGateway, known *checkout.KnownAccounts, h hooks,
	s surroundings,
) *checkout.Service {
	service := checkout.New(checkout.Options{
		Journal: store.Journal, Gateways: gateways, Accounts: known, Events: h.stripe, Clock: s.clock, IDs: s.ids,
		Currencies: c.Payments.Currencies, Secret: s.secrets.For("payment keys"), Owner: s.owner, Log: s.log,
		Reviewed: s.metrics.Reviewed, Restored: s.restored.restore, SkipAfterRestore: c.Payments.SkipAfterRestore,
		Recalled: func(ctx context.Context, at time.Time) error {
			return s.restored.recalled(ctx, store.Journal, s.clock, at)
		},
	})
	s.metrics.Held(service.Held)
	return service
}

func newMailroom(c *config.Config, store Storage, mailers []ports.Mailer, h hooks, s surroundings) (*mailroom.Service, error) {
	from, err := message.ParseAddress(c.Mail.From)
	if err != nil {
		return nil, fmt.Errorf("mail.from: %w", err)
	}
	return mailroom.New(mailroom.Options{
		Journal: store.Journal, Mailers: mailers, Text: render.Text{}, Clock: s.clock, IDs: s.ids,
		From: from, Promise: c.Mail.Delivery, Retention: time.Duration(c.Storage.Retention), Owner: s.owner, Log: s.log,
		Names: s.messageNames(), Events: h.mail, Mailbox: rfc5322.ASCII, Unmarked: access.DefaultTenant,
		Told: s.metrics.Told, Restored: s.restored.known,
	}), nil
}

func newInbox(store Storage, h hooks, pay *checkout.Service, mail *mailroom.Service, s surroundings) *inbox.Service {
	return inbox.New(inbox.Options{
		Journal: store.Journal, Accounts: h.accounts, Clock: s.clock, Owner: s.owner, Log: s.log,
		Routes: h.routes(pay, mail),
	})
}

func newDirectory(store Storage, f fallback, s surroundings) *directory.Service {
	return directory.New(store.Users, f.standby, s.clock, s.ids)
}

// setbacksKept is how long it is kept that a record could not be handled, once it is not set
// aside any more.
const setbacksKept = 30 * 24 * time.Hour

// newRetention says how long what goes as a whole is kept.
func newRetention(c *config.Config, store Storage, in *inbox.Service, s surroundings) *retention.Service {
	rules := []retention.Rule{
		{What: "keys of users", Age: idem.Kept, Purge: store.Users.Purge},
		{What: "parts without a whole", Age: time.Hour, Purge: store.Journal.Sweep},
	}
	if age := time.Duration(c.Storage.Retention); age > 0 {
		rules = append(rules, retention.Rule{What: "webhooks", Age: age, Purge: in.Purge})
	}
	rules = append(rules, retention.Rule{What: "setbacks", Age: setbacksKept, Purge: queue.Setbacks{Journal: store.Journal}.Purge})
	return &retention.Service{Rules: rules, Clock: s.clock, Log: s.log}
}

func newFeed(store Storage) *feed.Service { return feed.New(store.Journal) }

// mailbox is the first mail catcher in use, nil where there is none.
func mailbox(mailers posts) *catchermail.Catcher {
	for _, m := range mailers {
		if c, ok := m.(*catchermail.Catcher); ok {
			return c
		}
	}
	return nil
}

// book is the first mock provider in use, nil where there is none.
func book(gateways accounts) *mockpay.Gateway {
	for _, g := range gateways {
		if m, ok := g.(*mockpay.Gateway); ok {
			return m
		}
	}
	return nil
}
