package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"patchbay/adapters/clock"
	"patchbay/adapters/handlebars"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/mail/mimeread"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/metrics"
	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/provider"
	"patchbay/adapters/resilience"
	"patchbay/adapters/templatedir"
	"patchbay/app/secrets"
	"patchbay/config"
	"patchbay/config/setting"
	"patchbay/core/apikeys"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/events"
	"patchbay/core/idempotency"
	"patchbay/core/logging"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/retention"
	"patchbay/core/suppression"
	"patchbay/core/suppressions"
	"patchbay/core/user"
	"patchbay/core/users"
	"patchbay/core/webhooks"
	"patchbay/core/worker"
	"patchbay/ports"
)

// services are the use cases on the store, for the gateway and for the commands that work
// while none runs. Only those that are needed are made.
var services = fx.Provide(openStorage, newAPIKeys, newHooks, newAccounts, newPayments, newSuppressions, newEmails, newWebhooks, newUsers, newPersonalData, newOperations)

// modules is the whole gateway. Components that start first stop last: the store outlives
// the workers, and the workers outlive the listeners.
var modules = fx.Options(
	services,
	fx.Provide(newEnvironment, newGateways, newMailers, newRetention, newEvents, newAPI, newSMTP, newAdminAPI),
	fx.Invoke(announce, requireKey, showBacklog, runWorkers, listen),
)

// unlogged keeps fx from writing to the log.
var unlogged = fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger })

// environment holds what adapters and services are built with.
type environment struct {
	clock    ports.Clock
	ids      ports.IDs
	log      *slog.Logger
	outages  *logging.Outages
	metrics  *metrics.Metrics
	secrets  secrets.Secrets
	owner    string                  // of leases: identifies this process
	base     *atomic.Pointer[string] // URL of the API, set once it listens
	admin    *atomic.Pointer[string] // URL of the admin listener, set once it listens
	journal  ports.Journal
	wake     func() // wakes the worker that delivers the mock's webhooks
	readOnly bool   // stores are only read, and not marked as in use
	existing bool   // stores must exist; none is created
	restored *restored
}

// newEnvironment returns the environment of a gateway. It creates the secrets if there are
// none.
func newEnvironment(c *config.Config, log logging.Log) (environment, error) {
	installation, err := secrets.Open(c.DataDir())
	if err != nil {
		return environment{}, err
	}
	return environmentOf(c, log, installation), nil
}

func environmentOf(c *config.Config, log logging.Log, installation secrets.Secrets) environment {
	uuids := ids.UUIDs{}
	return environment{
		clock: clock.System{}, ids: uuids, log: log.Logger, outages: log.Outages, metrics: metrics.New(), secrets: installation, owner: uuids.New("own"), base: new(atomic.Pointer[string]), admin: new(atomic.Pointer[string]),
		restored: newRestored(c, log.Logger),
	}
}

// endpoint returns what returns the URL to which a simulated provider sends its webhooks, or "" before
// the API listens.
func (s environment) endpoint(format string) func() string {
	return func() string {
		if base := s.base.Load(); base != nil {
			return *base + "/api/webhooks/" + format
		}
		return ""
	}
}

// webhookSecrets returns the secrets that verify a provider's webhooks: the configured ones
// or, for a simulated provider without any, one derived from the installation's secret.
func (s environment) webhookSecrets(p config.Provider) []setting.Secret {
	signs, ok := p.Settings.(setting.Signs)
	if !ok {
		return nil
	}
	_, secrets := signs.Signing()
	if p.Type.Simulated && len(secrets) == 0 {
		return []setting.Secret{setting.NewSecret(s.secrets.MockWebhook + p.Name)} // different for each provider
	}
	return secrets
}

