package wire

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// framing is what a head says about the body that follows.
type framing struct {
	length  int64 // of a body that is not chunked
	chunked bool
	expects bool // the client waits for 100 Continue
}

var crlf = []byte("\r\n")

// parseHead checks a head, from the request line to the empty line, and appends it to out
// without the fields that matter only in this package. It is as strict as RFC 9112 allows a
// recipient to be: a head that two programs could interpret differently is refused.
func parseHead(head, out []byte) (framing, []byte, *Refusal) {
	var f fields
	line, rest, _ := bytes.Cut(head, crlf)
	if err := f.requestLine(line); err != nil {
		return framing{}, out, err
	}
	out = append(append(out, line...), crlf...)
	for {
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			break
		}
		keep, err := f.field(line)
		if err != nil {
			return framing{}, out, err
		}
		if keep {
			out = append(append(out, line...), crlf...)
		}
	}
	if err := f.consistent(); err != nil {
		return framing{}, out, err
	}
	return f.framing, append(out, crlf...), nil
}

// fields is the state of parsing a head.
type fields struct {
	framing
	http10             bool
	hosts, lengths     int
	host, absoluteHost []byte
}

func (f *fields) requestLine(line []byte) *Refusal {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, ok := bytes.Cut(rest, []byte(" "))
	if !ok || !isToken(method) || len(target) == 0 || !consistsOf(target, &targets) {
		return badRequest("the request line is not one of HTTP/1.1")
	}
	switch f.http10 = string(version) == "HTTP/1.0"; {
	case f.http10, string(version) == "HTTP/1.1":
	case len(version) == 8 && bytes.HasPrefix(version, []byte("HTTP/")):
		return &Refusal{Status: fasthttp.StatusHTTPVersionNotSupported, Code: "http_version_not_supported", Message: "speak HTTP/1.1"}
	default:
		return badRequest("the request line is not one of HTTP/1.1")
	}
	if f.absoluteHost, ok = authority(method, target); !ok {
		return badRequest("the request line names nothing that can be asked for")
	}
	return nil
}

// authority returns the host named by a request target, if any. ok is false if the target
// has none of the forms that RFC 9112, section 3.2, defines for the method.
func authority(method, target []byte) (host []byte, ok bool) {
	switch {
	case target[0] == '/':
		return nil, true
	case len(target) == 1 && target[0] == '*':
		return nil, string(method) == "OPTIONS"
	case string(method) == "CONNECT":
		return target, isHost(target)
	}
	scheme, host, ok := bytes.Cut(target, []byte("://"))
	if i := bytes.IndexAny(host, "/?"); i >= 0 {
		host = host[:i]
	}
	return host, ok && (is(scheme, "http") || is(scheme, "https")) && isHost(host)
}

// field parses one header field. keep reports whether fasthttp should see it.
func (f *fields) field(line []byte) (keep bool, err *Refusal) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(name) {
		return false, badRequest("a header field has no proper name") // also if the line is folded
	}
	value = bytes.Trim(value, " \t")
	if !consistsOf(value, &values) {
		return false, badRequest("a header field has a control character in it")
	}
	switch {
	case is(name, "host"):
		if f.hosts++; f.hosts > 1 {
			return false, badRequest("there is more than one Host")
		}
		f.host = value
	case is(name, "content-length"):
		if f.lengths++; f.lengths > 1 {
			return false, badRequest("there is more than one Content-Length")
		}
		if f.length, ok = number(value); !ok {
			return false, badRequest("Content-Length is not a number")
		}
		return false, nil
	case is(name, "transfer-encoding"):
		switch {
		case f.chunked:
			return false, badRequest("there is more than one Transfer-Encoding")
		case f.http10:
			return false, badRequest("HTTP/1.0 has no Transfer-Encoding")
		case !is(value, "chunked"):
			return false, badRequest("the only Transfer-Encoding is chunked")
		}
		f.chunked = true
		return false, nil
	case is(name, "trailer"):
		return false, nil // trailers are skipped
	case is(name, "expect"):
		if !is(value, "100-continue") {
			return false, &Refusal{Status: fasthttp.StatusExpectationFailed, Code: "expectation_failed", Message: "the only Expect is 100-continue"}
		}
		f.expects = true
		return false, nil
	}
	return true, nil
}

// consistent checks the header fields against each other.
func (f *fields) consistent() *Refusal {
	switch {
	case f.chunked && f.lengths > 0:
		return badRequest("there are both Content-Length and Transfer-Encoding")
	case f.hosts == 0 && !f.http10:
		return badRequest("there is no Host")
	case f.hosts > 0 && !isHost(f.host):
		return badRequest("Host is not the name of a host")
	case f.absoluteHost != nil && f.hosts > 0 && !bytes.EqualFold(f.absoluteHost, f.host):
		return badRequest("the request line and Host name different hosts")
	}
	// HTTP/1.0 has no interim responses, and without a body the client does not wait.
	f.expects = f.expects && !f.http10 && (f.chunked || f.length > 0)
	return nil
}

// is compares a name, ignoring case.
func is(name []byte, lower string) bool {
	return len(name) == len(lower) && strings.EqualFold(string(name), lower)
}

// number parses decimal digits: no sign, no list, at most 18 digits, which fit in an int64.
func number(text []byte) (n int64, ok bool) {
	if len(text) > 18 || !consistsOf(text, &digits) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil
}

// charset is a set of bytes. Heads are checked byte by byte, so it must be fast.
type charset [256]bool

var (
	digits  = charsetOf(func(c byte) bool { return '0' <= c && c <= '9' })
	letters = charsetOf(func(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' })
	tokens  = charsetOf(func(c byte) bool { // of methods and field names
		return digits[c] || letters[c] || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
	})
	hosts   = charsetOf(func(c byte) bool { return digits[c] || letters[c] || strings.IndexByte("-._", c) >= 0 }) // of host names
	targets = charsetOf(func(c byte) bool { return c > ' ' && c <= '~' && c != '#' })                             // of URLs without a fragment
	values  = charsetOf(func(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' })                          // of header fields
)

func charsetOf(has func(byte) bool) (set charset) {
	for c := range set {
		set[c] = has(byte(c))
	}
	return set
}

func consistsOf(text []byte, set *charset) bool {
	for _, c := range text {
		if !set[c] {
			return false
		}
	}
	return true
}

// isToken reports whether a text is a token of RFC 9110, section 5.6.2.
func isToken(text []byte) bool { return len(text) > 0 && consistsOf(text, &tokens) }

// isHost reports whether a text is a host with an optional port: a name, an IPv4 address,
// or an IPv6 address in brackets. No path, list, credentials or escape can hide in it.
func isHost(text []byte) bool {
	name, ok := cutPort(text)
	if inside, bracketed := bytes.CutPrefix(name, []byte("[")); bracketed {
		inside, closed := bytes.CutSuffix(inside, []byte("]"))
		return ok && closed && len(inside) > 0 && len(bytes.Trim(inside, "0123456789abcdefABCDEF:.")) == 0
	}
	return ok && len(name) > 0 && consistsOf(name, &hosts)
}

// cutPort returns a host without its port. ok is false if the port is not a number. It may
// be empty.
func cutPort(host []byte) (name []byte, ok bool) {
	i := bytes.LastIndexByte(host, ':')
	if i < 0 || bytes.IndexByte(host[i:], ']') >= 0 { // a colon of an IPv6 address
		return host, true
	}
	return host[:i], consistsOf(host[i+1:], &digits)
}
