package smtpmail

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// letter is a message as it is handed over: its envelope and its text.
type letter struct {
	from string
	to   []string
	raw  []byte
	utf8 bool // an address has letters that are not ASCII, so the server must offer SMTPUTF8
	// eightBit is set if the text is not all ASCII, so that the server must offer 8BITMIME.
	eightBit bool
}

// pack returns the letter of a message. It returns Invalid if the message cannot be written.
func pack(m email.Message) (*letter, error) {
	if err := m.CheckLines(); err != nil {
		return nil, err
	}
	from, err := rfc5322.Sender(m)
	if err != nil {
		return nil, err
	}
	to, err := rfc5322.Recipients(m)
	if err != nil {
		return nil, err
	}
	for _, address := range append([]string{from}, to...) {
		// Nothing of an address may be read as a parameter of MAIL or RCPT.
		if strings.ContainsAny(address, "<> \t") {
			return nil, fault.New(fault.Invalid, "invalid_address", "an address must look like ada@example.com")
		}
	}
	var raw bytes.Buffer
	if err := rfc5322.Write(&raw, m); err != nil {
		return nil, err
	}
	l := &letter{from: from, to: to, raw: raw.Bytes()}
	head, _, _ := bytes.Cut(l.raw, []byte("\r\n\r\n"))
	l.utf8, l.eightBit = !ascii(head), !ascii(l.raw)
	for _, address := range append([]string{from}, to...) { // no header names the bcc
		l.utf8 = l.utf8 || !ascii([]byte(address))
	}
	return l, nil
}

// ascii reports whether a text has seven bits. The text of a message has, as rfc5322 composes it, but
// for the local part of an address. One that was handed over need not.
func ascii(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// queued matches the server's id of a message in the words with which it accepts one: those of
// Postfix and SendGrid, of Exim, of Sendmail, and of Amazon SES.
var queued = regexp.MustCompile(`(?i)\bqueued as ([\w.-]{4,100})|\bid=([\w.-]{4,100})|^(?:2\.0\.0 )?(\w{8,100}) message accepted|^ok ([\w-]{16,100})$`)

// reference returns the id under which the server has queued a message, or "" if it names none.
func reference(words string) string {
	found := queued.FindStringSubmatch(words)
	if found == nil {
		return ""
	}
	return strings.Join(found[1:], "") // one of them
}
