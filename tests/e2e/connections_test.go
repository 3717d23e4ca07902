package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

const (
	fewFiles        = 256
	manyConnections = 260
)

// limited starts a gateway that may have this many open files, including connections.
func limited(t *testing.T, files int, env ...string) *gateway.Gateway {
	t.Helper()
	binary, err := gateway.Binary()
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.New(t)
	g.Program = filepath.Join(g.Dir, "limited")
	script := fmt.Sprintf("#!/bin/sh\nulimit -n %d && exec %s \"$@\"\n", files, binary)
	if err := os.WriteFile(g.Program, []byte(script), 0o700); err != nil { // it is to be run
		t.Fatal(err)
	}
	g.Env = append(g.Env, env...)
	g.Restart(t)
	return g
}

// connectFrom opens a connection from an address of this machine and makes a request. The status is 0 if
// the gateway does not answer for a while, or closes the connection.
func connectFrom(t *testing.T, g *gateway.Gateway, from string, wait time.Duration) (c net.Conn, status int) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(g.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // it may be
	_ = c.SetDeadline(time.Now().Add(wait))
	_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") // it may have ended
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return c, 0
	}
	return c, resp.StatusCode
}

// TestConnectionsAreFewerThanFiles checks that, with the default settings, the number of
// connections stays below the limit of open files, so that some files are left for the gateway's
// own work.
func TestConnectionsAreFewerThanFiles(t *testing.T) {
	t.Parallel()
	g := limited(t, fewFiles)
	statuses := make(map[int]int)
	var open []net.Conn
	for n := range manyConnections {
		c, status := connectFrom(t, g, fmt.Sprint("127.0.0.", 2+n%5), 10*time.Second)
		open = append(open, c)
		statuses[status]++
	}
	// A quarter of the files is reserved. The gateway's own client may use one more.
	if statuses[200] < 190 || statuses[200] > 192 || statuses[503] == 0 || statuses[200]+statuses[503]+statuses[0] != manyConnections {
		t.Errorf("answers to %d connections: got %v, want 190 to 192 of 200 and the others of 503 or none", manyConnections, statuses)
	}
	g.Ask(t, "/mock/charges").HasStatus(t, 200, "the admin listener, while no file is left")
	for _, c := range open {
		_ = c.Close()
	}
	goesOn(t, g)
	if strings.Contains(g.Log(), "too many open files") {
		t.Errorf("the files were used up, want no \"too many open files\" in it:\n%s", g.Log())
	}
}

func TestConnectionsOfOneAddressAreFewer(t *testing.T) {
	t.Parallel()
	g := limited(t, fewFiles)
	statuses := make(map[int]int)
	for range 120 {
		_, status := connectFrom(t, g, "127.0.0.2", 10*time.Second)
		statuses[status]++
	}
	if statuses[200] != 96 || statuses[429] == 0 {
		t.Errorf("answers to 120 connections: got %v, want 96 of 200 and others of 429", statuses)
	}
	if _, status := connectFrom(t, g, "127.0.0.3", 10*time.Second); status != 200 {
		t.Errorf("another address: got %d, want 200", status)
	}
}

// TestAGatewayWithoutFilesWaits checks that, if the files are used up all the same, the gateway
// waits until some are free.
func TestAGatewayWithoutFilesWaits(t *testing.T) {
	t.Parallel()
	g := limited(t, fewFiles, "PATCHBAY_SERVER__MAX_CONNECTIONS=1000", "PATCHBAY_SERVER__MAX_CONNECTIONS_PER_ADDRESS=1000")
	var open []net.Conn
	served := 0
	for range manyConnections {
		wait := 3 * time.Second
		if strings.Contains(g.Log(), "connections cannot be accepted") {
			wait = time.Millisecond // there is none for it
		}
		c, status := connectFrom(t, g, "127.0.0.2", wait)
		open = append(open, c)
		if status == 200 {
			served++
		}
	}
	if served < 200 || served >= fewFiles {
		t.Errorf("%d connections were served, want at least 200 and fewer than %v", served, fewFiles)
	}
	for _, words := range []string{"connections cannot be accepted; they wait", "too many open files"} {
		if n := strings.Count(g.Log(), words); n != 1 {
			t.Errorf("the log has %q %d times, want 1:\n%s", words, n, g.Log())
		}
	}
	for _, c := range open {
		_ = c.Close()
	}
	goesOn(t, g)
	gateway.Eventually(t, 10*time.Second, "the log says that connections are accepted again", func() bool {
		return strings.Contains(g.Log(), "connections are accepted again")
	})
}

// goesOn checks that the gateway accepts a payment.
func goesOn(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	g.Do(t, "POST", "/api/payments", pay("pm_card_visa"), gateway.Key("afterwards")).HasStatus(t, 201)
}
