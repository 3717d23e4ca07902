package mailgunsim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"patchbay/adapters/simulators/mailbox"
)

// The limits of the API as Mailgun documents them. Where the documentation has two readings, these
// are the lower limits.
const (
	maxBytes      = 25_000_000
	maxRecipients = 1000
	maxTags       = 3
	maxOptions    = 16_000 // of all o:, h: and v: parameters together
)

// fields are the form fields of a request.
type fields struct {
	values map[string][]string
	files  map[string][]file
}

// file is a form field with a file name.
type file struct {
	name, contentType string
	content           []byte
}

var fileFields = []string{"message", "attachment", "inline"}

// read parses the request, which may be multipart or URL-encoded. It does not use the multipart
// parser of net/http, which accepts at most a thousand fields: fewer than a thousand recipients
// need.
func read(r *http.Request) (fields, error) {
	f := fields{values: make(map[string][]string), files: make(map[string][]file)}
	reader, err := r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		err = r.ParseForm()
		f.values = r.PostForm
		return f, err
	}
	if err != nil {
		return f, err
	}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return f, err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return f, err
		}
		name := part.FormName()
		if part.FileName() != "" && slices.Contains(fileFields, name) {
			f.files[name] = append(f.files[name], file{part.FileName(), part.Header.Get("Content-Type"), content})
			continue
		}
		f.values[name] = append(f.values[name], string(content))
	}
}

// tracking returns on or off if the request says what of a message is tracked.
func (f fields) tracking() string {
	return map[string]string{"yes": "on", "true": "on", "no": "off", "false": "off"}[f.first("o:tracking")]
}

// first returns the first value of a field, or the empty string.
func (f fields) first(name string) string {
	if values := f.values[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// check returns what is wrong with a request of either form: what Mailgun refuses, or a parameter
// that is neither a variable nor accepted by known.
func (f fields) check(known func(name string) bool) (wrong string) {
	options := 0
	for name, values := range f.values {
		isVariable := strings.HasPrefix(name, "v:")
		if !isVariable && !known(name) {
			return "unknown parameter " + name
		}
		if isVariable && len(values) != 1 {
			return name + " is there twice"
		}
		for _, v := range values {
			if isVariable || strings.HasPrefix(name, "o:") || strings.HasPrefix(name, "h:") {
				options += len(name) + len(v)
			}
		}
	}
	switch {
	case len(f.values["to"]) == 0:
		return "to parameter is missing"
	case len(f.values["o:tag"]) > maxTags:
		return "Too many tags"
	case options > maxOptions:
		return "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total"
	}
	return ""
}

const tooMany = "Too many recipients; max is 1000"

// checkMIME returns what is wrong with a request to send a MIME message.
func (f fields) checkMIME() (wrong string) {
	wrong = f.check(func(name string) bool {
		return slices.Contains([]string{"to", "o:tag", "o:testmode", "o:tracking", "o:tracking-clicks", "o:tracking-opens"}, name)
	})
	switch {
	case wrong != "":
		return wrong
	case len(f.values["to"]) > maxRecipients:
		return tooMany
	case len(f.files["message"]) != 1:
		return "message parameter is missing"
	}
	for _, one := range f.values["to"] {
		if a, err := mail.ParseAddress(one); err != nil || a.Name != "" || written(a) != one || !isASCII(one) {
			return badAddress("to")
		}
	}
	return headers(f.files["message"][0].content)
}

// written returns an address without its name. A local part that needs quotes has them.
func written(a *mail.Address) string {
	return strings.Trim((&mail.Address{Address: a.Address}).String(), "<>")
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

func badAddress(parameter string) string {
	return "'" + parameter + "' parameter is not a valid address. please check documentation"
}

// mime returns the message of a request to send a MIME message. Mailgun adds the headers Date and
// Message-Id if they are missing.
func (f fields) mime(id string, now time.Time) mailbox.Message {
	raw := f.files["message"][0].content
	m, _ := mail.ReadMessage(bytes.NewReader(raw)) // headers has validated it
	for name, value := range map[string]string{"Message-Id": "<" + id + ">", "Date": now.Format(time.RFC1123Z)} {
		if m.Header.Get(name) == "" {
			raw = append([]byte(name+": "+value+"\r\n"), raw...)
		}
	}
	return mailbox.Message{Raw: raw, To: f.values["to"], Variables: f.variables()}
}

// headers returns what is wrong with the headers of a message.
func headers(raw []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "the message is not MIME"
	}
	if m.Header.Get("From") == "" { // RFC 5322 §3.6 demands no other
		return "From is missing"
	}
	if m.Header.Get("Bcc") != "" {
		return "Bcc would be seen by all"
	}
	return ""
}

var badSender = badAddress("from")

// sender returns the address in the From header of a MIME message, or in the field from.
func (f fields) sender() string {
	if f.files["message"] == nil {
		return addressOf(f.first("from"))
	}
	m, err := mail.ReadMessage(bytes.NewReader(f.files["message"][0].content))
	if err != nil {
		return ""
	}
	return addressOf(m.Header.Get("From"))
}

// addressOf returns the address in a text that contains exactly one, or the empty string.
func addressOf(text string) string {
	list, err := mail.ParseAddressList(text)
	if err != nil || len(list) != 1 {
		return ""
	}
	return list[0].Address
}

// variables returns the user variables, which events contain.
func (f fields) variables() map[string]string {
	all := make(map[string]string)
	for name, values := range f.values {
		if rest, ok := strings.CutPrefix(name, "v:"); ok {
			all[rest] = values[0]
		}
	}
	return all
}
