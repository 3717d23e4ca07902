// Package console is the admin listener: pages and calls for the operator, who
// runs the gateway and can read the secrets of its installation. It listens on
// loopback, which every program and every browser on the machine can reach: that alone
// lets nobody do anything. Commands send a secret, and a browser is signed in by a link that is
// good for one time.
package console

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/valyala/fasthttp"

	"patchbay/adapters/wire"
	"patchbay/core/access"
	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/message"
	"patchbay/core/payment"
	"patchbay/core/privacy"
	"patchbay/ports"
)

// Mailbox is where caught mail is kept.
type Mailbox interface {
	// List describes the newest messages, newest first.
	List(limit int) ([]message.Caught, error)
	// Read returns a message as it was kept. NotFound.
	Read(name string) ([]byte, error)
}

// Book is a mock provider's book.
type Book interface {
	// Book reads what the provider holds, newest first.
	Book(ctx context.Context, cursor string, limit int) (payment.BookPage, error)
}

// Options is what a Console needs. Mailbox and Book are nil where there is none.
type Options struct {
	Identity Identity
	// KeysRequired: callers of the API need a key, so caught mail is not for everybody on
	// the machine.
	KeysRequired bool
	Access       *access.Service
	Privacy      *privacy.Service
	Payments     *checkout.Service
	Mailbox      Mailbox
	Book         Book
	API          string // the base URL of the API, for links
	Storage      func(ctx context.Context) Storage
	PutBack      func(ctx context.Context, record string) error
	Metrics      http.Handler
	// Backup takes a snapshot of the store, nil where it cannot.
	Backup func(ctx context.Context) (ports.Snapshot, error)
	Log    *slog.Logger
}

// Console serves the admin listener.
type Console struct {
	Options
	app     *fiber.App
	running context.Context // until Shutdown
	stop    context.CancelFunc

	links, sessions tokens           // of browsers
	refusals        logging.Repeated // of credentials
}

const connections = 64 // at once: one person, and what scrapes the metrics

// New makes a Console; it does not listen yet.
func New(o Options) *Console {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	c := &Console{
		Options:  o,
		links:    tokens{life: linkLife, most: openLinks},
		sessions: tokens{life: sessionLife, most: openSessions},
		refusals: logging.Repeated{Log: o.Log, Level: slog.LevelWarn, Text: "credential is refused"},
	}
	c.running, c.stop = context.WithCancel(context.Background())
	c.app = fiber.New(fiber.Config{
		DisableStartupMessage: true, WriteTimeout: 35 * time.Second, BodyLimit: 64 << 10, ErrorHandler: c.fail,
	})
	c.app.Server().CloseOnShutdown = true
	wire.Wrap(c.app.Server(), wire.Defaults.Head, c.answerUnread)
	c.routes()
	return c
}

// routes are of two kinds: what is read by everybody on this machine, and below that what
// is for operators.
func (c *Console) routes() {
	c.app.Use(c.guard)
	c.app.Get("/healthz", func(f *fiber.Ctx) error { return f.JSON(fiber.Map{"status": "ok"}) })
	c.app.Get("/metrics", adaptor.HTTPHandler(c.Metrics))
	c.app.Get(ProofPath, c.prove)
	c.app.Get("/mock/charges", c.charges)
	if !c.KeysRequired {
		c.mailPages()
	}
	c.app.Get("/", func(f *fiber.Ctx) error {
		if f.Method() == fiber.MethodGet && f.Query(signInOnce) != "" { // a HEAD, as of a preview, uses no link up
			return c.signIn(f)
		}
		return f.Next()
	})

	c.app.Use(c.operatorsOnly)
	c.app.Get("/", c.index)
	if c.KeysRequired {
		c.mailPages()
	}
	c.handle(fiber.MethodPost, "/admin/links", "console.link", c.makeLink)
	c.handle(fiber.MethodGet, "/admin/storage", "storage.status", c.storage)
	c.handle(fiber.MethodPost, "/admin/storage/put-back", "record.put_back", c.putBack)
	c.handle(fiber.MethodGet, "/admin/storage/backup", "storage.backup", c.backup)
	c.handle(fiber.MethodPost, "/admin/data/export", "data.export", c.exportData)
	c.handle(fiber.MethodPost, "/admin/data/erase", "data.erase", c.eraseData)
	c.handle(fiber.MethodGet, "/admin/payments/review", "payment.review", c.listReviews)
	c.handle(fiber.MethodPost, "/admin/payments/:id/resolve", "payment.resolve", c.resolvePayment)
	c.handle(fiber.MethodGet, "/admin/keys", "key.list", c.listKeys)
	c.handle(fiber.MethodPost, "/admin/keys", "key.create", c.createKey)
	c.handle(fiber.MethodDelete, "/admin/keys/:id", "key.revoke", c.revokeKey)
}

