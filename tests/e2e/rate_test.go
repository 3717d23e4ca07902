package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// dayEnds is longer than the test below takes: a rate of a day starts anew with each day of UTC.
const dayEnds = 3 * time.Minute

// TestARateOutlivesTheProcess checks that a provider is not given more recipients in a day than its rate
// allows, although its gateway is killed time and again, and what becomes of the others.
func TestARateOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	server := postgres.Start(t)
	for _, name := range []string{"SQLite", "Postgres"} {
		for then, others := range map[string]string{"next": "sent", "wait": "queued"} {
			t.Run(name+", "+then, func(t *testing.T) {
				t.Parallel()
				store := sqliteStore
				if name == "Postgres" {
					store = gateway.OnPostgres(server, server.Database(t))
				}
				gateway.Eventually(t, dayEnds+time.Minute, "a day of UTC begins that does not end meanwhile", func() bool {
					now := time.Now()
					return now.Add(dayEnds).UTC().YearDay() == now.UTC().YearDay()
				})
				first, second := smtpsim.Start(t, smtpsim.Options{Open: true}), smtpsim.Start(t, smtpsim.Options{Open: true})
				g := gateway.Configured(t, fmt.Sprintf(`
mail: {providers: [first, second]}
storage: {provider: store}
providers:
  store: %s
  first: {type: smtp, host: %s, port: %d, security: none, hello: gateway.example.com}
  second: {type: smtp, host: %s, port: %d, security: none, hello: gateway.example.com}
policies:
  first: {rate: {limit: 6/d, then: %s}}
`, store, first.Host(), first.Port(), second.Host(), second.Port(), then))
				status := map[string]int{}
				var ids []string
				for range 3 {
					g.Restart(t)
					for range 5 {
						m := g.Do(t, "POST", "/api/emails", object{"to": []string{"ada@example.com"}, "subject": "Hello", "text": "Hello"})
						m.HasStatus(t, 202)
						ids = append(ids, m.Text("id"))
					}
					gateway.Eventually(t, 30*time.Second, "the rate is used up, and what it leaves goes where it should", func() bool {
						clear(status)
						for _, id := range ids {
							status[g.Do(t, "GET", "/api/emails/"+id, nil).Text("status")]++
						}
						want := map[string]int{"sent": min(len(ids), 6)}
						want[others] += len(ids) - want["sent"]
						return status["sent"] == want["sent"] && status["queued"] == want["queued"]
					})
					g.Kill()
				}
				if n := len(first.Delivered()); n != 6 {
					t.Errorf("%d messages went to the provider with the rate, want 6", n)
				}
				if n, want := len(second.Delivered()), map[string]int{"next": 9, "wait": 0}[then]; n != want {
					t.Errorf("%d messages went to the other, want %d", n, want)
				}
				if !strings.Contains(g.Log(), "rate of a mail provider is used up") {
					t.Errorf("the log does not say that the rate is used up:\n%s", g.Log())
				}
			})
		}
	}
}
