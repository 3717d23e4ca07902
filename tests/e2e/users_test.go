package e2e_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

func TestUser(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	u := g.Do(t, "POST", "/api/users", object{"email": " Ada@Example.COM ", "name": "Ada", "metadata": object{"plan": "free", "seat": "1"}})
	if u.Status != 201 || u.Text("email") != "ada@example.com" || u.Header.Get("ETag") != `"v1"` {
		t.Fatalf("got %d %s, want 201, email ada@example.com, ETag \"v1\"", u.Status, u.Body)
	}
	path := "/api/users/" + u.Text("id")

	t.Run("is found by id and by email written in any way", func(t *testing.T) {
		if got := g.Do(t, "GET", path, nil); string(got.Body) != string(u.Body) || got.Header.Get("ETag") != `"v1"` {
			t.Errorf("got %s, want body %v, ETag \"v1\"", got.Body, string(u.Body))
		}
		if got := g.Do(t, "GET", "/api/users?email=ADA@example.com", nil); len(got.Data()) != 1 || got.Data()[0]["id"] != u.Text("id") {
			t.Errorf("got %s, want 1 item, id %v", got.Body, u.Text("id"))
		}
		if got := g.Do(t, "GET", "/api/users?email=eve@example.com", nil); got.Status != 200 || len(got.Data()) != 0 {
			t.Errorf("got %d %s, want 200, no items", got.Status, got.Body)
		}
	})

	t.Run("has an email of its own", func(t *testing.T) {
		if got := g.Do(t, "POST", "/api/users", object{"email": "ADA@example.com"}); got.Status != 409 || got.Code() != "email_taken" {
			t.Errorf("got %d %s, want 409, code email_taken", got.Status, got.Body)
		}
	})

	t.Run("is changed in part if If-Match names the present version", func(t *testing.T) {
		got := g.Do(t, "PATCH", path, object{"metadata": object{"plan": "pro", "seat": nil}}, gateway.Header{"If-Match": `"v1"`})
		if got.Status != 200 || got.Header.Get("ETag") != `"v2"` || got.Text("name") != "Ada" || got.Text("metadata", "plan") != "pro" || got.Text("metadata", "seat") != "" {
			t.Fatalf("got %d %s, want 200, ETag \"v2\", name Ada, metadata.plan pro, no metadata.seat", got.Status, got.Body)
		}
		for _, stale := range []string{`"v1"`, `W/"v2"`, `"x"`} {
			if got := g.Do(t, "PATCH", path, object{"name": "Eve"}, gateway.Header{"If-Match": stale}); got.Status != 412 {
				t.Errorf("If-Match %s: got %d %s, want 412", stale, got.Status, got.Body)
			}
		}
		if got := g.Do(t, "PATCH", path, object{"name": ""}, gateway.Header{"If-Match": "*"}); got.Status != 200 || got.Text("name") != "" {
			t.Errorf("got %d %s, want 200, no name", got.Status, got.Body)
		}
	})

	t.Run("loses no change when two write at once", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				g.Do(t, "PATCH", path, object{"metadata": object{fmt.Sprint("k", i): "v"}}).HasStatus(t, 200)
			})
		}
		all.Wait()
		metadata, _ := g.Do(t, "GET", path, nil).JSON["metadata"].(map[string]any)
		if len(metadata) != 21 {
			t.Errorf("%d entries, want 21", len(metadata))
		}
	})

	t.Run("is deleted, and its email is free again", func(t *testing.T) {
		g.Do(t, "DELETE", path, nil, gateway.Header{"If-Match": `"v1"`}).HasStatus(t, 412, "an older version")
		if got := g.Do(t, "DELETE", path, nil); got.Status != 204 || len(got.Body) != 0 {
			t.Errorf("got %d %s, want 204, no bytes of body", got.Status, got.Body)
		}
		for _, method := range []string{"GET", "DELETE"} {
			if got := g.Do(t, method, path, nil); got.Status != 404 {
				t.Errorf("%s: got %d, want 404", method, got.Status)
			}
		}
		g.Do(t, "POST", "/api/users", object{"email": "ada@example.com"}).HasStatus(t, 201)
	})
}

