package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"go.uber.org/fx"

	"patchbay/adapters/adminapi"
	"patchbay/adapters/httpapi"
	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/smtpapi"
	"patchbay/adapters/wire"
	"patchbay/config"
	"patchbay/core/apikeys"
	"patchbay/core/emails"
	"patchbay/core/events"
	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/payments"
	"patchbay/core/personaldata"
	"patchbay/core/retention"
	"patchbay/core/suppressions"
	"patchbay/core/users"
	"patchbay/core/webhooks"
	"patchbay/core/worker"
	"patchbay/ports"
)

const (
	idle = time.Second // how often a worker polls when nothing wakes it
	// publishing is the number of records whose events are moved to the feed in one call,
	// for stores that do not publish when they save.
	publishing = 100
)

// useCases holds every use case.
type useCases struct {
	fx.In
	Payments     *payments.Service
	Accounts     *payments.KnownAccounts
	Emails       *emails.Service
	Webhooks     *webhooks.Service
	Users        *users.Service
	Retention    *retention.Service
	Events       *events.Service
	APIKeys      *apikeys.Service
	Suppressions *suppressions.Service
}

func newAPI(c *config.Config, u useCases, store Storage, f fallback, s environment) *httpapi.Server {
	most := cmp.Or(c.Server.MaxConnections, wire.DefaultMax())
	return httpapi.New(httpapi.Options{
		Connections:    wire.Options{Max: most, MaxPerAddress: cmp.Or(c.Server.MaxConnectionsPerAddress, (most+1)/2), Log: s.log},
		TrustedProxies: c.Server.TrustedProxies, BodyBytes: bodyBytes(c),
		Payments: u.Payments, Emails: u.Emails, Users: u.Users, Webhooks: u.Webhooks, Events: u.Events, APIKeys: u.APIKeys, Suppressions: u.Suppressions,
		IDs: s.ids, Keys: s.keySecret(), KeysRequired: c.KeysRequired(), Deadline: storeDeadline(c), Ready: func(ctx context.Context) (string, error) { return f.health(ctx, store) }, Log: s.log, LogRequests: c.Log.Requests,
	})
}

// newSMTP returns the way in by SMTP, nil if there is none.
func newSMTP(c *config.Config, u useCases, s environment) (*smtpapi.Server, error) {
	in := c.Mail.SMTP
	if in.Address == "" {
		return nil, nil //nolint:nilnil // it is off
	}
	o := smtpapi.Options{
		HandOver: u.Emails.HandOver, Authenticate: u.APIKeys.Authenticate, IDs: s.ids, KeysRequired: c.SMTPKeysRequired(),
		Deadline: storeDeadline(c), Limits: smtpLimits(c), Log: s.log, LogRequests: c.Log.Requests,
	}
	if in.TLS.CertFile != "" {
		certificates, err := smtpapi.OpenCertificates(in.TLS.CertFile, in.TLS.KeyFile, s.log)
		if err != nil {
			return nil, fmt.Errorf("mail.smtp.tls: %w", err)
		}
		o.Certificate = certificates.Get
	}
	return smtpapi.New(o), nil
}

// newOperations returns what an operator may do with the store.
func newOperations(c *config.Config, keys *apikeys.Service, people *personaldata.Service, pay *payments.Service, suppressed *suppressions.Service, mail *emails.Service, store Storage, f fallback, s environment) adminapi.Service {
	o := adminapi.Service{
		APIKeys: keys, PersonalData: people, Payments: pay, Suppressions: suppressed, Emails: mail,
		Storage: func(ctx context.Context) adminapi.Storage { return f.status(ctx, c, store) },
		PutBack: func(ctx context.Context, record string) error {
			return setbacksOf(store, f).putBack(ctx, record, s.clock.Now())
		},
	}
	if store.Snapshots != nil {
		o.Backup = store.Snapshots.Snapshot
	}
	return o
}

func newAdminAPI(c *config.Config, operations adminapi.Service, store Storage, f fallback, simulated mocks, catcher *catchermail.Catcher, s environment) *adminapi.Server {
	setbacksOf(store, f).show(s)
	o := adminapi.Options{
		Service: operations, Identity: Identity(c, s.secrets), KeysRequired: c.KeysRequired(), API: "http://" + c.Server.Address, Metrics: s.metrics.Handler(), Log: s.log,
	}
	if catcher != nil {
		o.Mailbox = catcher
	}
	if len(simulated) > 0 {
		o.Book, o.Approvals = simulated[0], simulated
	}
	return adminapi.New(o)
}

