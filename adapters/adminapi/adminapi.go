// Package adminapi is the admin listener: pages and calls for the operator, who runs the
// gateway and can read the secrets of its installation. It listens on loopback, which every
// program and every browser on the machine can reach, so reaching it grants no access.
// Commands send a secret, and a browser signs in with a link that can be used once.
package adminapi

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
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/payment"
)

// Mailbox stores caught mail.
type Mailbox interface {
	// List describes the newest messages, newest first.
	List(limit int) ([]email.Caught, error)
	// Read returns a message as it was stored. It returns NotFound if there is none.
	Read(name string) ([]byte, error)
}

// Book is the book of a mock provider.
type Book interface {
	// Book reads the objects that the provider holds, newest first.
	Book(ctx context.Context, cursor string, limit int) (payment.BookPage, error)
}

// Options configures a Server. Mailbox, Book and Approvals are nil if there is none.
type Options struct {
	Service
	Identity Identity
	// KeysRequired means that callers of the API need a key; caught mail is then not open
	// to everybody on the machine.
	KeysRequired bool
	Mailbox      Mailbox
	Book         Book
	Approvals    Approvals
	API          string // the base URL of the API, for links
	Metrics      http.Handler
	Log          *slog.Logger
}

// Server serves the admin listener.
type Server struct {
	Options
	app     *fiber.App
	running context.Context // until Shutdown
	stop    context.CancelFunc

	links, sessions tokens           // of browsers
	refusals        logging.Repeated // of refused credentials
}

const connections = 64 // concurrent connections: one person, and a metrics scraper

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	c := &Server{
		Options:  o,
		links:    tokens{life: linkLife, max: maxLinks},
		sessions: tokens{life: sessionLife, max: maxSessions},
		refusals: logging.Repeated{Log: o.Log, Level: slog.LevelWarn, Text: "credential is refused"},
	}
	c.running, c.stop = context.WithCancel(context.Background())
	c.app = fiber.New(fiber.Config{
		DisableStartupMessage: true, WriteTimeout: 35 * time.Second, BodyLimit: 64 << 10, ErrorHandler: c.fail,
		Immutable: true, // what is read from a request may be kept for longer than it
	})
	c.app.Server().CloseOnShutdown = true
	wire.Wrap(c.app.Server(), wire.Defaults.Head, c.answerUnread)
	c.routes()
	return c
}

// routes registers first the routes that everybody on this machine may use, and then those
// for operators only.
func (c *Server) routes() {
	c.app.Use(c.guard)
	c.app.Get("/healthz", func(f *fiber.Ctx) error { return f.JSON(fiber.Map{"status": "ok"}) })
	c.app.Get("/metrics", adaptor.HTTPHandler(c.Metrics))
	c.app.Get(ProofPath, c.prove)
	c.app.Get("/mock/charges", c.charges)
	if !c.KeysRequired {
		c.mailPages()
	}
	c.app.Get("/", func(f *fiber.Ctx) error {
		if f.Method() == fiber.MethodGet && f.Query(signInOnce) != "" { // a HEAD request, as from a link preview, does not use up the link
			return c.signIn(f)
		}
		return f.Next()
	})

	c.app.Use(c.operatorsOnly)
	c.app.Get("/", c.index)
	if c.KeysRequired {
		c.mailPages()
	}
	c.approvalRoutes()
	c.handle(SignIn.route, c.makeLink)
	c.handle(backupRoute, c.backup)
	for _, e := range []interface{ register(c *Server) }{
		StorageStatus, PutBackRecord, ExportData, EraseData, ListReviews, ResolvePayment, RetryEmails, ListSuppressions, AddSuppression, RemoveSuppression, ListKeys, CreateKey, RevokeKey,
	} {
		e.register(c)
	}
}

func (c *Server) mailPages() {
	c.app.Get("/catcher", c.mailbox)
	c.app.Get("/catcher/:name", c.mail)
}

// Serve answers requests on a listener until Shutdown.
func (c *Server) Serve(l net.Listener) error {
	return c.app.Listener(wire.Listen(l, wire.Options{Limits: wire.Defaults, Max: connections, Log: c.Log}))
}

// answerUnread answers a request that could not be read, or whose handler panicked.
func (c *Server) answerUnread(ctx *fasthttp.RequestCtx, reason *wire.Refusal) {
	f := c.app.AcquireCtx(ctx)
	defer c.app.ReleaseCtx(f)
	if reason.Err != nil {
		c.Log.Error("request to the admin listener failed", "error", reason.Err)
	}
	_ = c.fail(f, reason) // it writes to memory
}

// Shutdown waits for the requests in progress until ctx ends. It cancels long-running work,
// which can be repeated.
func (c *Server) Shutdown(ctx context.Context) error {
	c.stop()
	return c.app.ShutdownWithContext(ctx)
}

// fail answers with an error in the format of the API, or with the sign-in page for a
// browser that is not signed in.
func (c *Server) fail(f *fiber.Ctx, err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		c.refusals.Note(c.running, r.code, slog.String("code", r.code), slog.String("listener", "admin"),
			slog.String("method", f.Method()), slog.Int("status", r.status))
		if f.Status(r.status); r.status == fiber.StatusUnauthorized && f.Accepts(fiber.MIMEApplicationJSON, fiber.MIMETextHTML) == fiber.MIMETextHTML {
			return render(f, "sign-in", map[string]any{"Why": r.why, "Options": c.Options})
		}
	}
	status, code, text := answerTo(err)
	f.Status(status)
	if status == fiber.StatusNotFound && f.Accepts(fiber.MIMEApplicationJSON, fiber.MIMETextHTML) == fiber.MIMETextHTML {
		return render(f, "not-found", text)
	}
	kind := "validation_error"
	if status >= fiber.StatusInternalServerError || status == fiber.StatusUnauthorized {
		kind = "api_error"
	}
	return f.JSON(fiber.Map{"error": fiber.Map{"type": kind, "code": code, "message": text}})
}

// answerTo returns the status, code and message for an error.
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
		if status == fiber.StatusNotFound {
			code = "not_found"
		}
	case errors.As(err, &ours) && ours.Kind == fault.NotFound:
		status, code, text = fiber.StatusNotFound, "not_found", cmp.Or(ours.Message, "there is no such thing")
	case errors.As(err, &ours) && ours.Kind != fault.Internal:
		status = cmp.Or(statuses[ours.Kind], fiber.StatusServiceUnavailable)
		code, text = cmp.Or(ours.Code, ours.Kind.String()), cmp.Or(ours.Message, "it cannot be done at present")
	}
	return status, code, text
}

// statuses are the statuses of errors, except for 503.
var statuses = map[fault.Kind]int{fault.Invalid: fiber.StatusBadRequest, fault.Conflict: fiber.StatusConflict}
