package httpapi

import (
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
)

// raw reads the body unchanged, up to the route's limit. It is read from the connection
// only now, and within the budget, so that a client cannot make the server hold more.
func (r *request) raw() ([]byte, error) {
	if r.Get(fiber.HeaderContentEncoding) != "" {
		// A small compressed body can inflate to a gigabyte.
		return nil, refuse(fiber.StatusUnsupportedMediaType, "encoding_unsupported", "send the body without Content-Encoding")
	}
	declared := r.Request().Header.ContentLength()
	if declared > r.limit {
		return nil, r.tooLarge()
	}
	stream := r.Context().RequestBodyStream()
	if stream == nil {
		return r.Request().Body(), nil
	}
	began := time.Now()
	body, err := r.read(stream, declared)
	r.extend(time.Since(began))
	switch {
	case errors.Is(err, errNoRoom):
		r.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(bodyRetry.Seconds())))
		return nil, refuse(fiber.StatusServiceUnavailable, codeNoRoom,
			"too many large requests are being read; nothing was done")
	case err != nil:
		return nil, unread(err)
	case len(body) > r.limit:
		return nil, r.tooLarge()
	}
	return body, nil
}

const codeNoRoom = "bodies_in_flight"

// errNoRoom means that there is no memory for a body.
var errNoRoom = errors.New("no room for the body")

// read reads a body into memory that was reserved before. declared is its length, or
// negative if unknown: then the buffer doubles as data arrives, up to one byte beyond the
// limit.
func (r *request) read(stream io.Reader, declared int) ([]byte, error) {
	size := declared
	if declared < 0 {
		size = smallBody
	}
	if size > smallBody && !r.reserve(size) {
		return nil, errNoRoom
	}
	body := make([]byte, 0, size)
	for len(body) != declared {
		if len(body) == cap(body) {
			more := min(cap(body), r.limit+1-cap(body))
			if more == 0 {
				break
			}
			if !r.reserve(more) {
				return nil, errNoRoom
			}
			body = append(make([]byte, 0, cap(body)+more), body...)
		}
		n, err := stream.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF && (declared < 0 || len(body) == declared) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return body, nil
}

// reserve reserves memory for the body until the request ends.
func (r *request) reserve(n int) bool {
	release, ok := r.bodies.reserve(r.ctx, r.owner(), int64(n))
	if ok {
		r.held = append(r.held, release)
	}
	return ok
}

// owner returns the caller that the body is counted for.
func (r *request) owner() caller {
	if r.tenant == "" {
		return caller{name: r.server.client(r.Context()).String()}
	}
	return caller{known: true, name: r.tenant}
}