// requireKey refuses to serve other machines while there is no API key.
func requireKey(c *config.Config, keys *apikeys.Service, f fallback, log *slog.Logger) error {
	if !c.KeysRequired() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	some, err := keys.Any(ctx)
	if fault.Is(err, fault.Unavailable) && f.spool != nil {
		log.Warn("keys cannot be listed while the database is not available; those used lately are known")
		return nil
	}
	if err != nil {
		return err
	}
	if !some {
		return fmt.Errorf("%s needs API keys, and there is none: make one with `patchbay keys create --name NAME`", c.Server.Address)
	}
	return nil
}

// runWorkers runs the background workers.
func runWorkers(l fx.Lifecycle, u useCases, simulated mocks, deliveries *worker.Worker, store Storage, f fallback, s environment) {
	ctx, stop := context.WithCancel(context.Background())
	running := guard.Group{Log: s.log}
	l.Append(fx.Hook{
		OnStart: func(context.Context) error {
			for what, run := range f.tasks {
				running.Keep(ctx, what, run)
			}
			running.Keep(ctx, "accounts", u.Accounts.Run)
			running.Keep(ctx, "payments", u.Payments.Run)
			running.Keep(ctx, "mail", u.Emails.Run)
			running.Keep(ctx, "webhooks", u.Webhooks.Run)
			running.Keep(ctx, "retention", u.Retention.Run)
			running.Keep(ctx, "feed", func(ctx context.Context) { publish(ctx, store.Journal, s.log) })
			running.Keep(ctx, "feed of an older copy", func(ctx context.Context) { s.restored.run(ctx, store.Journal, s.clock, u.Payments.RestoreNoticed) })
			if len(simulated) > 0 {
				running.Keep(ctx, "webhooks of the mock", deliveries.Run)
			}
			return nil
		},
		OnStop: func(stopping context.Context) error {
			stop()
			done := make(chan struct{})
			guard.Go(s.log, "stop", func() { running.Wait(); close(done) })
			select {
			case <-done:
				return nil
			case <-stopping.Done():
				return errors.New("some work was still under way; it is resumed at the next start")
			}
		},
	})
}

// publish moves events to the feed until ctx ends.
func publish(ctx context.Context, feed ports.Feed, log *slog.Logger) {
	ticker := time.NewTicker(idle)
	defer ticker.Stop()
	for {
		moved, err := feed.Publish(ctx, publishing)
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "events are not published to the feed", "error", err)
		}
		if moved > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// listener is a server that package app starts and stops.
type listener interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

// listen opens the listeners. That of the API starts last and stops first.
func listen(l fx.Lifecycle, stop fx.Shutdowner, c *config.Config, api *httpapi.Server, smtp *smtpapi.Server, admin *adminapi.Server, simulated mocks, catcher *catchermail.Catcher, under *underway, s environment) {
	under.requests = append(under.requests, api.Underway)
	serve := func(address, name string, server listener, up func(net.Addr)) {
		l.Append(fx.Hook{
			OnStart: func(ctx context.Context) error {
				open, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				up(open.Addr())
				guard.Go(s.log, "listener", func() {
					if err := guard.Do(func() error { return server.Serve(open) }); err != nil {
						s.log.Error("listener failed", "listener", name, "error", err)
						_ = stop.Shutdown(fx.ExitCode(1)) // this fails only when a shutdown is already in progress
					}
				})
				return nil
			},
			OnStop: server.Shutdown,
		})
	}
	serve(c.Server.AdminAddress, "server.admin_address", admin, func(a net.Addr) {
		base := "http://" + a.String()
		s.admin.Store(&base)
		link := admin.SignInLink(adminapi.Operator)
		s.log.Info("console ready; the link signs a browser in, once; `patchbay console` makes another", "url", base+link.Path, "due", link.ExpiresAt)
		if catcher != nil {
			s.log.Info("caught mail is shown", "url", base+"/catcher")
		}
		if len(simulated) > 0 {
			s.log.Info("book of the mock is shown", "url", base+"/mock/charges")
		}
	})
	if smtp != nil {
		under.requests = append(under.requests, smtp.Underway)
		serve(c.Mail.SMTP.Address, "mail.smtp.address", smtp, func(a net.Addr) {
			s.log.Info("mail is taken by SMTP", "url", "smtp://"+reachable(a), "keys_required", c.SMTPKeysRequired())
		})
	}
	serve(c.Server.Address, "server.address", api, func(a net.Addr) {
		base := "http://" + reachable(a)
		s.base.Store(&base)
		s.log.Info("documentation is served", "url", base+"/docs")
		s.log.Info("gateway ready", "url", base, "keys_required", c.KeysRequired())
	})
}

// reachable returns the address at which this machine reaches its own listener.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(tcp.Port))
	}
	return a.String()
}
