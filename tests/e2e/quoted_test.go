package e2e_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
)

// TestTheLogDoesNotQuoteAnEmailThatIsNotKept checks that the log has nothing of what an email said, though the
// server quotes it in its refusal: once, for good, and so often that this is an outage.
func TestTheLogDoesNotQuoteAnEmailThatIsNotKept(t *testing.T) {
	t.Parallel()
	const code = "code-483920"
	for name, refusal := range map[string]string{
		"refused":    "550 5.7.1 rejected: " + code + " is listed",
		"not now":    "451 4.7.1 try again: " + code + " is looked at",
		"not at all": "421 4.7.0 go away with " + code,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, server := openSMTP(t, sqliteStore)
			server.Inject(smtpsim.Fault{At: smtpsim.Message, Standing: true, Mishap: smtpsim.Says(refusal)})
			g.Restart(t)
			send := func(content string) {
				t.Helper()
				a := g.Do(t, "POST", "/api/emails", object{"to": []string{"ada@example.com"}, "subject": "Hi", "text": code, "content": content})
				a.HasStatus(t, 202, content)
				gateway.Eventually(t, 20*time.Second, "it was tried", func() bool {
					return strings.Contains(string(g.Do(t, "GET", "/api/emails/"+a.Text("id"), nil).Body), `"outcome":"`)
				})
			}
			for range 3 {
				send("never")
				send("until_sent")
			}
			if strings.Contains(g.Log(), code) {
				t.Errorf("got the code in the log:\n%s", g.Log())
			}
			if name == "refused" { // a line in an outage may be folded
				send("keep")
				gateway.Eventually(t, 20*time.Second, "its words are logged", func() bool { return strings.Contains(g.Log(), code) })
			}
		})
	}
}
