package wire

import (
	"bufio"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// Malformed addresses are included, because not every caller has checked them before.
func TestLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8080": true, "127.0.0.1:1": true, "127.255.0.1": true, "[::1]": true, "[::1]:8080": true,
		"": false, ":8080": false, "localhost:x": false, "localhost:8080:1": false, "localhost.": false, "localhost:80@shop.example": false,
		"::1": false, "[::1": false, "[::1]x": false, "[::1].shop.example": false, "[::1%lo]": false, "[127.0.0.1]": false, "[]": false,
		"127.0.0.1.": false, "127.0.0.01": false, "127.1": false, "2130706433": false, "0x7f000001": false, "0.0.0.0": false, "128.0.0.1": false,
		"localhost,shop.example": false, "localhost shop.example": false, "localhost/": false, "local\x00host": false,
	} {
		if got := loopback([]byte(host)); got != want {
			t.Errorf("loopback(%q) = %t, want %t", host, got, want)
		}
	}
}

// Further refusals are tested where they are used: in httpapi and adminapi.
func TestNotLocalAcceptsOnlyLinksFromOtherPagesOfThisMachine(t *testing.T) {
	t.Parallel()
	const link = "Host: localhost:8080\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
	for _, row := range []struct {
		name, method, headers string
		local                 bool
	}{
		{"a link from another port", "GET", link + "Sec-Fetch-Site: same-site\r\n", true},
		{"a link from another site", "GET", link + "Sec-Fetch-Site: cross-site\r\n", false},
		{"a form sent from another port", "POST", link + "Sec-Fetch-Site: same-site\r\n", false},
		{"a request of a script of another port", "GET", "Host: localhost\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Site: same-site\r\n", false},
		{"a link into a frame", "GET", "Host: localhost\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\nSec-Fetch-Site: same-site\r\n", false},
		{"a link with the origin of another port", "GET", link + "Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:3000\r\n", false},
		{"a link through a proxy", "GET", link + "Sec-Fetch-Site: same-site\r\nX-Forwarded-For: 203.0.113.7\r\n", false},
	} {
		var r fasthttp.RequestHeader
		if err := r.Read(bufio.NewReader(strings.NewReader(row.method + " / HTTP/1.1\r\n" + row.headers + "\r\n"))); err != nil {
			t.Fatal(err)
		}
		if why := NotLocal(&r); (why == "") != row.local {
			t.Errorf("%s: NotLocal = %q, want local %t", row.name, why, row.local)
		}
	}
}
