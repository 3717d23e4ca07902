package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// tourBlocks returns the commands of the README's tour, one text for each block.
func tourBlocks(t *testing.T) (blocks []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(gateway.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, tour, found := strings.Cut(string(raw), "\n## A tour by curl\n")
	tour, _, ended := strings.Cut(tour, "\n## ")
	if !found || !ended {
		t.Fatal("the README has no chapter \"A tour by curl\", want one")
	}
	for {
		var block string
		if _, tour, found = strings.Cut(tour, "\n```sh\n"); !found {
			return blocks
		}
		block, tour, _ = strings.Cut(tour, "```\n")
		blocks = append(blocks, block)
	}
}

// tour is what each block of the README's tour prints: the statuses of the answers whose heads it
// shows, and patterns of what else.
var tour = []struct {
	about    string
	statuses string
	prints   []string
}{
	{"a payment", "201", []string{`"amount":1999`, `"status":"succeeded"`}},
	{"a refund", "201", []string{`"amount":500,`, `"amountRefunded":500`}},
	{"a decline, and an answer that is lost", "402 201", []string{
		`"decline_code":"insufficient_funds"`, `"currency":"gbp".*"status":"succeeded"`, `"data":\[{[^}]*"amount":4200,[^{]*{[^}]*}[^{]*{[^}]*"amount":700,[^{]*{[^}]*}[^{]*{[^}]*"amount":1999,`,
	}},
	{"an email", "202", []string{`"subject":"Welcome","to":\["ada@example.com"\]`, `>Caught mail<`}},
	{"a template and a batch", "202 202", []string{`"subject":"Welcome, Ada","templateId":"welcome"`, `(?m)^{"counts":{.*"personalizations":2,"recipients":2,"templateId":"welcome"}$`}},
	{"a bounce", "202 202", []string{
		`"email":"bounced@catcher.test","provider":"catcher","reason":"550 5.1.1 There is no such mailbox","status":"bounced"`,
		`"id":"sup_[0-9a-z]+","reasons":\[{[^}]*"code":"5.1.1",[^}]*"reason":"bounced"}\]`,
		`"attempts":\[\],[^[]*"recipients":\[{"email":"bounced@catcher.test","reason":"bounced","status":"suppressed"}\],"status":"suppressed","subject":"Your invoice"`,
	}},
	{"a user", "201 200 204", []string{`"email":"ada@example.com",.*"version":1}`, `"plan":"pro".*"version":2}`}},
	{"the feed and the description", "", []string{`"type":"payment.refunded"`, `"type":"message.sent"`, `(?m)^{"components":`, `{"status":"ok"}`}},
}

var answered = regexp.MustCompile(`(?m)^HTTP/1\.1 (\d\d\d) `)

// TestTheToursCommandsDoWhatTheReadmeSays pastes the tour into a shell, beside a gateway with nothing
// configured. A second's sleep lasts longer here, since the machine may be busy with other tests.
func TestTheToursCommandsDoWhatTheReadmeSays(t *testing.T) {
	t.Parallel()
	g := gateway.Configured(t, "")
	g.Args = nil
	g.Restart(t)
	blocks := tourBlocks(t)
	if len(blocks) != len(tour) {
		t.Fatalf("the tour has %d blocks, want %d: what a new one prints belongs into the table", len(blocks), len(tour))
	}
	const mark = "=== the next block ===\n"
	script := "sleep() { command sleep 5; }\n" + strings.Join(blocks, "\necho\nprintf '"+mark+"'\n")
	here := strings.NewReplacer("http://127.0.0.1:8080", g.Base, "http://127.0.0.1:8081", g.Admin)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", here.Replace(script))
	cmd.Dir = g.Dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the tour ends with %v, want no error:\n%s", err, out)
	}
	printed := strings.Split(strings.ReplaceAll(string(out), "\r", ""), mark)
	for i, want := range tour {
		var statuses []string
		for _, found := range answered.FindAllStringSubmatch(printed[i], -1) {
			statuses = append(statuses, found[1])
		}
		if got := strings.Join(statuses, " "); got != want.statuses {
			t.Errorf("%s: statuses = %q, want %q:\n%s", want.about, got, want.statuses, printed[i])
		}
		for _, pattern := range want.prints {
			if found, err := regexp.MatchString(pattern, printed[i]); err != nil || !found {
				t.Errorf("%s: printed (%v)\n%s\nwant %s in it", want.about, err, printed[i], pattern)
			}
		}
	}
	if left := fmt.Sprint(g.Do(t, "GET", "/api/payments", nil).Data()); strings.Count(left, "amount:1999") != 1 {
		t.Errorf("payments = %s, want one of 1999", left)
	}
}