func (c *Console) mailPages() {
	c.app.Get("/catcher", c.mailbox)
	c.app.Get("/catcher/:name", c.mail)
}

// Serve answers requests on a listener until Shutdown.
func (c *Console) Serve(l net.Listener) error {
	return c.app.Listener(wire.Listen(l, wire.Options{Limits: wire.Defaults, Max: connections, Log: c.Log}))
}

// answerUnread answers a request that could not be read, or over which a handler panicked.
func (c *Console) answerUnread(ctx *fasthttp.RequestCtx, reason *wire.Refusal) {
	f := c.app.AcquireCtx(ctx)
	defer c.app.ReleaseCtx(f)
	if reason.Err != nil {
		c.Log.Error("request to the admin listener failed", "error", reason.Err)
	}
	_ = c.fail(f, reason) // it writes to memory
}

// Shutdown waits for the requests under way until ctx ends. What takes long, and can
// be repeated, is given up.
func (c *Console) Shutdown(ctx context.Context) error {
	c.stop()
	return c.app.ShutdownWithContext(ctx)
}

// fail answers errors in the shape of the API, but for a person who is not signed in.
func (c *Console) fail(f *fiber.Ctx, err error) error {
	var r *refusal
	if errors.As(err, &r) {
		c.tell(f, r)
		if f.Status(r.status); r.status == fiber.StatusUnauthorized && f.Accepts(fiber.MIMEApplicationJSON, fiber.MIMETextHTML) == fiber.MIMETextHTML {
			return render(f, "sign-in", map[string]any{"Why": r.why, "Options": c.Options})
		}
	}
	status, code, text := answerTo(err)
	kind := "validation_error"
	if status >= fiber.StatusInternalServerError {
		kind = "api_error"
	}
	return f.Status(status).JSON(fiber.Map{"error": fiber.Map{"type": kind, "code": code, "message": text}})
}

// answerTo is what is answered to an error.
func answerTo(err error) (status int, code, text string) {
	status, code, text = fiber.StatusInternalServerError, "internal", "the gateway made a mistake"
	var r *refusal
	var cut *wire.Refusal
	var theirs *fiber.Error
	var ours *fault.Error
	switch {
	case errors.As(err, &r):
		status, code, text = r.status, r.code, r.text()
	case errors.As(err, &cut):
		status, code, text = cut.Status, cut.Code, cut.Message
	case errors.As(err, &theirs):
		status, code, text = theirs.Code, "refused", theirs.Message
	case errors.As(err, &ours) && ours.Kind == fault.NotFound:
		status, code, text = fiber.StatusNotFound, "not_found", cmp.Or(ours.Message, "there is no such thing")
	case errors.As(err, &ours) && ours.Kind != fault.Internal:
		status, code, text = statusOf(ours.Kind), ours.Code, ours.Message
		if code == "" {
			code = ours.Kind.String()
		}
		if text == "" {
			text = "it cannot be done at present"
		}
	}
	return status, code, text
}

func statusOf(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return fiber.StatusBadRequest
	case fault.Conflict:
		return fiber.StatusConflict
	default:
		return fiber.StatusServiceUnavailable
	}
}
