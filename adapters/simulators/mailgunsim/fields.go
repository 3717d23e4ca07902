package mailgunsim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/mail"
	"slices"
	"strings"
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
	values  map[string][]string
	files   int
	message []byte
}

// read parses the request. It does not use the form parser of net/http, which accepts at most a
// thousand fields: fewer than a thousand recipients need.
func read(r *http.Request) (fields, error) {
	f := fields{values: make(map[string][]string)}
	reader, err := r.MultipartReader()
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
		if part.FormName() == "message" && part.FileName() != "" {
			f.message = content
			f.files++
			continue
		}
		f.values[part.FormName()] = append(f.values[part.FormName()], string(content))
	}
}

// check returns what is wrong with a request: what Mailgun refuses, or a parameter that the
// simulator does not know.
func (f fields) check() (wrong string) {
	to, options := f.values["to"], 0
	for name, values := range f.values {
		isVariable := strings.HasPrefix(name, "v:")
		if !isVariable && !slices.Contains([]string{"to", "o:tag", "o:testmode"}, name) {
			return "unknown parameter " + name
		}
		if isVariable && len(values) != 1 {
			return name + " is there twice"
		}
		for _, v := range values {
			if name != "to" {
				options += len(name) + len(v)
			}
		}
	}
	switch {
	case len(to) == 0:
		return "to parameter is missing"
	case len(to) > maxRecipients:
		return "Too many recipients; max is 1000"
	case len(f.values["o:tag"]) > maxTags:
		return "Too many tags"
	case options > maxOptions:
		return "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total"
	case f.files != 1:
		return "message parameter is missing"
	}
	for _, one := range to {
		if a, err := mail.ParseAddress(one); err != nil || a.Address != one || strings.ContainsFunc(one, func(r rune) bool { return r > 127 }) {
			return "'to' parameter is not a valid address. please check documentation"
		}
	}
	return headers(f.message)
}

// headers returns what is wrong with the headers of a message.
func headers(raw []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "the message is not MIME"
	}
	for _, needed := range []string{"From", "To", "Subject", "Date", "Message-Id"} {
		if m.Header.Get(needed) == "" {
			return needed + " is missing"
		}
	}
	if m.Header.Get("Bcc") != "" {
		return "Bcc would be seen by all"
	}
	return ""
}

const badSender = "'from' parameter is not a valid address. please check documentation"

// sender returns the address in the From header.
func (f fields) sender() string {
	m, err := mail.ReadMessage(bytes.NewReader(f.message))
	if err != nil {
		return ""
	}
	from, err := m.Header.AddressList("From")
	if err != nil || len(from) != 1 {
		return ""
	}
	return from[0].Address
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
