package httpapi

import (
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/adapters/wire"
	"patchbay/core/fault"
)

// connectionRetry is the Retry-After for a caller that could not get a connection.
const connectionRetry = time.Second

// answerUnread answers a request that could not be read, or whose handler panicked.
func (s *Server) answerUnread(ctx *fasthttp.RequestCtx, reason *wire.Refusal) {
	c := s.app.AcquireCtx(ctx)
	defer s.app.ReleaseCtx(c)
	if reason.Err != nil {
		_ = s.fail(c, fault.Wrap(fault.Internal, "httpapi.panic", reason.Err)) // it writes to memory
		t := traceOf(ctx)
		s.line(ctx, t, ctx.Response.StatusCode(), time.Since(t.began))
		return
	}
	if reason.Status == fiber.StatusTooManyRequests || reason.Status == fiber.StatusServiceUnavailable {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(connectionRetry.Seconds())))
	}
	_ = s.fail(c, unread(reason)) // as above
}

// unread converts the error of a request or body that could not be read.
func unread(err error) error {
	var r *wire.Refusal
	if errors.As(err, &r) {
		return refuse(r.Status, r.Code, r.Message)
	}
	return err
}
