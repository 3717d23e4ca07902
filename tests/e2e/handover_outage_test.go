package e2e_test

import (
	"errors"
	"fmt"
	"net/textproto"
	"path/filepath"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// TestMailIsTakenBySMTPWhileTheDatabaseIsGone checks that 250 means the disk of this machine then, and that
// there is no 250 without one.
func TestMailIsTakenBySMTPWhileTheDatabaseIsGone(t *testing.T) {
	t.Parallel()
	const letter = "From: shop@example.com\r\nTo: ada@example.com\r\nSubject: kept\r\nMessage-ID: <kept@client.example>\r\n\r\nHello\r\n"
	for spool, code := range map[string]int{"data/spool.db": 250, "off": 451} {
		t.Run("spool "+filepath.Base(spool), func(t *testing.T) {
			t.Parallel()
			server := postgres.Start(t)
			g := gateway.Configured(t, fmt.Sprintf("storage: {provider: db, spool: %q}\nproviders: {db: %s}\n", spool, gateway.OnPostgres(server, server.Database(t))))
			address := smtpIn(t, g)
			g.Restart(t)
			server.Kill()
			for range 2 { // a client repeats what it is not sure of
				if got := codeOf(handOver(address, letter)); got != code {
					t.Fatalf("the answer is %d, want %d", got, code)
				}
			}
			g.Kill()
			server.Restart(t)
			g.Restart(t)
			if got := codeOf(handOver(address, letter)); got != 250 {
				t.Fatalf("with the database: the answer is %d, want 250", got)
			}
			gateway.Eventually(t, 30*time.Second, "the message is sent", func() bool {
				return len(g.Do(t, "GET", "/api/emails?status=sent", nil).Data()) == 1
			})
			if all := g.Do(t, "GET", "/api/emails", nil).Data(); len(all) != 1 {
				t.Errorf("%d messages are kept, want 1", len(all))
			}
			files, err := filepath.Glob(filepath.Join(g.Dir, "data", "mail", "*.eml"))
			if err != nil || len(files) != 1 {
				t.Errorf("%d copies, %v, want 1", len(files), err)
			}
		})
	}
}

// codeOf returns the code of the server's answer, 0 if there was none.
func codeOf(err error) int {
	if err == nil {
		return 250
	}
	var answer *textproto.Error
	_ = errors.As(err, &answer)
	if answer == nil {
		return 0
	}
	return answer.Code
}
