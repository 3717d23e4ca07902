package e2e_test

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // reads what is stored
	_ "modernc.org/sqlite"             // as well

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// mark is a text that occurs in everything about Ada, in one spelling or another.
const mark = "Lovelace"

// personData holds the objects of Ada.
type personData struct {
	user, email, later, payment, refund gateway.Answer
}

type caller func(t *testing.T, method, path string, body any, headers ...gateway.Header) gateway.Answer

// plain makes requests to a gateway that requires no key.
func plain(g *gateway.Gateway) caller {
	return func(t *testing.T, method, path string, body any, headers ...gateway.Header) gateway.Answer {
		t.Helper()
		return g.Do(t, method, path, body, headers...)
	}
}

var (
	mailKey = gateway.Key("welcome ada@example.com")
	payKey  = gateway.Key("order of Lovelace")
)

func mailToAda() object {
	return object{
		"to": []string{"Ada <Ada@Example.com>"}, "cc": []string{"bob@example.com"}, "subject": "Dear " + mark, "html": "<p>" + mark + "</p>",
		"attachments": []object{{"filename": "letter.txt", "contentType": "text/plain", "content": []byte(mark)}}, "metadata": object{"who": mark},
	}
}

func paymentOf(id string) object {
	return object{
		"amount": 1999, "currency": "usd", "paymentMethod": "pm_card_visa", "confirm": true, "customerId": id,
		"description": "for " + mark, "metadata": object{"email": "ada@example.com"}, "returnUrl": "https://shop.example/" + mark,
	}
}

func live(t *testing.T, do caller) (l personData) {
	t.Helper()
	l.user = do(t, "POST", "/api/users", object{"email": "ada@example.com", "name": mark, "metadata": object{"a": mark}}, gateway.Key("signup ada@example.com"))
	do(t, "PATCH", "/api/users/"+l.user.Text("id"), object{"name": "Ada " + mark})
	l.email = do(t, "POST", "/api/emails", mailToAda(), mailKey)
	waits := mailToAda()
	waits["sendAt"] = time.Now().Add(time.Hour)
	waits["attachments"] = []object{{"filename": "large.txt", "contentType": "text/plain", "content": []byte(strings.Repeat(mark, 30_000))}}
	l.later = do(t, "POST", "/api/emails", waits)
	l.payment = do(t, "POST", "/api/payments", paymentOf(l.user.Text("id")), payKey)
	l.refund = do(t, "POST", "/api/payments/"+l.payment.Text("id")+"/refunds", object{"amount": 500}, gateway.Key("refund of Lovelace"))
	for name, a := range map[string]gateway.Answer{"user": l.user, "email": l.email, "later": l.later, "payment": l.payment, "refund": l.refund} {
		if a.Status/100 != 2 {
			t.Fatalf("%s: got %d %s, want 2xx", name, a.Status, a.Body)
		}
	}
	return l
}

// after checks what callers see of an erased person.
func (l personData) after(t *testing.T, do caller) {
	t.Helper()
	m := do(t, "GET", "/api/emails/"+l.email.Text("id"), nil)
	if m.Text("erasedAt") == "" || m.Text("subject") != "erased" || m.Text("status") != "sent" || !strings.Contains(string(m.Body), "bob@example.com") {
		t.Errorf("the email: got %s, want an erasedAt, subject erased, sent, \"bob@example.com\" in it", m.Body)
	}
	if m := do(t, "GET", "/api/emails/"+l.later.Text("id"), nil); m.Text("erasedAt") == "" || m.Text("status") != "canceled" {
		t.Errorf("the email that waited: got %s, want an erasedAt, canceled", m.Body)
	}
	path := "/api/payments/" + l.payment.Text("id")
	p := do(t, "GET", path, nil)
	if p.Text("erasedAt") == "" || p.Text("customerId") != "" || p.Number("amount") != 1999 || p.Number("amountRefunded") != 500 ||
		p.Text("providerReference") != l.payment.Text("providerReference") || p.Text("createdAt") != l.payment.Text("createdAt") {
		t.Errorf("the payment: got %s, want an erasedAt, no customerId, amount 1999, amountRefunded 500, providerReference %v, createdAt %v", p.Body, l.payment.Text("providerReference"), l.payment.Text("createdAt"))
	}
	for _, row := range []struct {
		name   string
		answer gateway.Answer
		status int
		code   string
	}{
		{"the user", do(t, "GET", "/api/users/"+l.user.Text("id"), nil), 404, "not_found"},
		{"a retry", do(t, "POST", "/api/emails/"+l.email.Text("id")+"/retry", nil), 409, "message_erased"},
		{"the email again", do(t, "POST", "/api/emails", mailToAda(), mailKey), 409, "message_erased"},
		{"the payment again", do(t, "POST", "/api/payments", paymentOf(l.user.Text("id")), payKey), 409, "payment_erased"},
		{"the refund again", do(t, "POST", path+"/refunds", object{"amount": 500}, gateway.Key("refund of Lovelace")), 409, "payment_erased"},
		{"another refund", do(t, "POST", path+"/refunds", object{"amount": 1499}), 201, ""},
		{"all given back", do(t, "POST", path+"/refunds", object{"amount": 1}), 409, "unexpected_state"},
	} {
		if row.answer.Status != row.status || row.answer.Code() != row.code {
			t.Errorf("%s: got %d %s, want %v, code %v", row.name, row.answer.Status, row.answer.Body, row.status, row.code)
		}
	}
}

