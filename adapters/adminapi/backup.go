package adminapi

import (
	"cmp"
	"context"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/fault"
	"patchbay/ports"
)

// patience is how long the client may take to receive each part of a backup.
const patience = 10 * time.Second

// backup streams a snapshot of the store. The length is sent first, so that a client can
// detect a truncated backup.
func (c *Server) backup(f *fiber.Ctx, a *act) error {
	if c.Backup == nil {
		return fiber.NewError(fiber.StatusNotImplemented, "the store is a server: keep it with a tool of its own")
	}
	shot, err := c.Backup(c.running)
	if err != nil {
		return err
	}
	f.Set(fiber.HeaderContentType, "application/vnd.sqlite3")
	a.later = true
	f.Context().SetBodyStream(&stream{Snapshot: shot, serving: c.running, conn: f.Context().Conn(), act: a, left: shot.Size()}, int(shot.Size()))
	return nil
}

// stream is a snapshot that is being sent. It ends when a part takes longer than patience,
// or when the gateway stops.
type stream struct {
	ports.Snapshot
	serving context.Context //nolint:containedctx // it is read outside of the handler
	conn    net.Conn
	act     *act
	left    int64 // bytes not read yet
}

// Read implements io.Reader.
func (s *stream) Read(b []byte) (int, error) {
	if err := s.serving.Err(); err != nil {
		return 0, err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	n, err := s.Snapshot.Read(b)
	s.left -= int64(n)
	return n, err
}

// Close implements io.Closer.
func (s *stream) Close() error {
	err := s.Snapshot.Close()
	s.act.end(cmp.Or(err, s.cut()))
	return err
}

// cut returns an error if the client did not receive everything.
func (s *stream) cut() error {
	if s.left == 0 {
		return nil
	}
	return fault.New(fault.Canceled, "cut_off", "it was not read to its end")
}
