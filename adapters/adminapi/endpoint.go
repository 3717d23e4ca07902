package adminapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/apikeys"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/payments"
	"patchbay/core/personaldata"
	"patchbay/core/suppressions"
	"patchbay/ports"
)

// Service holds the use cases that endpoints are carried out by.
type Service struct {
	APIKeys      *apikeys.Service
	PersonalData *personaldata.Service
	Payments     *payments.Service
	Suppressions *suppressions.Service
	Emails       *emails.Service
	Storage      func(ctx context.Context) Storage
	PutBack      func(ctx context.Context, record string) error
	// Backup takes a snapshot of the store. It is nil if the store cannot be backed up.
	Backup func(ctx context.Context) (ports.Snapshot, error)
}

// Endpoint is a request that only an operator may make: to a running gateway, by Call, or
// carried out on the store itself, by Do. In is the request, and Out the answer.
type Endpoint[In, Out any] struct {
	route
	Do func(ctx context.Context, s *Service, in In) (Out, error)
}

// Stream is like Endpoint, for work that may take long. The answer is one Line after the
// other; the last one is what do returns, or has an error. Without such a line the work is not
// complete.
type Stream[In any, L Line] struct {
	route
	do func(ctx context.Context, s *Service, in In, send func(L) error) (last L, err error)
}

// None is the request or the answer of an endpoint that has none.
type None struct{}

type route struct {
	method, path string // the path may have the parameter :id
	action       string // for the log
	status       int    // of the answer; 204 if it has no body
	wrong        string // the message for a wrong body; empty if the request has no body
	limit        time.Duration
	// ReadOnly means that the store is only read, and not marked as in use for it.
	ReadOnly bool
}

// Line is a line of the answer of a Stream.
type Line interface {
	failure() string // why the work failed, if it did
	last() bool
}

// handle registers a route whose requests are an In.
func handle[In any](c *Server, r route, serve func(f *fiber.Ctx, a *act, in In) error) {
	c.handle(r, func(f *fiber.Ctx, a *act) error {
		var in In
		if r.wrong != "" {
			if err := decode(f, &in, r.wrong); err != nil {
				return err
			}
		}
		if named, ok := any(&in).(interface{ id() *string }); ok {
			*named.id() = f.Params("id")
		}
		a.describe(in)
		return serve(f, a, in)
	})
}

func (e Endpoint[In, Out]) register(c *Server) {
	handle(c, e.route, func(f *fiber.Ctx, a *act, in In) error {
		ctx := context.Background()
		if e.limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, e.limit)
			defer cancel()
		}
		out, err := e.Do(ctx, &c.Service, in)
		if err != nil {
			return err
		}
		a.describe(out)
		if e.status == fiber.StatusNoContent {
			return f.SendStatus(e.status)
		}
		return f.Status(e.status).JSON(out)
	})
}

// register registers a Stream. It ends when the client stops reading, or when the listener is
// shut down.
func (e Stream[In, L]) register(c *Server) {
	handle(c, e.route, func(f *fiber.Ctx, a *act, in In) error {
		a.later = true
		conn := f.Context().Conn()
		f.Set(fiber.HeaderContentType, "application/x-ndjson")
		f.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			lines := &lineWriter{conn: conn, w: w, to: json.NewEncoder(w)}
			var last any
			last, err := e.do(c.running, &c.Service, in, func(l L) error { return lines.send(l) })
			if err != nil {
				last = fiber.Map{"error": reason(err)}
			}
			a.end(err)
			_ = lines.send(last) // a client that does not receive it knows that the work is not complete
		})
		return nil
	})
}

// Do carries out the work on the store itself, and calls each for every line.
func (e Stream[In, L]) Do(ctx context.Context, s *Service, in In, each func(L) error) error {
	last, err := e.do(ctx, s, in, each)
	if err != nil {
		return err
	}
	return each(last)
}

// lineLimit is how long the client may take to receive one line.
const lineLimit = 30 * time.Second

// lineWriter sends each line at once. Each line has its own write deadline, because the
// server's limit applies to a whole answer.
type lineWriter struct {
	conn net.Conn
	w    *bufio.Writer
	to   *json.Encoder
}

func (l *lineWriter) send(line any) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(lineLimit)); err != nil {
		return err
	}
	if err := l.to.Encode(line); err != nil {
		return err
	}
	return l.w.Flush()
}

// reason returns the message of an error that is shown to a person.
func reason(err error) string {
	f := fault.From(err)
	if f.Message != "" {
		return f.Message
	}
	return f.Error()
}
