package console

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/fault"
	"patchbay/core/privacy"
)

// silence is how long whoever reads a stream may take for one piece of it.
const silence = 30 * time.Second

// DataRequest names the person whose data is meant. Rehearsal: nothing is erased, and
// what would be is told.
type DataRequest struct {
	privacy.Who
	Rehearsal bool `json:"rehearsal,omitempty"`
}

// DataLine is one line of the answer to a DataRequest. The last has the Report, or says
// what went wrong; where neither came, the work was not done.
type DataLine struct {
	privacy.News
	Report *privacy.Report `json:"report,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func (c *Console) exportData(f *fiber.Ctx, a *act) error {
	return c.stream(f, a, func(ctx context.Context, r DataRequest, tell func(privacy.News) error) (privacy.Report, error) {
		return c.Privacy.Export(ctx, r.Who, tell)
	})
}

func (c *Console) eraseData(f *fiber.Ctx, a *act) error {
	return c.stream(f, a, func(ctx context.Context, r DataRequest, tell func(privacy.News) error) (privacy.Report, error) {
		return c.Privacy.Erase(ctx, r.Who, r.Rehearsal, tell)
	})
}

// stream answers with a line for each piece of news, for as long as the work takes. It
// ends when nobody reads any more, and when the console is shut down.
func (c *Console) stream(f *fiber.Ctx, a *act, work func(context.Context, DataRequest, func(privacy.News) error) (privacy.Report, error)) error {
	var r DataRequest
	if err := decode(f, &r, "the body does not say whose data is meant"); err != nil {
		return err
	}
	a.about("tenant", r.Tenant)
	a.about("user", r.UserID) // never the email
	if r.Rehearsal {
		a.name += "_rehearsal"
	}
	a.later = true
	conn := f.Context().Conn()
	f.Set(fiber.HeaderContentType, "application/x-ndjson")
	f.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		lines := &lines{conn: conn, w: w, to: json.NewEncoder(w)}
		report, err := work(c.running, r, func(n privacy.News) error { return lines.send(DataLine{News: n}) })
		last := DataLine{Report: &report}
		if err != nil {
			last = DataLine{Error: reason(err)}
		}
		a.end(err)
		_ = lines.send(last) // who does not get it knows that it is not done
	})
	return nil
}

// lines sends each line at once. The server's own limit is for a whole answer.
type lines struct {
	conn net.Conn
	w    *bufio.Writer
	to   *json.Encoder
}

func (l *lines) send(line any) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	if err := l.to.Encode(line); err != nil {
		return err
	}
	return l.w.Flush()
}

// reason is what a person is told of an error.
func reason(err error) string {
	f := fault.From(err)
	if f.Message != "" {
		return f.Message
	}
	return f.Error()
}
