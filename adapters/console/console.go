// Package console is the admin listener: pages and calls for the person who
// runs the gateway. It asks for no key, so it listens on loopback only, and
// refuses requests that a foreign web page makes a browser send.
package console

import (
	"context"
	_ "embed"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/valyala/fasthttp"

	"patchbay/adapters/wire"
	"patchbay/core/access"
	"patchbay/core/checkout"
	"patchbay/core/fault"
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
	Access   *access.Service
	Privacy  *privacy.Service
	Payments *checkout.Service
	Mailbox  Mailbox
	Book     Book
	API      string // the base URL of the API, for links
	Storage  func(ctx context.Context) Storage
	PutBack  func(ctx context.Context, record string) error
	Metrics  http.Handler
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
}

//go:embed pages.html
var pages string

var templates = template.Must(template.New("pages").Parse(pages))

const (
	listed      = 200 // messages on the page
	connections = 64  // at once: one person, and what scrapes the metrics
)

// New makes a Console; it does not listen yet.
func New(o Options) *Console {
	c := &Console{Options: o}
	c.running, c.stop = context.WithCancel(context.Background())
	c.app = fiber.New(fiber.Config{
		DisableStartupMessage: true, WriteTimeout: 35 * time.Second, BodyLimit: 64 << 10, ErrorHandler: fail,
	})
	c.app.Server().CloseOnShutdown = true
	wire.Wrap(c.app.Server(), wire.Defaults.Head, c.answerUnread)
	c.app.Use(guard)
	c.app.Get("/", c.index)
	c.app.Get("/healthz", func(c *fiber.Ctx) error { return c.JSON(fiber.Map{"status": "ok"}) })
	c.app.Get("/catcher", c.mailbox)
	c.app.Get("/catcher/:name", c.mail)
	c.app.Get("/mock/charges", c.charges)
	c.app.Get("/metrics", adaptor.HTTPHandler(o.Metrics))
	c.app.Get("/admin/storage", c.storage)
	c.app.Post("/admin/storage/put-back", c.putBack)
	c.app.Post("/admin/data/export", c.exportData)
	c.app.Post("/admin/data/erase", c.eraseData)
	c.app.Get("/admin/payments/review", c.listReviews)
	c.app.Post("/admin/payments/:id/resolve", c.resolvePayment)
	c.app.Get("/admin/storage/backup", c.backup)
	c.app.Get("/admin/keys", c.listKeys)
	c.app.Post("/admin/keys", c.createKey)
	c.app.Delete("/admin/keys/:id", c.revokeKey)
	return c
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
	_ = fail(f, fiber.NewError(reason.Status, reason.Message)) // it writes to memory
}

// Shutdown waits for the requests under way until ctx ends. What takes long, and can
// be repeated, is given up.
func (c *Console) Shutdown(ctx context.Context) error {
	c.stop()
	return c.app.ShutdownWithContext(ctx)
}

// guard refuses requests under another host's name (DNS rebinding) and from
// another site's pages (cross-site requests).
func guard(c *fiber.Ctx) error {
	// Not c.Hostname(), which takes X-Forwarded-Host for it: a page can send that.
	host := string(c.Context().Host())
	if !local(host) {
		return fiber.NewError(fiber.StatusForbidden, "the admin listener answers only to loopback names")
	}
	if origin := c.Get(fiber.HeaderOrigin); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host != host {
			return fiber.NewError(fiber.StatusForbidden, "the admin listener takes no requests from other sites")
		}
	}
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'")
	return c.Next()
}

func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// fail answers errors in the shape of the API.
func fail(c *fiber.Ctx, err error) error {
	status, code, text := fiber.StatusInternalServerError, "internal", "the gateway made a mistake"
	var theirs *fiber.Error
	var ours *fault.Error
	switch {
	case errors.As(err, &theirs):
		status, code, text = theirs.Code, "refused", theirs.Message
	case errors.As(err, &ours) && ours.Kind == fault.NotFound:
		status, code, text = fiber.StatusNotFound, "not_found", "there is no such thing"
	case errors.As(err, &ours) && ours.Kind != fault.Internal:
		status, code, text = statusOf(ours.Kind), ours.Code, ours.Message
		if code == "" {
			code = ours.Kind.String()
		}
		if text == "" {
			text = "it cannot be done at present"
		}
	}
	kind := "validation_error"
	if status >= fiber.StatusInternalServerError {
		kind = "api_error"
	}
	return c.Status(status).JSON(fiber.Map{"error": fiber.Map{"type": kind, "code": code, "message": text}})
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

func render(c *fiber.Ctx, name string, data any) error {
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return templates.ExecuteTemplate(c, name, data)
}

func (c *Console) index(f *fiber.Ctx) error {
	return render(f, "index", c.Options)
}

func (c *Console) mailbox(f *fiber.Ctx) error {
	if c.Mailbox == nil {
		return fiber.NewError(fiber.StatusNotFound, "no mail catcher is configured")
	}
	caught, err := c.Mailbox.List(listed)
	if err != nil {
		return err
	}
	return render(f, "catcher", map[string]any{"Messages": caught, "Limit": listed})
}

// mail shows a message as plain text: what it holds must not run here.
func (c *Console) mail(f *fiber.Ctx) error {
	if c.Mailbox == nil {
		return fiber.NewError(fiber.StatusNotFound, "no mail catcher is configured")
	}
	raw, err := c.Mailbox.Read(strings.Clone(f.Params("name")))
	if err != nil {
		return err
	}
	f.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
	return f.Send(raw)
}

// charge is an entry of the mock's book.
type charge struct {
	Provider  string            `json:"provider"`
	Reference string            `json:"reference"`
	Key       string            `json:"key"`
	Amount    int64             `json:"amount"`
	Currency  string            `json:"currency"`
	Status    string            `json:"status"`
	Captured  int64             `json:"captured"`
	Refunded  int64             `json:"refunded"`
	Metadata  map[string]string `json:"metadata"`
	CreatedAt time.Time         `json:"createdAt"`
}

func (c *Console) charges(f *fiber.Ctx) error {
	if c.Book == nil {
		return fiber.NewError(fiber.StatusNotFound, "no mock payment provider is configured")
	}
	page, err := c.Book.Book(context.Background(), strings.Clone(f.Query("cursor")), 100)
	if err != nil {
		return err
	}
	data := make([]charge, len(page.Entries))
	for i, e := range page.Entries {
		data[i] = charge{
			Provider: e.Provider, Reference: e.Reference, Key: e.Key, Amount: e.Amount, Currency: string(e.Currency),
			Status: string(e.Status), Captured: e.Captured, Refunded: e.Refunded, Metadata: e.Metadata, CreatedAt: e.CreatedAt,
		}
	}
	return f.JSON(fiber.Map{"data": data, "nextCursor": page.Next})
}
