package httpapi_test

import (
	"bufio"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// sent is one request as it was sent.
type sent struct {
	method, target, id string
	body               string
	whole              bool
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"

var (
	requestLine = regexp.MustCompile(`^(` + token + `) ([\x21-\x7e]+) HTTP/1\.([01])$`)
	fieldLine   = regexp.MustCompile(`^(` + token + `):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*$`)
	digits      = regexp.MustCompile(`^[0-9]{1,18}$`)
	chunkLine   = regexp.MustCompile(`^([0-9A-Fa-f]{1,15})[ \t]*(;[^\r\n]*)?$`)
)

// requests reads a stream as RFC 9112 demands, as far as there is one way to read it. It is
// written to be obviously right, and shares no code with the server.
func requests(stream string) (all []sent) {
	for {
		one, rest, ok := request(strings.TrimPrefix(stream, "\r\n"))
		if !ok {
			return all
		}
		if all = append(all, one); !one.whole {
			return all
		}
		stream = rest
	}
}

func request(stream string) (one sent, rest string, ok bool) {
	head, rest, ok := strings.Cut(stream, "\r\n\r\n")
	if !ok {
		return sent{}, "", false
	}
	lines := strings.Split(head, "\r\n")
	first := requestLine.FindStringSubmatch(lines[0])
	if first == nil {
		return sent{}, "", false
	}
	fields := make(map[string][]string)
	for _, line := range lines[1:] {
		f := fieldLine.FindStringSubmatch(line)
		if f == nil {
			return sent{}, "", false
		}
		name := strings.ToLower(f[1])
		fields[name] = append(fields[name], f[2])
	}
	one = sent{method: first[1], target: first[2]}
	if ids := fields["x-request-id"]; ids != nil {
		one.id = ids[0]
	}
	lengths, codings, http10 := fields["content-length"], fields["transfer-encoding"], first[3] == "0"
	switch {
	case len(fields["host"]) > 1 || len(fields["host"]) == 0 && !http10:
		return sent{}, "", false
	case len(lengths)+len(codings) > 1:
		return sent{}, "", false
	case len(codings) == 1:
		if http10 || !strings.EqualFold(codings[0], "chunked") {
			return sent{}, "", false
		}
		one.body, rest, one.whole = chunked(rest)
	case len(lengths) == 1:
		if !digits.MatchString(lengths[0]) {
			return sent{}, "", false
		}
		n, _ := strconv.Atoi(lengths[0]) // its digits are counted
		if one.whole = n <= len(rest); one.whole {
			one.body, rest = rest[:n], rest[n:]
		}
	default:
		one.whole = true
	}
	return one, rest, true
}

func chunked(stream string) (body, rest string, whole bool) {
	for {
		line, after, ok := strings.Cut(stream, "\r\n")
		c := chunkLine.FindStringSubmatch(line)
		if !ok || c == nil {
			return "", "", false
		}
		n, _ := strconv.ParseUint(c[1], 16, 63) // its digits are counted
		if n == 0 {
			return body, afterTrailers(after), true
		}
		if uint64(len(after)) < n+2 || after[n:n+2] != "\r\n" {
			return "", "", false
		}
		body, stream = body+after[:n], after[n+2:]
	}
}

// afterTrailers returns what follows the trailers, or nothing if they do not end.
func afterTrailers(stream string) string {
	for {
		line, after, ok := strings.Cut(stream, "\r\n")
		switch {
		case !ok || line != "" && !fieldLine.MatchString(line):
			return ""
		case line == "":
			return after
		}
		stream = after
	}
}

// agrees compares the reading with that of net/http, which accepts more; what both accept must be
// the same.
func agrees(t *testing.T, stream string) {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(stream))
	for _, want := range requests(stream) {
		if !want.whole || strings.HasPrefix(want.target, "//") {
			return
		}
		if ahead, _ := in.Peek(2); string(ahead) == "\r\n" {
			_, _ = in.Discard(2) // they were read
		}
		got, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(got.Body)
		if err != nil {
			return
		}
		if got.Method != want.method || got.RequestURI != want.target || string(body) != want.body {
			t.Fatalf("net/http reads %s %s with %q, not %+v, from %q, want method %v, request uri %v, %v", got.Method, got.RequestURI, body, want, stream, want.method, want.target, want.body)
		}
	}
}
