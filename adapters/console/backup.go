package console

import (
	"cmp"
	"context"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/fault"
	"patchbay/ports"
)

// patience is how long whoever fetches a backup may take for each part of it.
const patience = 10 * time.Second

// backup streams a snapshot of the store. Its length stands before it: one that is
// cut off is known to be.
func (c *Console) backup(f *fiber.Ctx, a *act) error {
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

// stream is a snapshot on its way out: for as long as it moves, until the gateway
// stops.
type stream struct {
	ports.Snapshot
	serving context.Context //nolint:containedctx // it is read outside of the handler
	conn    net.Conn
	act     *act
	left    int64 // bytes that were not read
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

// cut is an error where whoever fetched it does not have all of it.
func (s *stream) cut() error {
	if s.left == 0 {
		return nil
	}
	return fault.New(fault.Canceled, "cut_off", "it was not read to its end")
}
