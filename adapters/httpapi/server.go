// Package httpapi is the gateway's HTTP API, built on fiber. It decodes strictly, answers
// errors in one format, and leaves every decision to the core.
package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/adapters/wire"
	"patchbay/core/apikeys"
	"patchbay/core/emails"
	"patchbay/core/event"
	"patchbay/core/events"
	"patchbay/core/idempotency"
	"patchbay/core/logging"
	"patchbay/core/payments"
	"patchbay/core/suppressions"
	"patchbay/core/users"
	"patchbay/core/webhooks"
	"patchbay/ports"
)

const (
	jsonLimit    = 1 << 20  // bytes of a body
	webhookLimit = 5 << 20  // Stripe's largest events
	mailLimit    = 30 << 20 // 20 MB of attachments in base64
	clickLimit   = 16 << 10 // a form of one field
)

// Options configures a Server.
type Options struct {
	Payments     *payments.Service
	Emails       *emails.Service
	Users        *users.Service
	Webhooks     *webhooks.Service
	Events       *events.Service
	APIKeys      *apikeys.Service
	Suppressions *suppressions.Service
	IDs          ports.IDs
	// Keys conceals what is kept of idempotency keys and requests.
	Keys idempotency.Secret
	// KeysRequired refuses callers without an API key. A key that is sent is always
	// checked.
	KeysRequired bool
	// Deadline bounds the time that a request may spend in the store, over all its calls.
	// Operations that use cases have begun at a provider continue after it.
	Deadline time.Duration
	// BodyBytes bounds the request bodies in memory at once. 0 means DefaultBodyBytes.
	BodyBytes int64
	// Ready reports whether requests can be served: "ok", or "degraded" if only some of
	// them can.
	Ready func(ctx context.Context) (string, error)
	// Connections bounds what clients can hold of the server. Zero Limits mean
	// wire.Defaults.
	Connections wire.Options
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is trusted.
	TrustedProxies []netip.Prefix
	Log            *slog.Logger
	// LogRequests writes a line for each request.
	LogRequests bool
}

// Server serves the API.
type Server struct {
	Options
	app                *fiber.App
	bodies             *bodyBudget
	draining           atomic.Bool
	underway           atomic.Int64 // requests in progress
	credentialRefusals logging.Repeated
	signatureRefusals  logging.Repeated // of webhooks
	keylessRefusals    logging.Repeated // of webhooks
	memoryRefusals     logging.Repeated // of request bodies
}

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	s := &Server{
		Options: o, bodies: newBodyBudget(cmp.Or(o.BodyBytes, DefaultBodyBytes)),
		credentialRefusals: logging.Repeated{Log: o.Log, Level: slog.LevelWarn, Text: "credential is refused"},
		memoryRefusals:     logging.Repeated{Log: o.Log, Level: slog.LevelWarn, Text: "request is refused for lack of memory"},
		signatureRefusals:  logging.Repeated{Log: o.Log, Level: slog.LevelWarn, Text: "signature of a webhook is refused"},
		keylessRefusals:    logging.Repeated{Log: o.Log, Level: slog.LevelWarn, Text: "webhook is refused: its provider may be one without keys for webhooks"},
	}
	s.Connections.Trusted = s.trusts
	s.Connections.Limits = cmp.Or(s.Connections.Limits, wire.Defaults)
	s.app = fiber.New(fiber.Config{
		AppName: "Patchbay", DisableStartupMessage: true, ServerHeader: "",
		WriteTimeout: 35 * time.Second, BodyLimit: mailLimit, ErrorHandler: s.fail,
		StrictRouting: true, CaseSensitive: true, // one spelling for each path
		DisableDefaultContentType: true, DisablePreParseMultipartForm: true,
	})
	s.app.Server().CloseOnShutdown = true
	s.app.Server().NoDefaultServerHeader = true
	s.app.Server().Handler = s.logged(s.unknownMethods(s.app.Server().Handler))
	wire.Wrap(s.app.Server(), s.Connections.Head, s.answerUnread)
	s.routes()
	return s
}

// Serve answers requests on a listener until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	return s.app.Listener(wire.Listen(l, s.Connections))
}

// Shutdown reports the server as not ready, accepts no new connections, and waits for the
// requests in progress until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	return s.app.ShutdownWithContext(ctx)
}

