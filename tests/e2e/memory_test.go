package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

const maxBusyMemory = 350 << 20

// TestMemoryIsBoundedUnderLoad checks that the gateway's memory is bounded, whatever is sent and
// requested at once: it serves what it has room for, and answers the rest with Retry-After.
func TestMemoryIsBoundedUnderLoad(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	page := strings.Repeat("<p>a mail of a megabyte</p>", 36_000)
	var ids []string
	for range 100 {
		status, _, body := postMail(t, g, mailOf(page, nil))
		if status != http.StatusAccepted {
			t.Fatalf("got %d %s, want %d", status, body, http.StatusAccepted)
		}
		ids = append(ids, idOf(t, body))
	}
	for _, id := range ids {
		sent(t, g, id)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g.Restart(t) // so that its peak is that of what follows

	var all, bodies sync.WaitGroup
	ended := make(chan struct{})
	var answers sync.Map
	for range 60 {
		bodies.Go(func() { count(&answers, openBody(t, g, ended)) })
	}
	for range 6 {
		all.Go(func() { listAll(t, g, len(ids)) })
	}
	var served atomic.Int64
	large := mailOf("<p>a large one</p>", bytes.Repeat([]byte{0, 1, 2, 0xff, 0xfe}, 39<<20/10))
	if len(large) < 25<<20 {
		t.Fatalf("the mail has %d bytes, want at least %v large", len(large), 25<<20)
	}
	for range 4 {
		all.Go(func() {
			if deliverLarge(t, g, large) {
				served.Add(1)
			}
		})
	}
	all.Wait()
	close(ended)
	bodies.Wait()
	if served.Load() == 0 {
		t.Error("got no large mail accepted at first, want some")
	}
	answers.Range(func(what, n any) bool {
		t.Logf("open bodies: %d × %v", n.(*atomic.Int64).Load(), what)
		return true
	})
	if peak := g.PeakMemory(t); peak > maxBusyMemory {
		t.Errorf("the gateway took %d MB, want at most %v", peak>>20, maxBusyMemory)
	} else {
		t.Logf("the gateway took %d MB", peak>>20)
	}
}

func count(answers *sync.Map, what string) {
	n, _ := answers.LoadOrStore(what, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

// mailOf returns the body of a request for an email.
func mailOf(html string, file []byte) []byte {
	m := object{"to": []string{"ada@example.com"}, "subject": "Large", "html": html}
	if file != nil {
		m["attachments"] = []object{{"filename": "a.bin", "contentType": "application/octet-stream", "content": file}}
	}
	raw, _ := json.Marshal(m) // of our own making
	return raw
}

func idOf(t *testing.T, body []byte) string {
	t.Helper()
	var m struct{ ID string }
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

// postMail sends an email. The client that checks everything against the OpenAPI document takes
// long for one of 26 MB.
func postMail(t *testing.T, g *gateway.Gateway, body []byte) (status int, header http.Header, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.Base+"/api/emails", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil { // the gateway may close before the client is done with the body, and the answer is lost
		t.Log(err)
		return 0, nil, nil
	}
	defer resp.Body.Close() // only read
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, resp.Header, answer
}

// deliverLarge repeats an email until it is accepted, and waits until it is sent. It reports
// whether it was accepted the first time.
func deliverLarge(t *testing.T, g *gateway.Gateway, body []byte) (first bool) {
	for try := 1; try <= 20; try++ {
		status, header, answer := postMail(t, g, body)
		switch status {
		case 0:
		case http.StatusAccepted:
			id := idOf(t, answer)
			gateway.Eventually(t, time.Minute, id+" is sent", func() bool {
				return g.Do(t, http.MethodGet, "/api/emails/"+id, nil).Text("status") == "sent"
			})
			return try == 1
		case http.StatusServiceUnavailable:
			wait, err := strconv.Atoi(header.Get("Retry-After"))
			if err != nil {
				t.Errorf("Retry-After: got %q, want seconds", header.Get("Retry-After"))
				return false
			}
			<-time.After(time.Duration(wait) * time.Second)
		default:
			t.Errorf("got %d %s, want 202 or 503", status, answer)
			return false
		}
	}
	t.Error("got a refusal each time, want the mail accepted")
	return false
}

// listAll reads a list to its end.
func listAll(t *testing.T, g *gateway.Gateway, want int) {
	seen := map[string]bool{}
	for cursor := ""; ; {
		page, err := listPage(t, g, cursor)
		if err != nil {
			t.Error(err)
			return
		}
		for _, m := range page.Data {
			seen[m.ID] = true
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if len(seen) < want {
		t.Errorf("the list has %d of %d", len(seen), want)
	}
}

// mailPage is the part of a page that the test reads.
type mailPage struct {
	Data       []struct{ ID string }
	NextCursor string
}

// listPage reads a page, and repeats that while the machine is busy.
func listPage(t *testing.T, g *gateway.Gateway, cursor string) (page mailPage, err error) {
	for range 5 {
		var req *http.Request
		if req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, g.Base+gateway.Page("/api/emails?limit=100", cursor), nil); err != nil {
			return page, err
		}
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err != nil {
			continue // it was closed before it could be used
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return page, errors.New(resp.Status)
		}
		return page, json.NewDecoder(resp.Body).Decode(&page)
	}
	return page, err
}

// openBody sends nearly all of a body of 5 MB to a webhook, and the rest at the end of the test.
// It returns the answer.
func openBody(t *testing.T, g *gateway.Gateway, ended <-chan struct{}) string {
	const size = 5 << 20
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(g.Base, "http://"))
	if err != nil {
		return err.Error()
	}
	defer c.Close() // the gateway may have closed it
	go func() {
		body := bytes.Repeat([]byte("x"), size)
		_, err := fmt.Fprintf(c, "POST /api/webhooks/stripe HTTP/1.1\r\nHost: a\r\nStripe-Signature: t=%d,v1=00\r\nContent-Length: %d\r\n\r\n%s",
			time.Now().Unix(), size, body[1:])
		<-ended
		if err == nil {
			_, _ = c.Write(body[:1]) // it may have been cut off
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "cut off"
	}
	defer resp.Body.Close() // only read
	switch {
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "":
		t.Error("got 503 without Retry-After, want one")
	case resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusRequestTimeout:
		t.Errorf("an unfinished body: got %s, want 400, 408 or 503", resp.Status)
	}
	return resp.Status
}
