package e2e_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// keyFor creates an API key with a scope, as a header.
func keyFor(t *testing.T, g *gateway.Gateway, scope string) gateway.Header {
	t.Helper()
	out, said, code := command(t, g, "keys", "create", "--name", "test", "--tenant", "default", "--scopes", scope)
	if code != 0 {
		t.Fatalf("keys create ended with %d: %s", code, said)
	}
	return gateway.Header{"Authorization": "Bearer " + strings.TrimSpace(out)}
}

// secretOf is what a message with this content says, in all of its fields.
func secretOf(content string) string {
	return "code-of-" + strings.ReplaceAll(content, "_", "-") + "-4711"
}

// secretMail is a message with its secret in every field, and in a file that is kept in parts.
func secretMail(content string) object {
	secret := secretOf(content)
	return object{
		"to": []string{"ada@example.com"}, "subject": secret, "html": "<p>" + secret + "</p>", "headers": object{"X-Code": secret}, "content": content,
		"attachments": []object{{"filename": "a.txt", "contentType": "text/plain", "content": bytes.Repeat([]byte(secret), 30_000)}},
	}
}

// TestWhatAnEmailSaysIsReadWithItsScopeAndKeptAsLongAsItSays follows an email of each content from when it
// waits until the gateway has stopped.
func TestWhatAnEmailSaysIsReadWithItsScopeAndKeptAsLongAsItSays(t *testing.T) {
	t.Parallel()
	server := postgres.Start(t)
	database := server.Database(t)
	for name, store := range map[string]string{"SQLite": sqliteStore, "Postgres": gateway.OnPostgres(server, database)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := openSMTP(t, store)
			g.Restart(t)
			reads, content := keyFor(t, g, "emails:read"), keyFor(t, g, "emails:content")
			provider.Refuse()
			ids := map[string]string{}
			for _, word := range []string{"keep", "until_sent", "never"} {
				m := g.Do(t, "POST", "/api/emails", secretMail(word), gateway.Key(word))
				m.HasStatus(t, 202)
				ids[word] = m.Text("id")
			}
			for word, want := range map[string]string{"keep": "200 ", "until_sent": "200 ", "never": "404 content_private"} {
				path := "/api/emails/" + ids[word]
				g.Do(t, "GET", path+"/content", nil, reads).HasStatus(t, 403)
				a, file := g.Do(t, "GET", path+"/content", nil, content), g.Do(t, "GET", path+"/attachments/0", nil, content)
				if got := fmt.Sprint(a.Status, " ", a.Code()); got != want {
					t.Errorf("reading %s = %s, want %s", word, got, want)
				}
				if a.Status != 200 {
					file.HasStatus(t, 404)
					continue
				}
				if a.Text("html") != "<p>"+secretOf(word)+"</p>" || a.Text("headers", "X-Code") != secretOf(word) {
					t.Errorf("content of %s = %s, want its html and header", word, a.Body)
				}
				if !bytes.Equal(file.Body, bytes.Repeat([]byte(secretOf(word)), 30_000)) {
					t.Errorf("the file of %s has %d bytes, want those that were sent", word, len(file.Body))
				}
			}
			for range 40 { // more than there is memory for at once: each gives back its own
				g.Do(t, "GET", "/api/emails/"+ids["keep"]+"/attachments/0", nil, content).HasStatus(t, 200)
			}
			if a := g.Do(t, "GET", "/api/emails/"+ids["never"], nil, reads); strings.Contains(string(a.Body), secretOf("never")) {
				t.Errorf("the email = %s, want nothing of what it says", a.Body)
			}

			provider.Resume()
			for word, id := range ids {
				gateway.Eventually(t, 30*time.Second, word+" is sent", func() bool {
					g.Do(t, "POST", "/api/emails/"+id+"/retry", nil)
					return g.Do(t, "GET", "/api/emails/"+id, nil, reads).Text("status") == "sent"
				})
			}
			for word, want := range map[string]string{"keep": "200 ", "until_sent": "404 content_removed", "never": "404 content_removed"} {
				a := g.Do(t, "GET", "/api/emails/"+ids[word]+"/content", nil, content)
				if got := fmt.Sprint(a.Status, " ", a.Code()); got != want {
					t.Errorf("reading %s after it was sent = %s, want %s", word, got, want)
				}
			}
			if again := g.Do(t, "POST", "/api/emails", secretMail("until_sent"), gateway.Key("until_sent")); again.Text("id") != ids["until_sent"] {
				t.Errorf("a repeat = %s, want message %s", again, ids["until_sent"])
			}
			if n := len(provider.Delivered()); n != 3 {
				t.Errorf("%d messages arrived, want 3", n)
			}
			if err := g.Stop(); err != nil {
				t.Fatal(err)
			}
			kept := filesWithin(t, g.Dir) + g.Log()
			if name == "Postgres" {
				kept += tables(t, "pgx", fmt.Sprintf("host=127.0.0.1 port=%d user=%s database=%s sslmode=disable", server.Port, postgres.Username, database))
			}
			for word, want := range map[string]bool{"keep": true, "until_sent": false, "never": false} {
				if got := strings.Contains(kept, secretOf(word)); got != want {
					t.Errorf("what %s says is kept = %t, want %t", word, got, want)
				}
			}
		})
	}
}

// filesWithin returns the contents of all files below a directory.
func filesWithin(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		all.Write(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