func (s *Server) routes() {
	s.app.Use(s.prepare)
	s.handle(fiber.MethodPost, "/api/payments", scopePay, jsonLimit, withBody(s.createPayment))
	s.handle(fiber.MethodGet, "/api/payments", "payments:read", jsonLimit, withPage(s.listPayments), "reference", "customerId", "status", "cursor", "limit")
	s.handle(fiber.MethodGet, "/api/payments/:id", "payments:read", jsonLimit, s.getPayment)
	s.handle(fiber.MethodPost, "/api/payments/:id/confirm", scopePay, jsonLimit, withBody(s.confirmPayment))
	s.handle(fiber.MethodPost, "/api/payments/:id/capture", scopePay, jsonLimit, withBody(s.capturePayment))
	s.handle(fiber.MethodPost, "/api/payments/:id/cancel", scopePay, jsonLimit, withBody(s.cancelPayment))
	s.handle(fiber.MethodPost, "/api/payments/:id/sync", scopePay, jsonLimit, withBody(s.syncPayment))
	s.handle(fiber.MethodPost, "/api/payments/:id/resolve", "payments:resolve", jsonLimit, withBody(s.resolvePayment))
	s.handle(fiber.MethodPost, "/api/payments/:id/refunds", scopePay, jsonLimit, withBody(s.refundPayment))
	s.handle(fiber.MethodGet, "/api/payments/:id/refunds", "payments:read", jsonLimit, s.listRefunds)
	s.handle(fiber.MethodPost, "/api/emails", "emails:write", mailLimit, withBody(s.sendEmail))
	s.handle(fiber.MethodGet, "/api/emails", "emails:read", jsonLimit, withPage(s.listEmails),
		"status", "batch", "recipient", "tag", "metadata"+object, "createdFrom", "createdBefore", "cursor", "limit")
	s.handle(fiber.MethodPost, "/api/emails/batch", "emails:write", mailLimit, withBody(s.sendBatch))
	s.handle(fiber.MethodGet, "/api/emails/batch/:id", "emails:read", jsonLimit, s.getBatch)
	s.handle(fiber.MethodPost, "/api/emails/batch/:id/cancel", "emails:write", jsonLimit, withBody(s.cancelBatch))
	s.handle(fiber.MethodPost, "/api/emails/batch/:id/reschedule", "emails:write", jsonLimit, withBody(s.rescheduleBatch))
	s.handle(fiber.MethodGet, "/api/emails/:id", "emails:read", jsonLimit, s.getEmail)
	s.handle(fiber.MethodGet, "/api/emails/:id/content", scopeContent, jsonLimit, s.getContent, "personalization")
	s.handle(fiber.MethodGet, "/api/emails/:id/attachments/:number", scopeContent, jsonLimit, s.getAttachment)
	s.handle(fiber.MethodPost, "/api/emails/:id/retry", "emails:write", jsonLimit, withBody(s.retryEmail))
	s.handle(fiber.MethodPost, "/api/emails/retry", "emails:write", jsonLimit, withBody(s.retryEmails))
	s.handle(fiber.MethodPost, "/api/emails/:id/reschedule", "emails:write", jsonLimit, withBody(s.rescheduleEmail))
	s.handle(fiber.MethodPost, "/api/emails/:id/cancel", "emails:write", jsonLimit, withBody(s.cancelEmail))
	s.handle(fiber.MethodPost, "/api/suppressions", "suppressions:write", jsonLimit, withBody(s.addSuppression))
	s.handle(fiber.MethodGet, "/api/suppressions", "suppressions:read", jsonLimit, withPage(s.listSuppressions), "email", "cursor", "limit")
	s.handle(fiber.MethodGet, "/api/suppressions/:id", "suppressions:read", jsonLimit, s.getSuppression)
	s.handle(fiber.MethodDelete, "/api/suppressions/:id", "suppressions:write", jsonLimit, s.removeSuppression, "reason")
	s.handle(fiber.MethodGet, "/unsubscribe/:token", open, clickLimit, s.confirmUnsubscribe)
	s.handle(fiber.MethodPost, "/unsubscribe/:token", open, clickLimit, s.unsubscribe)
	s.handle(fiber.MethodPost, "/api/users", "users:write", jsonLimit, withBody(s.createUser))
	s.handle(fiber.MethodGet, "/api/users", "users:read", jsonLimit, withPage(s.listUsers), "email", "cursor", "limit")
	s.handle(fiber.MethodGet, "/api/users/:id", "users:read", jsonLimit, s.getUser)
	s.handle(fiber.MethodPatch, "/api/users/:id", "users:write", jsonLimit, s.updateUser)
	s.handle(fiber.MethodDelete, "/api/users/:id", "users:write", jsonLimit, s.deleteUser)
	s.handle(fiber.MethodGet, "/api/events", "events:read", jsonLimit, withPage(s.listEvents), "cursor", "limit")
	s.handle(fiber.MethodPost, "/api/webhooks/:route", open, webhookLimit, s.receiveWebhook)
	s.handle(fiber.MethodGet, "/healthz", open, jsonLimit, s.health)
	s.handle(fiber.MethodGet, "/readyz", open, jsonLimit, s.ready)
	s.handle(fiber.MethodGet, "/openapi.json", public, jsonLimit, s.openapi)
	s.handle(fiber.MethodGet, "/docs", public, jsonLimit, s.docs)
}

func (s *Server) health(*request) (any, error) { return api.Health{Status: "ok"}, nil }

func (s *Server) ready(r *request) (any, error) {
	if s.draining.Load() {
		return nil, refuse(fiber.StatusServiceUnavailable, "draining", "the gateway is shutting down")
	}
	status, err := s.Ready(r.ctx)
	return api.Health{Status: status}, err
}

func (s *Server) listEvents(r *request, cursor string, limit int) (any, error) {
	events, next, err := s.Events.Read(r.ctx, r.caller.Tenant, cursor, limit)
	return api.EventPage{Data: views(events, eventView), NextCursor: next}, err
}

func eventView(e event.Event) api.FeedEvent {
	return api.FeedEvent{Id: e.ID, Type: e.Type, Subject: e.Subject, At: e.At, Data: e.Data}
}