// data runs a command on a person's data.
func data(t *testing.T, g *gateway.Gateway, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := g.Command(t, append(append([]string{"data"}, args...), g.Args...)...)
	var out, text strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &text
	var ended *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return out.String(), text.String(), cmd.ProcessState.ExitCode()
}

// erase repeats the erasure until no operation of the person is in progress.
func erase(t *testing.T, g *gateway.Gateway, who ...string) (report string) {
	t.Helper()
	// An operation that was in progress when the database was killed is claimed until its lease
	// ends.
	gateway.Eventually(t, 90*time.Second, "everything is erased", func() bool {
		out, text, code := data(t, g, append([]string{"erase", "--yes"}, who...)...)
		if code == 1 && !strings.Contains(text, "run it again later") {
			t.Fatalf("%s%s", out, text)
		}
		report += out
		return code == 0
	})
	return report
}

func TestAPersonIsHandedOutAndErased(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	l := live(t, plain(g))
	id := l.user.Text("id")
	gateway.Eventually(t, 20*time.Second, "the webhooks are there", func() bool {
		out, _, _ := data(t, g, "export", "--user", id)
		return strings.Count(out, `"state":"applied"`) >= 2
	})

	file := filepath.Join(g.Dir, "ada.json")
	if out, text, code := data(t, g, "export", "--email", "ADA@example.com", "--to", file); code != 0 || out != "" {
		t.Fatalf("got %d %s%s, want 0 and no output", code, out, text)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want perm 0o600", info.Mode(), err)
	}
	raw, _ := os.ReadFile(file)
	var all struct {
		Person                              struct{ UserID string }
		Messages, Payments, Webhooks, Users []map[string]any
	}
	if err := json.Unmarshal(raw, &all); err != nil || all.Person.UserID != id || len(all.Messages) != 2 || len(all.Payments) != 1 || len(all.Webhooks) < 2 || len(all.Users) != 1 {
		t.Errorf("got %v, want user id %v, 2 messages, 1 payment, at least 2 webhooks, 1 user:\n%s", err, id, raw)
	}
	if _, text, code := data(t, g, "export", "--user", id, "--to", file); code != 1 || !strings.Contains(text, "exists") {
		t.Errorf("a file that is there: got %d %s, want 1, \"exists\" in it", code, text)
	}

	out, text, code := data(t, g, "erase", "--user", id)
	if code != 0 || !strings.Contains(text, "nothing was changed") || !strings.Contains(out, "users") {
		t.Errorf("got %d %s%s, want 0, \"nothing was changed\" in it, \"users\" in it", code, out, text)
	}
	if m := g.Do(t, "GET", "/api/emails/"+l.later.Text("id"), nil); m.Text("status") != "queued" || m.Text("erasedAt") != "" {
		t.Errorf("without --yes something has changed: got %s, want queued, no erasedAt", m.Body)
	}
	t.Log(erase(t, g, "--user", id))
	l.after(t, plain(g))
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	// What remains of her cannot be found, and cannot be read in the file.
	if out, _, code := data(t, g, "export", "--email", "ada@example.com"); code != 0 || strings.Contains(out, "msg_") || strings.Contains(out, "pay_") {
		t.Errorf("got %d %s, want 0, no \"msg_\" in it, no \"pay_\" in it", code, out)
	}
	nothingOf(t, "the store", tables(t, "sqlite", filepath.Join(g.Dir, "data", "patchbay.db")))
}

