package e2e_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// TestAfterAStopTheStoreIsOneFile checks that, after a clean stop, the whole store is in one file
// and can be copied.
func TestAfterAStopTheStoreIsOneFile(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	user := g.Do(t, "POST", "/api/users", object{"email": "a@example.com"}, gateway.Key("user"))
	paid := g.Do(t, "POST", "/api/payments", pay("pm_card_visa"), gateway.Key("paid"))
	mail := g.Do(t, "POST", "/api/emails", emailBody("mail"), gateway.Key("mail"))
	if user.Status != 201 || paid.Status != 201 || mail.Status != 202 {
		t.Fatalf("got %v, %v and %v, want 201, 201 and 202", user, paid, mail)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	wantAlone(t, g.Data("patchbay.db"))
	other := gateway.New(t)
	other.TakeSecrets(t, g)
	raw, err := os.ReadFile(g.Data("patchbay.db"))
	if err == nil {
		err = os.WriteFile(other.Data("patchbay.db"), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	other.Restart(t)
	for path, made := range map[string]gateway.Answer{"/api/users/": user, "/api/payments/": paid, "/api/emails/": mail} {
		if a := other.Do(t, "GET", path+made.Text("id"), nil); a.Status != 200 {
			t.Errorf("%s in the copy: got %d %s, want 200", path, a.Status, a.Body)
		}
	}
}

// TestAfterAStopTheSpoolIsOneFile checks the same for the spool, which is a local file.
func TestAfterAStopTheSpoolIsOneFile(t *testing.T) {
	t.Parallel()
	server := postgres.Start(t)
	g := gateway.Configured(t, "storage: {provider: db}\nproviders: {db: "+gateway.OnPostgres(server, server.Database(t))+"}\n")
	g.Restart(t)
	server.Kill()
	kept := g.Do(t, "POST", "/api/emails", emailBody("kept"), gateway.Key("kept"))
	if kept.Status != 202 {
		t.Fatalf("got %d %s, want 202", kept.Status, kept.Body)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	wantAlone(t, g.Data("spool.db"))
}

func wantAlone(t *testing.T, file string) {
	t.Helper()
	for _, beside := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(file + beside); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there still (%v), want error %v", filepath.Base(file)+beside, err, fs.ErrNotExist)
		}
	}
}

func TestASecondGatewayThroughALinkIsRefused(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(from, to string) error{"symbolic": os.Symlink, "hard": os.Link} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := gateway.Start(t)
			second := gateway.New(t)
			second.TakeSecrets(t, first)
			if err := link(first.Data("patchbay.db"), second.Data("patchbay.db")); err != nil {
				t.Fatal(err)
			}
			out, err := second.Command(t, append([]string{"serve"}, second.Args...)...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "is open in another process") && !strings.Contains(string(out), "hard links") {
				t.Errorf("%v\n%s", err, out)
			}
			first.Do(t, "POST", "/api/users", object{"email": "a@example.com"}).HasStatus(t, 201, "the first afterwards")
		})
	}
}
