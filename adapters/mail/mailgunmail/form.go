package mailgunmail

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
)

// The limits of a form.
const (
	maxRecipients = 1000
	maxOptions    = 16_000     // bytes of all parameters that begin with o:, h: and v:
	maxForm       = 25_000_000 // bytes
)

// form is a request to Mailgun's form. Mailgun's library has one too, but writes the variables of
// recipients in JSON with escapes that Mailgun is known not to decode
// (https://github.com/jeffreykemp/mailgun-plsql-api/issues/42), and those of a template into a header
// that the recipients see.
type form struct {
	body    bytes.Buffer
	fields  *multipart.Writer
	options int // bytes
}

// newForm returns a form with what all copies of a message have in common: everything but the
// recipients, the subject and the body. It returns Invalid if an address is not valid.
func newForm(m email.Message) (*form, error) {
	f := new(form)
	f.fields = multipart.NewWriter(&f.body)
	from, err := rfc5322.Mailboxes([]email.Address{m.From})
	if err != nil {
		return nil, err
	}
	f.add("from", from...)
	replyTo, err := rfc5322.Mailboxes(m.ReplyTo)
	if err != nil {
		return nil, err
	}
	if len(replyTo) > 0 {
		f.add("h:Reply-To", strings.Join(replyTo, ", "))
	}
	f.add("h:Message-Id", "<"+m.MessageID+">")
	f.add("h:Date", m.Date().Format(time.RFC1123Z))
	for name, value := range m.Headers {
		f.add("h:"+name, mime.QEncoding.Encode("utf-8", value))
	}
	f.add("o:tag", m.Tags...)
	switch m.Tracking {
	case email.TrackingOn:
		f.add("o:tracking", "yes")
	case email.TrackingOff:
		f.add("o:tracking", "no")
	}
	for name, value := range m.Variables() {
		f.add("v:"+name, value)
	}
	return f, nil
}

// add adds a field once for each value.
func (f *form) add(name string, values ...string) {
	for _, value := range values {
		_ = f.fields.WriteField(name, value) // a buffer does not fail
		if strings.HasPrefix(name, "o:") || strings.HasPrefix(name, "h:") || strings.HasPrefix(name, "v:") {
			f.options += len(name) + len(value)
		}
	}
}

// addFile adds a file. An inline one is found by its name, as the ids of pictures are in HTML.
func (f *form) addFile(a email.Attachment) {
	field := "attachment"
	if a.ContentID != "" {
		field = "inline"
	}
	part, _ := f.fields.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s"`, field, quoted.Replace(a.Filename))},
		"Content-Type":        {a.ContentType},
	})
	_, _ = part.Write(a.Content) // a buffer does not fail
}

// quoted writes a file name between quotation marks, otherwise as it is (RFC 7578 §5.1).
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// form sends a form.
func (g *Mailer) form(f *form) submit {
	return func(ctx context.Context) (string, error) {
		_ = f.fields.Close() // a buffer does not fail
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+"/v3/"+g.domain+"/messages", bytes.NewReader(f.body.Bytes()))
		if err != nil {
			return "", err
		}
		req.SetBasicAuth("api", g.key)
		req.Header.Set("Content-Type", f.fields.FormDataContentType())
		resp, err := g.http.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close() //nolint:errcheck // only read
		raw, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return "", err
		}
		var queued struct {
			ID string `json:"id"`
		}
		err = json.Unmarshal(raw, &queued)
		return queued.ID, err
	}
}
