package e2e_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// undecodable are bodies that this version cannot decode: of no type, of another type, and of a later
// version.
var undecodable = []string{`null`, `{"url": "https://example.com"}`, `{"recordVersion": 99, "id": ["of a version to come"]}`}

// patience allows for a busy machine.
const patience = time.Minute

// open opens the store of a gateway that may be running.
func open(t *testing.T, g *gateway.Gateway) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+g.Data("patchbay.db")+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWhatCannotBeDecodedStaysAsItIs checks that a record that cannot be decoded is never changed,
// by any request or worker: another version may be able to read it.
func TestWhatCannotBeDecodedStaysAsItIs(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	var asked []func() gateway.Answer
	ask := func(method, path string, body any) {
		asked = append(asked, func() gateway.Answer { return g.Do(t, method, path, body) })
	}
	var keys []string
	for i := range undecodable {
		paid := "/api/payments/" + g.Do(t, "POST", "/api/payments", pay("pm_card_visa")).Text("id")
		mail := "/api/emails/" + g.Do(t, "POST", "/api/emails", emailBody(fmt.Sprint("letter", i))).Text("id")
		user := "/api/users/" + g.Do(t, "POST", "/api/users", object{"email": fmt.Sprintf("u%d@example.com", i), "metadata": object{"a": "b"}}).Text("id")
		ask("GET", paid, nil)
		ask("POST", paid+"/refunds", object{"amount": 1})
		ask("POST", paid+"/sync", nil)
		ask("GET", mail, nil)
		ask("POST", mail+"/cancel", nil)
		ask("POST", mail+"/retry", nil)
		ask("GET", user, nil)
		ask("PATCH", user, object{"name": "new"})
		out, err := g.Command(t, append([]string{"keys", "create", "--name", "one"}, g.Args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, strings.TrimSpace(string(out)))
	}
	db := open(t, g)
	count := func(query string) int { t.Helper(); return number(t, db, query) }
	gateway.Eventually(t, patience, "all is done", func() bool {
		return count(`SELECT count(*) FROM record WHERE kind = 'message' AND status = 'sent'`) == len(undecodable) &&
			count(`SELECT count(*) FROM record WHERE kind = 'webhook' AND status = 'applied'`) >= len(undecodable)
	})
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{"payment": "payments", "message": "mail", "webhook": "webhooks", "api_key": ""}
	for kind, queue := range kinds {
		for i, body := range undecodable {
			execute(t, db, `UPDATE record SET body = ?1, content = NULL, queue = nullif(?2, ''), due = 0, owner = '', status = CASE kind WHEN 'webhook' THEN 'waiting' ELSE status END
				WHERE kind = ?3 AND id = (SELECT id FROM record WHERE kind = ?3 ORDER BY created, id LIMIT 1 OFFSET ?4)`, []byte(body), queue, kind, i)
		}
	}
	for i, body := range undecodable {
		if i == 1 {
			body = `[]` // of metadata any object of texts is right
		}
		execute(t, db, `UPDATE user SET metadata = ?1, original = ?1 WHERE email = ?2`, []byte(body), fmt.Sprintf("u%d@example.com", i))
	}
	const bodies = `SELECT kind, id, body, status FROM record WHERE kind IN ('payment', 'message', 'webhook', 'api_key')
		UNION ALL SELECT 'user', id, metadata || original, email FROM user ORDER BY 1, 2`
	before := fmt.Sprintf("%s", read(t, db, bodies))

	g.Restart(t)
	for _, kind := range []string{"payment", "message", "webhook"} {
		gateway.Eventually(t, patience, "each "+kind+" is put off", func() bool {
			return count(`SELECT count(*) FROM record WHERE kind = 'setback' AND id LIKE '%|`+kind+`|%'`) == len(undecodable)
		})
	}
	for i, ask := range asked {
		if a := ask(); a.Status != 500 {
			t.Errorf("request %d: got %d %s, want 500", i, a.Status, a.Body)
		}
	}
	for _, key := range keys {
		id, _, _ := strings.Cut(strings.TrimPrefix(key, "pb_live_"), ".")
		if out, err := g.Command(t, append([]string{"keys", "revoke", id}, g.Args...)...).CombinedOutput(); err == nil {
			t.Errorf("a key that cannot be decoded is revoked: got %s, want an error", out)
		}
	}
	if after := fmt.Sprintf("%s", read(t, db, bodies)); after != before {
		t.Errorf("the records: got\n%s\nwant\n%s", after, before)
	}
	if n := strings.Count(g.Log(), "undecodable_record"); n < 3*len(undecodable) {
		t.Errorf("the log names it %d times, want at least %v", n, 3*len(undecodable))
	}
}

// TestWhatIsSetAsideIsShownAndPutBack checks that records that were set aside are shown and
// counted, and are processed again once an operator has put them back.
func TestWhatIsSetAsideIsShownAndPutBack(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	db := open(t, g)
	const events = 2 // of the mock for a payment: created and succeeded
	applied := func() bool {
		return number(t, db, `SELECT count(*) FROM record WHERE kind = 'webhook' AND status = 'applied'`) == events
	}
	g.Do(t, "POST", "/api/payments", pay("pm_card_visa"))
	gateway.Eventually(t, patience, "its events are applied", applied)
	if n := g.Metric(t, "patchbay_records_set_aside"); n != "0" {
		t.Errorf("%s are set aside before, want 0", n)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	// It waits, cannot be decoded, and was tried five times.
	event := read(t, db, `SELECT id, hex(body) FROM record WHERE kind = 'webhook'`)[0]
	execute(t, db, `UPDATE record SET body = 'null', queue = 'webhooks', due = 0, owner = '', status = 'waiting' WHERE kind = 'webhook' AND id = ?1`, event[0])
	now := time.Now().UTC() // what is old is removed
	execute(t, db, `INSERT INTO record (kind, tenant, id, rev, status, customer, created, due, owner, body)
		VALUES ('setback', 'queues', ?1, 1, 'put_off', '', ?2, 0, '', ?3)`, "stripe|webhook|"+event[0], now.UnixMicro(),
		fmt.Sprintf(`{"tenant":"stripe","kind":"webhook","id":%q,"queue":"webhooks","count":5,"reason":"panic","since":%[2]q,"last":%[2]q}`, event[0], now.Format(time.RFC3339)))
	g.Restart(t)
	command := func(args ...string) (string, error) {
		out, err := g.Command(t, append(args, g.Args...)...).CombinedOutput()
		return string(out), err
	}
	record := "stripe/webhook/" + event[0]
	gateway.Eventually(t, patience, "it is set aside", func() bool { return g.Metric(t, "patchbay_records_set_aside") == "1" })
	for _, when := range []string{"while the gateway runs", "while it does not"} {
		out, err := command("storage", "status")
		if err != nil || !strings.Contains(out, record) || !strings.Contains(out, "undecodable_record, 6 times") {
			t.Errorf("%s: got %v, want %q in it, \"undecodable_record, 6 times\" in it:\n%s", when, err, record, out)
		}
		if out, err := command("storage", "put-back", "stripe/webhook/other"); err == nil {
			t.Errorf("%s, what is not set aside: got %s, want an error", when, out)
		}
		if err := g.Stop(); err != nil && when == "while the gateway runs" {
			t.Fatal(err)
		}
	}
	execute(t, db, `UPDATE record SET body = unhex(?1) WHERE kind = 'webhook' AND id = ?2`, event[1], event[0])
	g.Restart(t)
	if out, err := command("storage", "put-back", record); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	gateway.Eventually(t, patience, "it is applied", applied)
	if n := g.Metric(t, "patchbay_records_set_aside"); n != "0" {
		t.Errorf("%s are set aside, want 0", n)
	}
	if out, err := command("storage", "status"); err != nil || strings.Contains(out, record) {
		t.Errorf("got %v, want no %q in it:\n%s", err, record, out)
	}
}
