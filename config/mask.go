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

	"patchbay/config/setting"
)

// Mask hides the values that references to secrets have put into settings that are not
// secrets by their type, such as an address, a directory or a URL. The zero Mask hides
// nothing.
type Mask struct{ replacer *strings.Replacer }

// Text returns a text with the secret values hidden.
func (m Mask) Text(text string) string {
	if m.replacer == nil {
		return text
	}
	return m.replacer.Replace(text)
}

// Writer returns a writer that hides the secret values. A value that is split over two
// writes is not found; a log writes each line at once.
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

// used is a reference in a setting, and its value.
type used struct {
	reference, value string
	secret           bool // the setting is a secret by its type
}

// secretName matches names of variables that indicate a secret.
var secretName = regexp.MustCompile(`(?i)(^|_)(SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|TOKEN|KEY|APIKEY|CREDENTIALS?|PRIVATE|DSN|SIGNING|PEPPER)S?(_|$)`)

// mask hides the references that are secrets: those to a file, to a variable that is also
// used for a secret setting, and to a variable whose name indicates a secret.
func (s *source) mask() Mask {
	secrets := map[string]bool{}
	for _, u := range s.used {
		secrets[u.reference] = secrets[u.reference] || u.secret ||
			strings.HasPrefix(u.reference, filePrefix) || secretName.MatchString(u.reference)
	}
	var texts []string
	for _, u := range s.used {
		if !u.secret && secrets[u.reference] {
			texts = append(texts, spellings(u.value)...)
		}
	}
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) }) // longer texts first, so that a part of another one comes after it
	var pairs []string
	for _, text := range slices.Compact(texts) {
		pairs = append(pairs, text, setting.Hidden)
	}
	if pairs == nil {
		return Mask{}
	}
	return Mask{strings.NewReplacer(pairs...)}
}

// spellings returns the texts in which a value may appear: quoted and escaped as in logs,
// errors and URLs, and the parts that those take out of an address.
func spellings(value string) (all []string) {
	parts := []string{value, strings.TrimRight(value, "/"), strings.TrimSpace(value)}
	if host, _, err := net.SplitHostPort(value); err == nil && !setting.Loopback(value) {
		parts = append(parts, host)
	}
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		if !setting.Loopback(net.JoinHostPort(u.Hostname(), "80")) {
			parts = append(parts, u.Host, u.Hostname())
		}
		password, _ := u.User.Password()
		parts = append(parts, u.User.Username(), password, strings.Trim(u.Path, "/"), u.RawQuery)
	}
	for _, part := range parts {
		quoted := strconv.Quote(part)
		inJSON, _ := json.Marshal(part) // a string can always be encoded
		all = append(all, part, strings.ToLower(part), quoted[1:len(quoted)-1], string(inJSON[1:len(inJSON)-1]),
			url.PathEscape(part), url.QueryEscape(part), (&url.URL{Path: part}).EscapedPath())
	}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}
