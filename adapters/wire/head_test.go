package wire

import (
	"strings"
	"testing"
)

const host = "Host: a\r\n"

func TestParseHead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, head string
		framing    framing
	}{
		{"no body", "GET / HTTP/1.1\r\n" + host, framing{}},
		{"an empty body", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n", framing{}},
		{"a length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 12\r\n", framing{length: 12}},
		{"a length with white space around it", "POST / HTTP/1.1\r\n" + host + "content-length:\t 12 \t\r\n", framing{length: 12}},
		{"a length on a GET", "GET / HTTP/1.1\r\n" + host + "Content-Length: 12\r\n", framing{length: 12}},
		{"chunks", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n", framing{chunked: true}},
		{"chunks in capitals", "POST / HTTP/1.1\r\n" + host + "TRANSFER-ENCODING: Chunked\r\n", framing{chunked: true}},
		{"a client that waits for 100 Continue", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nExpect: 100-continue\r\n", framing{length: 1, expects: true}},
		{"no body to wait for 100 Continue with", "GET / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n", framing{}},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n", framing{}},
		{"HTTP/1.0 has no 100 Continue", "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n", framing{length: 1}},
		{"a whole URL", "GET http://A:80/x?y HTTP/1.1\r\nHost: a:80\r\n", framing{}},
		{"a whole URL without a path", "GET HTTPS://a HTTP/1.1\r\n" + host, framing{}},
		{"a whole URL under HTTP/1.0", "GET http://a/ HTTP/1.0\r\n", framing{}},
		{"OPTIONS of the whole server", "OPTIONS * HTTP/1.1\r\n" + host, framing{}},
		{"CONNECT to a host", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n", framing{}},
		{"a URL as a parameter", "GET /?to=http://b/ HTTP/1.1\r\n" + host, framing{}},
		{"an address of IPv6", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n", framing{}},
		{"a host with an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n", framing{}},
		{"a name with an underscore", "GET / HTTP/1.1\r\nHost: my_service.local:80\r\n", framing{}},
		{"bytes beyond ASCII in a value", "GET / HTTP/1.1\r\n" + host + "X: \xc3\xa4\xff\r\n", framing{}},
		{"an empty value", "GET / HTTP/1.1\r\n" + host + "X:\r\n", framing{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, out, err := parseHead([]byte(row.head+"\r\n"), nil)
			if err != nil || got != row.framing {
				t.Fatalf("framing = %+v, %v, want %+v", got, err, row.framing)
			}
			for line := range strings.SplitSeq(string(out), "\r\n") {
				name, _, _ := strings.Cut(strings.ToLower(line), ":")
				if name == "content-length" || name == "transfer-encoding" || name == "expect" {
					t.Errorf("head for fasthttp has %q, want no field that frames the body", line)
				}
			}
			if line, _, _ := strings.Cut(row.head, "\r\n"); !strings.HasPrefix(string(out), line+"\r\n") {
				t.Errorf("head for fasthttp = %q, want the request line %q first", out, line)
			}
			if !strings.HasSuffix(string(out), "\r\n\r\n") {
				t.Errorf("head for fasthttp = %q, want an empty line at its end", out)
			}
		})
	}
}

func TestParseHeadRefuses(t *testing.T) {
	t.Parallel()
	get := "GET / HTTP/1.1\r\n"
	post := "POST / HTTP/1.1\r\n" + host
	for _, row := range []struct {
		name, head string
		status     int
	}{
		{"two lengths", post + "Content-Length: 1\r\nContent-Length: 2\r\n", 400},
		{"a length twice", post + "Content-Length: 1\r\nContent-Length: 1\r\n", 400},
		{"a list of lengths", post + "Content-Length: 1, 1\r\n", 400},
		{"a length with a sign", post + "Content-Length: +1\r\n", 400},
		{"a negative length", post + "Content-Length: -1\r\n", 400},
		{"a length in hexadecimal", post + "Content-Length: 0x1\r\n", 400},
		{"an empty length", post + "Content-Length:\r\n", 400},
		{"a length with a space in it", post + "Content-Length: 1 1\r\n", 400},
		{"a length of 20 digits", post + "Content-Length: 99999999999999999999\r\n", 400},
		{"a length of 2^63", post + "Content-Length: 9223372036854775808\r\n", 400},
		{"a length of 2^64 and 5", post + "Content-Length: 18446744073709551621\r\n", 400},
		{"a length with a point", post + "Content-Length: 1.0\r\n", 400},
		{"a length beyond ASCII", post + "Content-Length: \xd9\xa1\r\n", 400},
		{"a length and chunks", post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400},
		{"chunks and a length", post + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400},
		{"chunks and a length of 0", post + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400},
		{"a coding that looks like chunks", post + "Transfer-Encoding: xchunked\r\n", 400},
		{"a coding that begins like chunks", post + "Transfer-Encoding: chunkedx\r\n", 400},
		{"another coding before chunks", post + "Transfer-Encoding: gzip, chunked\r\n", 400},
		{"another coding after chunks", post + "Transfer-Encoding: chunked, gzip\r\n", 400},
		{"chunks twice", post + "Transfer-Encoding: chunked, chunked\r\n", 400},
		{"chunks in two fields", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
		{"chunks and the coding identity", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400},
		{"chunks with a parameter", post + "Transfer-Encoding: chunked;a=b\r\n", 400},
		{"chunks in quotation marks", post + "Transfer-Encoding: \"chunked\"\r\n", 400},
		{"chunks after a vertical tab", post + "Transfer-Encoding: \vchunked\r\n", 400},
		{"the coding identity", post + "Transfer-Encoding: identity\r\n", 400},
		{"an empty coding", post + "Transfer-Encoding:\r\n", 400},
		{"chunks under HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n", 400},
		{"no Host", get, 400},
		{"an empty Host", get + "Host:\r\n", 400},
		{"two Hosts", get + host + "Host: b\r\n", 400},
		{"a Host twice", get + host + host, 400},
		{"two Hosts under HTTP/1.0", "GET / HTTP/1.0\r\n" + host + "Host: b\r\n", 400},
		{"a list of Hosts", get + "Host: a, b\r\n", 400},
		{"a Host with a path", get + "Host: a/b\r\n", 400},
		{"a Host with credentials", get + "Host: a@b\r\n", 400},
		{"a Host with an escape", get + "Host: a%2fb\r\n", 400},
		{"a Host with half an escape", get + "Host: %\r\n", 400},
		{"a Host with a port that is not a number", get + "Host: a:b\r\n", 400},
		{"a Host with two ports", get + "Host: a:1:2\r\n", 400},
		{"a Host that is a port", get + "Host: :80\r\n", 400},
		{"a Host with a bracket", get + "Host: [::1\r\n", 400},
		{"a Host with empty brackets", get + "Host: []\r\n", 400},
		{"a Host in brackets with a port that is not a number", get + "Host: [::1]:b\r\n", 400},
		{"a Host after brackets", get + "Host: [::1]a\r\n", 400},
		{"an address of IPv6 without brackets", get + "Host: ::1\r\n", 400},
		{"another Host in the request line", "GET http://b/ HTTP/1.1\r\n" + host, 400},
		{"credentials in the request line", "GET http://a@b/ HTTP/1.1\r\n" + host, 400},
		{"credentials in the request line under HTTP/1.0", "GET http://a@b/ HTTP/1.0\r\n", 400},
		{"a whole URL without a host", "GET http:///x HTTP/1.1\r\n" + host, 400},
		{"a whole URL of another scheme", "GET ftp://a/ HTTP/1.1\r\n" + host, 400},
		{"a path without its slash", "GET x HTTP/1.1\r\n" + host, 400},
		{"a query alone", "GET ?x HTTP/1.1\r\n" + host, 400},
		{"a host alone", "GET a:80 HTTP/1.1\r\n" + host, 400},
		{"a fragment", "GET /x#y HTTP/1.1\r\n" + host, 400},
		{"GET of the whole server", "GET * HTTP/1.1\r\n" + host, 400},
		{"CONNECT to a URL", "CONNECT http://a/ HTTP/1.1\r\n" + host, 400},
		{"CONNECT to another host than Host", "CONNECT b:443 HTTP/1.1\r\n" + host, 400},
		{"a folded line", get + host + "X: a\r\n b\r\n", 400},
		{"a line folded with a tab", get + host + "X: a\r\n\tb\r\n", 400},
		{"a first line that is folded", get + " X: a\r\n" + host, 400},
		{"a space before the colon", get + "Host : a\r\n", 400},
		{"a tab before the colon", post + "Content-Length\t: 1\r\n", 400},
		{"a space in a name", get + host + "X Y: a\r\n", 400},
		{"a field without a name", get + host + ": a\r\n", 400},
		{"a field without a colon", get + host + "X\r\n", 400},
		{"a line feed alone", get + host + "X: a\nContent-Length: 1\r\n", 400},
		{"a carriage return alone", get + host + "X: a\rContent-Length: 1\r\n", 400},
		{"a carriage return in a name", get + host + "\rContent-Length: 1\r\n", 400},
		{"a null byte in a value", get + host + "X: a\x00b\r\n", 400},
		{"a null byte in a name", get + host + "X\x00: a\r\n", 400},
		{"a name beyond ASCII", get + host + "X\xc3\xa4: a\r\n", 400},
		{"no version", "GET /\r\n" + host, 400},
		{"no target", "GET HTTP/1.1\r\n" + host, 400},
		{"two spaces before the target", "GET  / HTTP/1.1\r\n" + host, 400},
		{"a space in the target", "GET /a b HTTP/1.1\r\n" + host, 400},
		{"a space after the version", "GET / HTTP/1.1 \r\n" + host, 400},
		{"a tab after the method", "GET\t/ HTTP/1.1\r\n" + host, 400},
		{"a method that is no token", "G(T / HTTP/1.1\r\n" + host, 400},
		{"a target beyond ASCII", "GET /\xc3\xa4 HTTP/1.1\r\n" + host, 400},
		{"a version in small letters", "GET / http/1.1\r\n" + host, 400},
		{"a version of three parts", "GET / HTTP/1.1.1\r\n" + host, 400},
		{"HTTP/0.9", "GET / HTTP/0.9\r\n" + host, 505},
		{"HTTP/1.2", "GET / HTTP/1.2\r\n" + host, 505},
		{"HTTP/2", "PRI * HTTP/2.0\r\n", 505},
		{"another expectation than 100-continue", post + "Expect: 200-ok\r\n", 417},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := parseHead([]byte(row.head+"\r\n"), nil)
			if err == nil || err.Status != row.status {
				t.Errorf("framing = %+v, refusal = %v, want status %d", got, err, row.status)
			}
		})
	}
}
