package config

import (
	"encoding/json"
	"io"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Mask hides what references to secrets have brought into settings that are no secrets
// by their type: an address, a directory, a URL. The zero Mask hides nothing.
type Mask struct{ replacer *strings.Replacer }

// Text is a text without what is to be hidden.
func (m Mask) Text(text string) string {
	if m.replacer == nil {
		return text
	}
	return m.replacer.Replace(text)
}

// Writer hides it in what is written. A value that comes in two writes is not found: a
// log writes each line at once.
func (m Mask) Writer(to io.Writer) io.Writer {
	if m.replacer == nil {
		return to
	}
	return masked{m, to}
}

type masked struct {
	Mask
	to io.Writer
}

func (m masked) Write(text []byte) (int, error) {
	if _, err := m.replacer.WriteString(m.to, string(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// used is a reference in a setting, and what it stands for there.
type used struct {
	reference, value string
	secret           bool // the setting is a secret by its type
}

// telling are words by which the name of a variable says that it holds a secret.
var telling = regexp.MustCompile(`(?i)(^|_)(SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|TOKEN|KEY|APIKEY|CREDENTIALS?|PRIVATE|DSN|SIGNING|PEPPER)S?(_|$)`)

// mask hides the references that are secrets: to a file, to a variable that a secret is
// read from as well, and to one whose name says so.
func (s *source) mask() Mask {
	secrets := map[string]bool{}
	for _, u := range s.used {
		secrets[u.reference] = secrets[u.reference] || u.secret ||
			strings.HasPrefix(u.reference, filePrefix) || telling.MatchString(u.reference)
	}
	var texts []string
	for _, u := range s.used {
		if !u.secret && secrets[u.reference] {
			texts = append(texts, spellings(u.value)...)
		}
	}
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) }) // a part of another comes after it
	var pairs []string
	for _, text := range slices.Compact(texts) {
		pairs = append(pairs, text, hidden)
	}
	if pairs == nil {
		return Mask{}
	}
	return Mask{strings.NewReplacer(pairs...)}
}

// spellings are the texts in which a value may be met: quoted and escaped as logs,
// errors and URLs have it, and the parts that those take out of an address.
func spellings(value string) (all []string) {
	parts := []string{value, strings.TrimRight(value, "/"), strings.TrimSpace(value)}
	if host, _, err := net.SplitHostPort(value); err == nil && !Loopback(value) {
		parts = append(parts, host)
	}
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		if !Loopback(net.JoinHostPort(u.Hostname(), "80")) {
			parts = append(parts, u.Host, u.Hostname())
		}
		password, _ := u.User.Password()
		parts = append(parts, u.User.Username(), password, strings.Trim(u.Path, "/"), u.RawQuery)
	}
	for _, part := range parts {
		quoted := strconv.Quote(part)
		inJSON, _ := json.Marshal(part) // a string always can be
		all = append(all, part, strings.ToLower(part), quoted[1:len(quoted)-1], string(inJSON[1:len(inJSON)-1]),
			url.PathEscape(part), url.QueryEscape(part), (&url.URL{Path: part}).EscapedPath())
	}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}
