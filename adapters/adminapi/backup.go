package adminapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/fault"
	"patchbay/ports"
)

// partLimit is how long the client may take to receive each part of a backup.
const partLimit = 10 * time.Second

var backupRoute = route{method: fiber.MethodGet, path: "/admin/storage/backup", action: "storage.backup"}

// WriteBackup writes a backup of the store of a running gateway. An answer that is shorter
// than its Content-Length is an error.
func (c *Client) WriteBackup(ctx context.Context, to io.Writer) error {
	resp, err := c.send(c.request(ctx, backupRoute, nil))
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.ContentLength < 0 {
		return fmt.Errorf("the gateway at %s does not say how long it is", c.address)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}

// WriteBackup writes the store as one file.
func (s *Service) WriteBackup(ctx context.Context, to io.Writer) error {
	if s.Backup == nil {
		return fault.New(fault.Unsupported, "no_snapshots", "the store is not a file")
	}
	snapshot, err := s.Backup(ctx)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, snapshot)
	return errors.Join(err, snapshot.Close())
}

// backup streams a snapshot of the store. The length is sent first, so that a client can
// detect a truncated backup.
func (c *Server) backup(f *fiber.Ctx, a *act) error {
	if c.Backup == nil {
		return fiber.NewError(fiber.StatusNotImplemented, "the store is a server: keep it with a tool of its own")
	}
	snapshot, err := c.Backup(c.running)
	if err != nil {
		return err
	}
	f.Set(fiber.HeaderContentType, "application/vnd.sqlite3")
	a.later = true
	f.Context().SetBodyStream(&download{Snapshot: snapshot, serving: c.running, conn: f.Context().Conn(), act: a, left: snapshot.Size()}, int(snapshot.Size()))
	return nil
}

// download is a snapshot that is being sent. It ends when a part takes longer than partLimit,
// or when the gateway stops.
type download struct {
	ports.Snapshot
	serving context.Context //nolint:containedctx // it is read outside of the handler
	conn    net.Conn
	act     *act
	left    int64 // bytes not read yet
}

// Read implements io.Reader.
func (d *download) Read(b []byte) (int, error) {
	if err := d.serving.Err(); err != nil {
		return 0, err
	}
	if err := d.conn.SetWriteDeadline(time.Now().Add(partLimit)); err != nil {
		return 0, err
	}
	n, err := d.Snapshot.Read(b)
	d.left -= int64(n)
	return n, err
}

// Close implements io.Closer.
func (d *download) Close() error {
	err := d.Snapshot.Close()
	d.act.end(cmp.Or(err, d.truncated()))
	return err
}

// truncated returns an error if the client did not receive everything.
func (d *download) truncated() error {
	if d.left == 0 {
		return nil
	}
	return fault.New(fault.Canceled, "cut_off", "it was not read to its end")
}
