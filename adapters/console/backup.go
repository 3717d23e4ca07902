package console

import (
	"context"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/ports"
)

// patience is how long whoever fetches a backup may take for each part of it.
const patience = 10 * time.Second

// backup streams a snapshot of the store. Its length stands before it: one that is
// cut off is known to be.
func (c *Console) backup(f *fiber.Ctx) error {
	if c.Backup == nil {
		return fiber.NewError(fiber.StatusNotImplemented, "the store is a server: keep it with a tool of its own")
	}
	// A foreign page could have it made again and again, though it cannot read it.
	if site := f.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return fiber.NewError(fiber.StatusForbidden, "the admin listener takes no requests from other sites")
	}
	shot, err := c.Backup(c.running)
	if err != nil {
		return err
	}
	f.Set(fiber.HeaderContentType, "application/vnd.sqlite3")
	f.Context().SetBodyStream(&stream{shot, c.running, f.Context().Conn()}, int(shot.Size()))
	return nil
}

// stream is a snapshot on its way out: for as long as it moves, until the gateway
// stops.
type stream struct {
	ports.Snapshot
	serving context.Context //nolint:containedctx // it is read outside of the handler
	conn    net.Conn
}

// Read implements io.Reader.
func (s *stream) Read(b []byte) (int, error) {
	if err := s.serving.Err(); err != nil {
		return 0, err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return s.Snapshot.Read(b)
}