func TestUsersAreListedPageByPage(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	for i := range 7 {
		g.Do(t, "POST", "/api/users", object{"email": fmt.Sprintf("u%d@example.com", i)})
	}
	var seen []any
	for path := "/api/users?limit=3"; ; {
		page := g.Do(t, "GET", path, nil)
		for _, u := range page.Data() {
			seen = append(seen, u["email"])
		}
		if page.Text("nextCursor") == "" {
			break
		}
		path = "/api/users?limit=3&cursor=" + page.Text("nextCursor")
		g.Do(t, "POST", "/api/users", object{"email": fmt.Sprintf("late%d@example.com", len(seen))})
	}
	if fmt.Sprint(seen) != "[u6@example.com u5@example.com u4@example.com u3@example.com u2@example.com u1@example.com u0@example.com]" {
		t.Errorf("got %v, want \"[u6@example.com u5@example.com u4@example.com u3@example.com u2@example.com u1@example.com u0@example.com]\"", seen)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "cursor=nonsense"} {
		if got := g.Wrong(t, "GET", "/api/users?"+query, nil); got.Status != 400 {
			t.Errorf("%s: got %d %s, want 400", query, got.Status, got.Body)
		}
	}
}

func TestOneEmailManyRequests(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	var all sync.WaitGroup
	var made atomic.Int64
	for range 20 {
		all.Go(func() {
			if got := g.Do(t, "POST", "/api/users", object{"email": "ada@example.com"}); got.Status == 201 {
				made.Add(1)
			}
		})
	}
	all.Wait()
	if made.Load() != 1 {
		t.Errorf("%d users with one email, want 1", made.Load())
	}
}

func TestOneMailboxIsOneUserAndOnePerson(t *testing.T) {
	t.Parallel()
	const unicode, ascii = "bob@bücher.example", "bob@xn--bcher-kva.example"
	g := gateway.Start(t)
	u := g.Do(t, "POST", "/api/users", object{"email": unicode})
	if u.Status != 201 || u.Text("email") != ascii {
		t.Fatalf("got %d %s, want 201, email %s", u.Status, u.Body, ascii)
	}
	if got := g.Do(t, "POST", "/api/users", object{"email": ascii}); got.Status != 409 || got.Code() != "email_taken" {
		t.Errorf("another: got %d %s, want 409, code email_taken", got.Status, got.Body)
	}
	for _, written := range []string{unicode, ascii} {
		if got := g.Do(t, "GET", "/api/users?email="+url.QueryEscape(written), nil); len(got.Data()) != 1 || got.Data()[0]["id"] != u.Text("id") {
			t.Errorf("%s: got %s, want the user %s", written, got.Body, u.Text("id"))
		}
		g.Do(t, "POST", "/api/emails", object{"to": []string{written}, "subject": "Hello", "text": "Hello"}).HasStatus(t, 202)
	}
	gateway.Eventually(t, 10*time.Second, "the emails are sent", func() bool {
		return len(g.Do(t, "GET", "/api/emails?status=sent", nil).Data()) == 2
	})
	if _, report, code := data(t, g, "erase", "--email", unicode, "--yes"); code != 0 {
		t.Fatalf("the erasure: got %d, want 0: %s", code, report)
	}
	if got := g.Do(t, "GET", "/api/emails", nil); len(got.Data()) != 2 || strings.Contains(string(got.Body), "bob@") {
		t.Errorf("the emails: got %s, want 2, without the address", got.Body)
	}
	if got := g.Do(t, "GET", "/api/users/"+u.Text("id"), nil); got.Status != 404 {
		t.Errorf("the user: got %d %s, want 404", got.Status, got.Body)
	}
}
