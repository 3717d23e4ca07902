package adminapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/fault"
)

// endpoint is a request that only an operator may make, as Server and Client share it. In is
// the type of the request's body; Out is that of the answer's, or of each line of the answer.
// Both are none if there is no body.
type endpoint[In, Out any] struct {
	method, path string // the path may have the parameter :id
	action       string // for the log
	status       int
	wrong        string // the message for a body that is not an In
}

type none struct{}

func empty(v any) bool { _, is := v.(none); return is }

var (
	linkEndpoint    = endpoint[none, Link]{http.MethodPost, "/admin/links", "console.link", http.StatusCreated, ""}
	statusEndpoint  = endpoint[none, Storage]{http.MethodGet, "/admin/storage", "storage.status", http.StatusOK, ""}
	putBackEndpoint = endpoint[PutBack, none]{http.MethodPost, "/admin/storage/put-back", "record.put_back", http.StatusNoContent, "the body does not name a record"}
	backupEndpoint  = endpoint[none, none]{http.MethodGet, "/admin/storage/backup", "storage.backup", http.StatusOK, ""}
	exportEndpoint  = endpoint[DataRequest, DataLine]{http.MethodPost, "/admin/data/export", "data.export", http.StatusOK, wrongPerson}
	eraseEndpoint   = endpoint[DataRequest, DataLine]{http.MethodPost, "/admin/data/erase", "data.erase", http.StatusOK, wrongPerson}
	reviewEndpoint  = endpoint[none, ReviewLine]{http.MethodGet, "/admin/payments/review", "payment.review", http.StatusOK, ""}
	resolveEndpoint = endpoint[Verdict, Settled]{http.MethodPost, "/admin/payments/:id/resolve", "payment.resolve", http.StatusOK, "the body is not a verdict"}
	listEndpoint    = endpoint[none, []KeyView]{http.MethodGet, "/admin/keys", "key.list", http.StatusOK, ""}
	createEndpoint  = endpoint[NewKey, CreatedKey]{http.MethodPost, "/admin/keys", "key.create", http.StatusCreated, "the body is not a request for a key"}
	revokeEndpoint  = endpoint[none, none]{http.MethodDelete, "/admin/keys/:id", "key.revoke", http.StatusNoContent, ""}
)

const wrongPerson = "the body does not say whose data is meant"

func (e endpoint[In, Out]) request(ctx context.Context, address, id string, in In) (*http.Request, error) {
	var body bytes.Buffer
	if !empty(in) {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return nil, err
		}
	}
	path := strings.Replace(e.path, ":id", url.PathEscape(id), 1)
	req, err := http.NewRequestWithContext(ctx, e.method, "http://"+address+path, &body)
	if err == nil && !empty(in) {
		req.Header.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	}
	return req, err
}

// read returns the body of a request.
func (e endpoint[In, Out]) read(f *fiber.Ctx) (in In, err error) {
	if !empty(in) {
		err = decode(f, &in, e.wrong)
	}
	return in, err
}

// handle registers an endpoint. Each request to it is an act, which is about the object with
// the path's id.
func handle[In, Out any](c *Server, e endpoint[In, Out], do func(ctx context.Context, a *act, in In) (Out, error)) {
	c.handle(e.method, e.path, e.action, func(f *fiber.Ctx, a *act) error {
		in, err := e.read(f)
		if err != nil {
			return err
		}
		out, err := do(context.Background(), a, in)
		if err != nil {
			return err
		}
		if empty(out) {
			return f.SendStatus(e.status)
		}
		return f.Status(e.status).JSON(out)
	})
}

// stream registers an endpoint that answers with lines for as long as the work takes. It ends
// when the client stops reading, or when the listener is shut down. The last line is what do
// returns, or has an error; without it the work is not complete.
func stream[In, Line any](c *Server, e endpoint[In, Line], do func(ctx context.Context, a *act, in In, send func(Line) error) (last Line, err error)) {
	c.handle(e.method, e.path, e.action, func(f *fiber.Ctx, a *act) error {
		in, err := e.read(f)
		if err != nil {
			return err
		}
		a.later = true
		conn := f.Context().Conn()
		f.Set(fiber.HeaderContentType, "application/x-ndjson")
		f.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			lines := &lineWriter{conn: conn, w: w, to: json.NewEncoder(w)}
			var last any
			last, err := do(c.running, a, in, func(l Line) error { return lines.send(l) })
			if err != nil {
				last = fiber.Map{"error": reason(err)}
			}
			a.end(err)
			_ = lines.send(last) // a client that does not receive it knows that the work is not complete
		})
		return nil
	})
}

// lineLimit is how long the client may take to receive one line of a stream.
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