// credential returns a digest, under this installation's secret, of the credential that
// identifies the account to a provider. It is empty if the provider has none.
func (s environment) credential(p config.Provider) string {
	settings, ok := p.Settings.(setting.Identifies)
	if !ok {
		return ""
	}
	mac := hmac.New(sha256.New, s.secrets.Pepper)
	_, _ = io.WriteString(mac, "credential\n"+p.Type.Name+"\n"+settings.Credential()) // a hash never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// messageNames generates the ids of messages, in the store and in the spool.
func (s environment) messageNames() emails.Names {
	return emails.Names{Secret: s.secrets.For("message ids"), Keys: s.keySecret()}
}

// keySecret conceals what is kept of idempotency keys and requests.
func (s environment) keySecret() idempotency.Secret { return s.secrets.For("idempotency keys") }

func newAPIKeys(store Storage, f fallback, s environment) *apikeys.Service {
	return apikeys.New(apikeys.Options{Journal: store.Journal, Local: f.local, Clock: s.clock, IDs: s.ids, Pepper: s.secrets.Pepper})
}

// mocks are the mock payment providers in use, in their order.
type mocks []*mockpay.Gateway

// newGateways returns the payment providers in use, each within its policy, and the worker
// that delivers the webhooks of the mocks among them.
func newGateways(c *config.Config, store Storage, under *underway, s environment) (gateways []ports.PaymentGateway, simulated mocks, deliveries *worker.Worker, err error) {
	deliveries = &worker.Worker{
		Journal: store.Journal, Queue: mockpay.WebhookQueue, Owner: s.owner, Lease: mockpay.WebhookLease,
		Idle: idle, Limit: 16, Log: s.log,
	}
	s.journal, s.wake = store.Journal, deliveries.Nudge
	for i, name := range c.Payments.Providers {
		p := c.Provider[name]
		gateway, err := built(p.From.(provider.Payment).New(s.environmentFor(p))) // the configuration has checked the type
		if err != nil {
			return nil, nil, nil, fmt.Errorf("payment provider %q: %w", name, err)
		}
		bounded := resilience.NewGateway(gateway, withPolicy(p, s, rolePayments(i == len(c.Payments.Providers)-1)))
		under.calls = append(under.calls, bounded.Underway)
		gateways = append(gateways, bounded)
		s.metrics.AddReviews(name, payment.ReviewReasons()...)
		if mock, ok := gateway.(*mockpay.Gateway); ok {
			simulated = append(simulated, mock)
		}
	}
	deliveries.Handle = func(ctx context.Context, claim ports.Claim) error {
		mock, err := simulated.find(strings.TrimPrefix(claim.Tenant, "provider:"))
		if err != nil { // it is not configured any more
			return nil
		}
		return mock.HandleWebhook(ctx, claim)
	}
	return gateways, simulated, deliveries, nil
}

// newMailers returns the mail providers in use, each within its policy, and the first mail
// catcher among them, or nil if there is none.
func newMailers(c *config.Config, under *underway, s environment) (mailers []ports.Mailer, catcher *catchermail.Catcher, err error) {
	for i, name := range c.Mail.Providers {
		p := c.Provider[name]
		mailer, err := built(p.From.(provider.Mail).New(s.environmentFor(p))) // as above
		if err != nil {
			return nil, nil, fmt.Errorf("mail provider %q: %w", name, err)
		}
		bounded := resilience.NewMailer(mailer, withPolicy(p, s, roleMail(i == len(c.Mail.Providers)-1)))
		under.calls = append(under.calls, bounded.Underway)
		mailers = append(mailers, senders(c).Wrap(staging(c).Wrap(bounded)))
		s.metrics.AddMailEvents(name, emails.Results()...)
		s.metrics.Add(name, heldBack)
		if catches, ok := mailer.(*catchermail.Catcher); ok && catcher == nil {
			catcher = catches
		}
	}
	return mailers, catcher, nil
}

// newAccounts resolves which accounts the configured provider names stand for.
func newAccounts(c *config.Config, store Storage, gateways []ports.PaymentGateway, s environment) *payments.KnownAccounts {
	digests := make(map[string]string)
	for _, name := range c.Payments.Providers {
		digests[name] = s.credential(c.Provider[name])
	}
	return payments.NewAccounts(store.Journal, gateways, digests, s.clock, s.log)
}

func newPayments(c *config.Config, store Storage, gateways []ports.PaymentGateway, known *payments.KnownAccounts, h hooks,
	s environment,
) *payments.Service {
	service := payments.New(payments.Options{
		Journal: store.Journal, Gateways: gateways, Accounts: known, Events: h, Clock: s.clock, IDs: s.ids,
		Currencies: c.Payments.Currencies, Secret: s.secrets.For("payment keys"), Owner: s.owner, Log: s.log,
		Reviewed: s.metrics.Reviewed, Restored: s.restored.restore, SkipAfterRestore: c.Payments.SkipAfterRestore,
		Recalled: func(ctx context.Context, at time.Time) error {
			return s.restored.recalled(ctx, store.Journal, s.clock, at)
		},
	})
	s.metrics.Held(service.Held)
	return service
}

func newSuppressions(c *config.Config, store Storage, s environment) *suppressions.Service {
	for _, r := range suppression.Reasons() {
		s.metrics.AddSuppressions(string(r))
	}
	return suppressions.New(suppressions.Options{
		Journal: store.Journal, Clock: s.clock, IDs: s.ids, HashSecret: s.secrets.For("suppressed addresses"), LinkSecret: s.secrets.For("unsubscribe links"),
		Policy: suppression.Policy{ComplaintsStopAll: c.Mail.Suppressions.Complaints == "all"}, PublicURL: string(c.Server.PublicURL),
		ASCIIAddress: rfc5322.Composed, Decomposed: rfc5322.Decomposed, Counted: func(r suppression.Reason) { s.metrics.Suppressed(string(r)) },
	})
}

func newEmails(c *config.Config, store Storage, mailers []ports.Mailer, h hooks, suppressed *suppressions.Service, s environment) (*emails.Service, error) {
	from, err := email.ParseAddress(c.Mail.From)
	if err != nil {
		return nil, fmt.Errorf("mail.from: %w", err)
	}
	templates, renderer, err := newTemplates(c.Mail.Templates, s)
	if err != nil {
		return nil, err
	}
	return emails.New(emails.Options{
		Templates: templates, Renderer: renderer, MIME: mimeread.Reader{},
		Journal: store.Journal, Mailers: mailers, Text: htmltext.Text{}, Clock: s.clock, IDs: s.ids,
		Staging: staging(c), Senders: senders(c), Rates: rates(c), HeldBack: func(provider string) { s.metrics.Decided(provider, heldBack) }, From: from, Delivery: c.Mail.Delivery, Retention: time.Duration(c.Storage.Retention), Owner: s.owner, Log: s.log,
		Names: s.messageNames(), TermSecret: s.secrets.For("what mail is found by"), Events: h.mailReaders(), ASCIIAddress: rfc5322.Composed, UnmarkedTenant: apikeys.DefaultTenant, Suppressions: suppressed,
		Counted: s.metrics.MailEvent, Restored: s.restored.known,
	}), nil
}

// staging returns what the configuration says of mail that is not for its recipients.
func staging(c *config.Config) emails.Staging {
	to, _ := email.ParseAddress(c.Mail.RedirectTo) // checked by the configuration; empty means none
	return emails.Staging{Sandbox: c.Mail.Sandbox, RedirectTo: to, Allowed: c.Mail.AllowedRecipients}
}

// rates returns the limits of the mail providers.
func rates(c *config.Config) map[string]emails.Rate {
	all := map[string]emails.Rate{}
	for _, name := range c.Mail.Providers {
		r := c.Provider[name].Policy.Rate
		if r.Limit == "" && r.WarmUp.FirstDay == 0 {
			continue
		}
		most, per := r.Limit.Split()
		all[name] = emails.Rate{
			Most: most, Per: per, Waits: r.Then == config.ThenWait,
			WarmUp: emails.WarmUp{Begins: r.WarmUp.Begins.Begins(), FirstDay: r.WarmUp.FirstDay, Growth: r.WarmUp.Growth},
		}
	}
	return all
}

func senders(c *config.Config) emails.Senders {
	return emails.Senders{Domains: c.Mail.FromDomains, Allowed: c.Mail.Senders, ASCII: rfc5322.ASCII}
}

// TemplateDir returns the directory of templates. The default one need not be there.
func TemplateDir(c config.Templates) (fs.FS, error) {
	dir := os.DirFS(c.Directory)
	if c.Directory == config.DefaultTemplates {
		return dir, nil
	}
	_, err := os.Stat(c.Directory) // its error names the directory
	return dir, err
}

// CheckTemplates returns the mistakes in the directory of templates with which the gateway does not start.
func CheckTemplates(c config.Templates) error {
	_, err := openTemplates(c, clock.System{}, slog.New(slog.DiscardHandler))
	return err
}

func openTemplates(c config.Templates, clock ports.Clock, log *slog.Logger) (templates *templatedir.Directory, err error) {
	dir, err := TemplateDir(c)
	if err == nil {
		templates, err = templatedir.Open(dir, handlebars.Valid, clock, log)
	}
	if err != nil {
		return nil, fmt.Errorf("mail.templates.directory: %w", err)
	}
	return templates, nil
}

// newTemplates reads the directory of templates.
func newTemplates(c config.Templates, s environment) (ports.Templates, ports.TemplateRenderer, error) {
	templates, err := openTemplates(c, s.clock, s.log)
	if err != nil {
		return nil, nil, err
	}
	return templates, handlebars.New(c.MissingKey), nil
}

func newWebhooks(store Storage, h hooks, pay *payments.Service, mail *emails.Service, s environment) *webhooks.Service {
	return webhooks.New(webhooks.Options{
		Journal: store.Journal, Accounts: h.accounts, Clock: s.clock, Owner: s.owner, Log: s.log,
		Routes: h.routes(pay, mail),
	})
}

func newUsers(store Storage, f fallback, s environment) *users.Service {
	return users.New(store.Users, f.standby, s.clock, s.ids, user.Scripts{ASCII: rfc5322.Composed, Unicode: rfc5322.Unicode, Decomposed: rfc5322.Decomposed})
}

// setbacksKept is how long a failed handling of a record is kept after the record is no
// longer set aside.
const setbacksKept = 30 * 24 * time.Hour

// newRetention defines how long each kind of record is kept.
func newRetention(c *config.Config, store Storage, mail *emails.Service, in *webhooks.Service, s environment) *retention.Service {
	rules := []retention.Rule{
		{What: "keys of users", Age: idempotency.Kept, Purge: store.Users.Purge},
		{What: "parts without a whole", Age: time.Hour, Purge: store.Journal.Sweep},
		{What: "expiries of mail", Age: 48 * time.Hour, Purge: mail.PurgeExpiries},
	}
	if age := time.Duration(c.Storage.Retention); age > 0 {
		rules = append(rules, retention.Rule{What: "webhooks", Age: age, Purge: in.Purge})
	}
	rules = append(rules, retention.Rule{What: "setbacks", Age: setbacksKept, Purge: worker.Setbacks{Journal: store.Journal}.Purge})
	return &retention.Service{Rules: rules, Clock: s.clock, Log: s.log}
}

func newEvents(store Storage) *events.Service { return events.New(store.Journal) }
