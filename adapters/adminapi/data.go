package adminapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/fault"
	"patchbay/core/personaldata"
)

// silence is how long the client may take to receive one line of a stream.
const silence = 30 * time.Second

// DataRequest names the person whose data is meant. With Rehearsal nothing is erased, and
// the answer reports what would be erased.
type DataRequest struct {
	personaldata.Who
	Rehearsal bool `json:"rehearsal,omitempty"`
}

// DataLine is one line of the answer to a DataRequest. The last line has the Report or an
// Error; without such a line the work is not complete.
type DataLine struct {
	personaldata.News
	Report *personaldata.Report `json:"report,omitempty"`
	Error  string               `json:"error,omitempty"`
}

func (c *Server) exportData(f *fiber.Ctx, a *act) error {
	return c.stream(f, a, func(ctx context.Context, r DataRequest, tell func(personaldata.News) error) (personaldata.Report, error) {
		return c.PersonalData.Export(ctx, r.Who, tell)
	})
}

func (c *Server) eraseData(f *fiber.Ctx, a *act) error {
	return c.stream(f, a, func(ctx context.Context, r DataRequest, tell func(personaldata.News) error) (personaldata.Report, error) {
		return c.PersonalData.Erase(ctx, r.Who, r.Rehearsal, tell)
	})
}

// stream answers with a line for each piece of news for as long as the work takes. It ends
// when the client stops reading, or when the listener is shut down.
func (c *Server) stream(f *fiber.Ctx, a *act, work func(context.Context, DataRequest, func(personaldata.News) error) (personaldata.Report, error)) error {
	var r DataRequest
	if err := decode(f, &r, "the body does not say whose data is meant"); err != nil {
		return err
	}
	a.about("tenant", r.Tenant)
	a.about("user", r.UserID) // never the email address
	if r.Rehearsal {
		a.name += "_rehearsal"
	}
	a.later = true
	conn := f.Context().Conn()
	f.Set(fiber.HeaderContentType, "application/x-ndjson")
	f.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		lines := &lines{conn: conn, w: w, to: json.NewEncoder(w)}
		report, err := work(c.running, r, func(n personaldata.News) error { return lines.send(DataLine{News: n}) })
		last := DataLine{Report: &report}
		if err != nil {
			last = DataLine{Error: reason(err)}
		}
		a.end(err)
		_ = lines.send(last) // a client that does not receive it knows that the work is not complete
	})
	return nil
}

// lines sends each line at once. Each line has its own write deadline, because the server's
// limit applies to a whole answer.
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

// reason returns the message of an error that is shown to a person.
func reason(err error) string {
	f := fault.From(err)
	if f.Message != "" {
		return f.Message
	}
	return f.Error()
}