// TestAPersonIsErasedWhileNoGatewayRuns checks that the command opens the store itself while no
// gateway runs.
func TestAPersonIsErasedWhileNoGatewayRuns(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	l := live(t, plain(g))
	gateway.Eventually(t, 20*time.Second, "all is done", func() bool {
		return g.Do(t, "GET", "/api/emails/"+l.email.Text("id"), nil).Text("status") == "sent"
	})
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(g.Dir, "data", "patchbay.db")
	if all := tables(t, "sqlite", store); !strings.Contains(all, "record message_part") || !strings.Contains(all, mark) || !strings.Contains(all, "Ada@Example.com") {
		t.Fatalf("it would not be found, want \"record message_part\" in it, %q in it, \"Ada@Example.com\" in it", mark)
	}
	out, text, _ := data(t, g, "erase", "--yes", "--email", "ada@example.com")
	if !strings.Contains(out, "messages") {
		t.Fatalf("got %s%s, want \"messages\" in it", out, text)
	}
	g.Restart(t)
	erase(t, g, "--user", l.user.Text("id"))
	l.after(t, plain(g))
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	nothingOf(t, "the store", tables(t, "sqlite", store))
}

// TestAPersonIsErasedFromDatabaseStandbyAndSpool checks the erasure of a person from the database,
// from the standby, which follows by itself, and from the spool, which holds mail that the database
// has refused.
func TestAPersonIsErasedFromDatabaseStandbyAndSpool(t *testing.T) {
	t.Parallel()
	o := startOutage(t, "{type: sqlite, path: data/mirror.db}")
	l := live(t, o.do)
	o.fed(t)
	o.server.Kill()
	other := mailToAda()
	other["text"] = "another, for " + mark
	gateway.Eventually(t, 10*time.Second, "mail is kept", func() bool { return o.do(t, "POST", "/api/emails", other, mailKey).Status == 202 })
	o.server.Restart(t)
	gateway.Eventually(t, 20*time.Second, "the database has refused it", func() bool { return o.spooled(t, "refused") == 1 })
	t.Log(erase(t, o.Gateway, "--user", l.user.Text("id")))
	if o.spooled(t, "refused") != 0 {
		t.Errorf("got %s, want 0", o.AskAsOperator(t, "/admin/storage").Body)
	}
	l.after(t, o.do)
	o.fed(t)
	if err := o.Stop(); err != nil {
		t.Fatal(err)
	}
	file := regexp.MustCompile(`database: (\w+)`)
	config, err := os.ReadFile(o.Args[1])
	if err != nil {
		t.Fatal(err)
	}
	nothingOf(t, "the database", tables(t, "pgx", fmt.Sprintf("host=127.0.0.1 port=%d user=%s database=%s sslmode=disable",
		o.server.Port, postgres.Username, file.FindStringSubmatch(string(config))[1])))
	for _, name := range []string{"mirror.db", "spool.db"} {
		nothingOf(t, name, tables(t, "sqlite", filepath.Join(o.Dir, "data", name)))
	}
}

// tables returns the contents of the tables of a store, without the mock's charges: they are a
// provider's.
func tables(t *testing.T, driver, source string) string {
	t.Helper()
	list := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if driver == "pgx" {
		list = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all strings.Builder
	names := read(t, db, list)
	for _, name := range names {
		where := ""
		if strings.TrimPrefix(name[0], "patchbay_") == "record" {
			where = " WHERE kind <> 'mock_intent'"
		}
		for _, row := range read(t, db, fmt.Sprintf("SELECT * FROM %q", name[0])+where) {
			fmt.Fprintln(&all, name[0], strings.Join(row, " "))
		}
	}
	if len(names) < 4 || !strings.Contains(all.String(), "record ") {
		t.Fatalf("nothing is stored: got %s, want at least 4 names, \"record \" in it", all.String())
	}
	return all.String()
}

func read(t *testing.T, db *sql.DB, query string) (all [][]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		cells, row := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
		for i := range cells {
			row[i] = &cells[i]
		}
		if err := rows.Scan(row...); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, cell := range cells {
			texts = append(texts, string(cell))
		}
		all = append(all, texts)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

var encoded = regexp.MustCompile(`"(?:answer|content|Body)":"([A-Za-z0-9+/=]+)"`)

// nothingOf checks that no text has anything about Ada.
func nothingOf(t *testing.T, where, all string) {
	t.Helper()
	for _, part := range encoded.FindAllStringSubmatch(all, -1) {
		if raw, err := base64.StdEncoding.DecodeString(part[1]); err == nil {
			all += string(raw)
		}
	}
	low := strings.ToLower(all)
	for _, text := range []string{strings.ToLower(mark), "ada@example.com"} {
		if at := strings.Index(low, text); at >= 0 {
			t.Errorf("%s: got %q, want no trace of it: %s", where, text, all[max(0, at-400):min(len(all), at+200)])
		}
	}
}
