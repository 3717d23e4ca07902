package chaosmail_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/emersion/go-message"
)

// letter is what a recipient sees of a copy.
type letter struct {
	subject, text, html string
	files               [][]byte
	all                 string // headers and texts, decoded
}

// open takes a copy apart as a mail reader does.
func open(raw []byte) (l letter, err error) {
	e, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		return l, err
	}
	if l.subject, err = e.Header.Text("Subject"); err != nil {
		return l, err
	}
	for fields := e.Header.Fields(); fields.Next(); {
		value, err := fields.Text()
		if err != nil {
			return l, err
		}
		l.all += value + "\n"
	}
	err = e.Walk(func(_ []int, part *message.Entity, err error) error {
		if err != nil || part.MultipartReader() != nil {
			return err
		}
		return l.add(part)
	})
	l.all += l.text + "\n" + l.html
	return l, err
}

func (l *letter) add(part *message.Entity) error {
	body, err := io.ReadAll(part.Body)
	if err != nil {
		return err
	}
	kind, _, err := part.Header.ContentType()
	if err != nil {
		return err
	}
	disposition, _, _ := part.Header.ContentDisposition() // none is one of a text
	text := strings.TrimRight(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n")
	switch {
	case disposition == "attachment":
		l.files = append(l.files, body)
	case kind == "text/html":
		l.html = text
	case kind == "text/plain":
		l.text = text
	default:
		return errors.New("a part of type " + kind)
	}
	return nil
}

// check returns what is wrong with a copy of a mail: what it says is not what was asked for, or it
// names somebody whom its readers are not to see.
func (m *mail) check(raw []byte, to []string) error {
	l, err := open(raw)
	if err != nil {
		return err
	}
	for _, c := range []struct{ part, got, want string }{{"subject", l.subject, m.subject}, {"text", l.text, m.text}, {"html", l.html, m.html}} {
		if c.got != c.want {
			return fmt.Errorf("%s = %q, want %q", c.part, c.got, c.want)
		}
	}
	var files [][]byte
	if m.file != nil {
		files = append(files, m.file)
	}
	if !slices.EqualFunc(l.files, files, bytes.Equal) {
		return fmt.Errorf("%d files, want the %d that were attached", len(l.files), len(files))
	}
	return m.checkNames(l, to)
}

// shown lists who is named by a copy that goes to these addresses: everybody in To and Cc but one who was
// refused before. If that leaves nobody, a single one in Bcc is named. Once the faults are over, nobody is
// refused.
func (m *mail) shown(to []string) map[string]bool {
	names := func(list ...person) map[string]bool {
		all := map[string]bool{}
		for _, p := range list {
			if !strings.Contains(p.address, refusedMark) || slices.Contains(to, p.address) {
				all[p.address] = true
			}
		}
		return all
	}
	all := names(slices.Concat(m.to, m.cc)...)
	if len(all) == 0 && len(m.bcc) == 1 {
		all = names(m.bcc...)
	}
	return all
}

// checkNames checks that a copy names those whom it should, and nobody else. What was handed over by SMTP
// may go out as it came.
func (m *mail) checkNames(l letter, to []string) error {
	got := map[string]bool{}
	for _, address := range ownAddress.FindAllString(l.all, -1) {
		got[address] = true
	}
	want := m.shown(to)
	asItCame := map[string]bool{}
	for _, p := range slices.Concat(m.to, m.cc) {
		asItCame[p.address] = true
	}
	if !maps.Equal(got, want) && (m.way != smtpIn || !maps.Equal(got, asItCame)) {
		return fmt.Errorf("it names %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for _, own := range []*regexp.Regexp{ownToken, ownName} {
		for _, found := range own.FindAllStringSubmatch(l.all, -1) {
			if found[1] != fmt.Sprint(m.n) {
				return fmt.Errorf("it has %q of another mail", found[0])
			}
		}
	}
	return nil
}
