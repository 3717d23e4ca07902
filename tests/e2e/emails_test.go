package e2e_test

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

func sent(t *testing.T, g *gateway.Gateway, id string) gateway.Answer {
	t.Helper()
	var m gateway.Answer
	gateway.Eventually(t, 10*time.Second, id+" is sent", func() bool {
		m = g.Do(t, "GET", "/api/emails/"+id, nil)
		return m.Text("status") == "sent"
	})
	return m
}

func TestEmail(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	m := g.Do(t, "POST", "/api/emails", object{
		"to": []string{"Ada Lovelace <ada@example.com>"}, "bcc": []string{"audit@example.com"}, "subject": "Grüße",
		"html": "<h1>Hello</h1><p>Good to see you.</p>", "headers": object{"X-Campaign": "7"},
	}, gateway.Key("k"))
	if m.Status != 202 || !strings.HasPrefix(m.Text("id"), "msg_") {
		t.Fatalf("got %d %s, want 202, id beginning with msg_", m.Status, m.Body)
	}
	done := sent(t, g, m.Text("id"))
	attempts, _ := done.JSON["attempts"].([]any)
	if len(attempts) != 1 || !strings.Contains(string(done.Body), `"outcome":"accepted"`) || !strings.Contains(string(done.Body), `"provider":"catcher"`) {
		t.Fatalf("got %s, want 1 attempt, \"outcome\":\"accepted\" in it, \"provider\":\"catcher\" in it", done.Body)
	}

	t.Run("is kept by the catcher and listed on its page", func(t *testing.T) {
		page := string(g.Ask(t, "/catcher").Body)
		if !strings.Contains(page, "Grüße") || !strings.Contains(page, "ada@example.com") {
			t.Fatalf("got %s, want \"Grüße\" in it, \"ada@example.com\" in it", page)
		}
		_, rest, _ := strings.Cut(page, `href="/catcher/`)
		name, _, _ := strings.Cut(rest, `"`)
		raw := g.Ask(t, "/catcher/"+name)
		kept, err := mail.ReadMessage(bytes.NewReader(raw.Body))
		if err != nil {
			t.Fatalf("%v\n%s", err, raw.Body)
		}
		if strings.Contains(string(raw.Body), "audit@example.com") || kept.Header.Get("X-Campaign") != "7" {
			t.Errorf("got %s, want no \"audit@example.com\" in it, X-Campaign 7", raw.Body)
		}
		if text := firstPart(t, kept); !strings.Contains(text, "Good to see you.") || strings.Contains(text, "<p>") {
			t.Errorf("the derived text is %q, want \"Good to see you.\" in it, no \"<p>\" in it", text)
		}
	})

	t.Run("is sent once for each key", func(t *testing.T) {
		body := object{"to": []string{"eve@example.com"}, "subject": "Once", "text": "Once"}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				g.Do(t, "POST", "/api/emails", body, gateway.Key("once")).HasStatus(t, 202)
			})
		}
		all.Wait()
		sent(t, g, g.Do(t, "POST", "/api/emails", body, gateway.Key("once")).Text("id"))
		if n := strings.Count(string(g.Ask(t, "/catcher").Body), ">Once<"); n != 1 {
			t.Errorf("got %d copies, want 1", n)
		}
		other := g.Do(t, "POST", "/api/emails", object{"to": []string{"eve@example.com"}, "subject": "Other", "text": "Once"}, gateway.Key("once"))
		if other.Status != 422 {
			t.Errorf("other body: got %d %s, want 422", other.Status, other.Body)
		}
	})

	t.Run("waits for its time, and can be canceled until then", func(t *testing.T) {
		later := g.Do(t, "POST", "/api/emails", object{
			"to": []string{"ada@example.com"}, "subject": "Later", "text": "Later", "sendAt": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		})
		path := "/api/emails/" + later.Text("id")
		if got := g.Do(t, "POST", path+"/cancel", nil); got.Status != 200 || got.Text("status") != "canceled" {
			t.Errorf("got %d %s, want 200, canceled", got.Status, got.Body)
		}
		g.Do(t, "POST", path+"/cancel", nil).HasStatus(t, 409, "a second time")
		if list := g.Do(t, "GET", "/api/emails?status=canceled", nil); len(list.Data()) != 1 {
			t.Errorf("got %s, want 1 item", list.Body)
		}
	})

	t.Run("is sent before its time by a retry", func(t *testing.T) {
		later := g.Do(t, "POST", "/api/emails", object{
			"to": []string{"ada@example.com"}, "subject": "Later", "text": "Later", "sendAt": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		})
		path := "/api/emails/" + later.Text("id")
		g.Do(t, "POST", path+"/retry", nil).HasStatus(t, 202, "retry of a waiting message")
		sent(t, g, later.Text("id"))
		g.Do(t, "POST", path+"/retry", nil).HasStatus(t, 409, "retry of a message that is sent")
	})

	t.Run("is in the feed", func(t *testing.T) {
		feed := string(g.Do(t, "GET", "/api/events?limit=100", nil).Body)
		if !strings.Contains(feed, "message.sent") || strings.Contains(feed, "@example.com") {
			t.Errorf("got %s, want \"message.sent\" in it, no \"@example.com\" in it", feed)
		}
	})
}

// firstPart returns the text of a message's first part.
func firstPart(t *testing.T, m *mail.Message) string {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("the first part is %s, want Content-Type beginning with text/plain", part.Header.Get("Content-Type"))
	}
	raw, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
