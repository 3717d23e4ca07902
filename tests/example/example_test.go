// Package example holds the adapter that docs/adapters.md shows, and runs it as the page says.
package example

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// named matches the name of a file in the page, and the beginning of its code block.
var named = regexp.MustCompile("(?m)^`([A-Za-z_./]+)`.*:\n\n(`{3,})[a-z]*\n")

// files returns the files that the page shows, by name.
func files(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(gateway.Root(), "docs", "adapters.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for rest := string(page); ; {
		at := named.FindStringSubmatchIndex(rest)
		if at == nil {
			return all
		}
		name, fence := rest[at[2]:at[3]], rest[at[4]:at[5]]
		content, after, closed := strings.Cut(rest[at[1]:], "\n"+fence+"\n")
		if !closed {
			t.Fatalf("the block of %s does not end", name)
		}
		all[name], rest = content+"\n", after
	}
}

func TestThePageShowsTheCodeThatIsTested(t *testing.T) {
	t.Parallel()
	all := files(t)
	for _, name := range []string{"acmemail/acmemail.go", "acmemail/contract_test.go", "acmemail/acme.md"} {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if all[name] != string(want) {
			t.Errorf("docs/adapters.md does not show %s as it is in tests/example", name)
		}
	}
}

// outside writes the module of the page into a directory of its own.
func outside(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	all := files(t)
	sums, err := os.ReadFile(filepath.Join(gateway.Root(), "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	all["go.sum"] = string(sums)
	root, err := filepath.Abs(gateway.Root())
	if err != nil {
		t.Fatal(err)
	}
	all["go.mod"] = strings.ReplaceAll(all["go.mod"], "../patchbay", root)
	for name, content := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// offline runs the go command in a directory, without a network.
func offline(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// A program of another module uses a provider that Patchbay does not have.
func TestAProviderOfAnotherModuleSendsMail(t *testing.T) {
	t.Parallel()
	dir := outside(t)
	offline(t, dir, "build", "-trimpath", "-ldflags", "-s -w", "-o", "acme", ".") // as tests/gateway builds, which spares compiling

	received := make(chan string, 1)
	acme := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		received <- fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.URL.Query()["to"], " ", r.Header.Get("Authorization"), " ", err, "\n", string(body))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"id": "acme-1"}`)
	}))
	defer acme.Close()
	config, err := os.ReadFile(filepath.Join(dir, "patchbay.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.Configured(t, string(config), "ACME_API_KEY=key_1", "PATCHBAY_PROVIDERS__ACME__BASE_URL="+acme.URL)
	g.Program = filepath.Join(dir, "acme")
	checked, err := g.Command(t, append([]string{"check"}, g.Args...)...).CombinedOutput()
	if err != nil || !strings.Contains(string(checked), "mail      acme (acme, test)") {
		t.Fatalf("check: %v\n%s", err, checked)
	}
	g.Restart(t)
	sent := g.Do(t, http.MethodPost, "/api/emails", map[string]any{"to": []string{"ada@example.com"}, "subject": "Hello", "text": "Hello Ada"}, gateway.Key("one"))
	if sent.Status != http.StatusAccepted {
		t.Fatal(sent)
	}
	select {
	case got := <-received:
		if !strings.HasPrefix(got, "POST /v1/messages [ada@example.com] Bearer key_1 <nil>\n") || !strings.Contains(got, "Subject: Hello\r\n") {
			t.Errorf("Acme got %s", got)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("Acme got nothing\n%s", g.Log())
	}
	gateway.Eventually(t, 30*time.Second, "the message is sent by acme", func() bool {
		return g.Do(t, http.MethodGet, "/api/emails/"+sent.Text("id"), nil).Text("status") == "sent"
	})
}
