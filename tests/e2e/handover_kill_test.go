package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/smtp"
	"slices"
	"sync"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// kills is how often the gateway is killed.
const kills = 20

// TestNothingIsLostAfter250 kills the gateway while clients hand messages over. A client that has no
// answer repeats its message, as clients do.
func TestNothingIsLostAfter250(t *testing.T) {
	t.Parallel()
	database := postgres.Start(t)
	for name, c := range map[string]struct {
		store string
		waits []string // the states of a message that is to be sent later
	}{
		"SQLite": {sqliteStore, []string{"queued, tried"}},
		// The claims of a killed process end with their leases, after the test.
		"Postgres": {gateway.OnPostgres(database, database.Database(t)), []string{"queued, tried", "queued", "sending"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, server := openSMTP(t, c.store)
			w := &wave{address: smtpIn(t, g)}
			for range kills {
				g.Restart(t)
				w.until(t, 5)
				g.Kill()
				w.running.Wait()
			}
			g.Restart(t)
			w.drain(t)
			var copies int
			gateway.Eventually(t, time.Minute, "all that was answered 250 has arrived, or waits", func() bool {
				arrived := map[string]int{}
				for _, raw := range server.Delivered() {
					arrived[subjectOf(t, raw)]++
				}
				copies = len(server.Delivered()) - len(arrived)
				kept := w.kept(t, g)
				return !slices.ContainsFunc(w.answered, func(id string) bool {
					return len(kept[id]) == 0 || arrived[id] == 0 && !slices.Contains(c.waits, kept[id][0])
				})
			})
			t.Logf("%d kills, %d messages answered 250, %d of them after a repeat: none lost, %d copies beyond the first", kills, len(w.answered), w.repeated, copies)
			kept := w.kept(t, g)
			for _, id := range w.answered {
				if len(kept[id]) != 1 {
					t.Errorf("%s is kept as %d messages, want 1", id, len(kept[id]))
				}
			}
		})
	}
}

// wave is clients that hand over one message after another.
type wave struct {
	address string

	running  sync.WaitGroup
	mu       sync.Mutex
	next     int
	open     []string // without an answer
	answered []string
	repeated int
}

// until hands messages over until so many more are answered. The clients go on until the gateway is gone.
func (w *wave) until(t *testing.T, more int) {
	t.Helper()
	enough := make(chan struct{})
	var once sync.Once
	goal := len(w.answered) + more
	for range 4 {
		w.running.Go(func() {
			for w.one() {
				w.mu.Lock()
				if len(w.answered) >= goal {
					once.Do(func() { close(enough) })
				}
				w.mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Fatal("the gateway does not take messages")
	}
}

// one hands one message over, and reports whether it was answered.
func (w *wave) one() bool {
	w.mu.Lock()
	var id string
	again := len(w.open) > 0
	if again {
		id, w.open = w.open[0], w.open[1:]
	} else {
		w.next++
		id = fmt.Sprint("m", w.next)
	}
	w.mu.Unlock()
	letter := fmt.Sprintf("From: shop@example.com\r\nTo: ada@example.com\r\nSubject: %s\r\nMessage-ID: <%s@client.example>\r\n\r\nHello\r\n", id, id)
	err := handOver(w.address, letter)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.open = append(w.open, id)
		return false
	}
	w.answered = append(w.answered, id)
	if again {
		w.repeated++
	}
	return true
}

// drain repeats what has no answer.
func (w *wave) drain(t *testing.T) {
	t.Helper()
	gateway.Eventually(t, time.Minute, "each message is answered", func() bool {
		w.mu.Lock()
		left := len(w.open)
		w.mu.Unlock()
		return left == 0 || w.one() && left == 1
	})
}

// kept returns how each message is kept, by its subject.
func (w *wave) kept(t *testing.T, g *gateway.Gateway) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for cursor := ""; ; {
		page := g.Do(t, "GET", gateway.Page("/api/emails?limit=100", cursor), nil)
		for _, m := range page.Data() {
			state := fmt.Sprint(m["status"])
			if tries, _ := m["attempts"].([]any); len(tries) > 0 && state == "queued" {
				state += ", tried"
			}
			subject := fmt.Sprint(m["subject"])
			all[subject] = append(all[subject], state)
		}
		if cursor = page.Text("nextCursor"); cursor == "" {
			return all
		}
	}
}

// handOver hands a letter over. It returns nil once the server has answered 250 to it.
func handOver(address, letter string) error {
	c, err := smtp.Dial(address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.Mail("shop@example.com"), c.Rcpt("ada@example.com")); err != nil {
		return err
	}
	text, err := c.Data()
	if err != nil {
		return err
	}
	_, err = io.WriteString(text, letter)
	return errors.Join(err, text.Close())
}

func subjectOf(t *testing.T, raw []byte) string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header.Get("Subject")
}
