package httpapi

import (
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/adapters/wire"
)

// connectionRetry is when a caller should come again for whom there was no connection.
const connectionRetry = time.Second

// answerUnread answers a request that could not be read.
func (s *Server) answerUnread(ctx *fasthttp.RequestCtx, reason *wire.Refusal) {
	c := s.app.AcquireCtx(ctx)
	defer s.app.ReleaseCtx(c)
	if reason.Status == fiber.StatusTooManyRequests || reason.Status == fiber.StatusServiceUnavailable {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(connectionRetry.Seconds())))
	}
	_ = s.fail(c, unread(reason)) // it writes to memory
}

// unread is the error of a request, or a body, that could not be read.
func unread(err error) error {
	var r *wire.Refusal
	if errors.As(err, &r) {
		return refuse(r.Status, r.Code, r.Message)
	}
	return err
}
