package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const report = `{"report":{"places":[{"place":"messages","found":2,"erased":1,"pending":1}]}}`

const table = "PLACE     FOUND  ERASED  NOT YET\nmessages  2      1       1\n"

// While the gateway runs it has the store, and is asked: the command makes of its
// lines what people and programs want.
func TestDataCommandsUseARunningGateway(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, args, asked string
		status            int
		body              string
		want              result
	}{
		{
			"hands out", "data export --user usr_1 --tenant acme", `POST /admin/data/export {"tenant":"acme","userId":"usr_1"}`, 200,
			`{"person":{"tenant":"acme","userId":"usr_1"}}` + "\n" + `{"place":"messages"}` + "\n" + `{"looked":20}` + "\n" +
				`{"entry":{"id":"msg_1"}}` + "\n" + `{"entry":{"id":"msg_2"}}` + "\n" + `{"place":"users"}` + "\n" + report,
			result{0, `{
"person": {"tenant":"acme","userId":"usr_1"},
"messages": [
  {"id":"msg_1"},
  {"id":"msg_2"}
],
"users": [
]
}
`, ""},
		},
		{
			"exports the rest, and says what cannot be read", "data export --user usr_1", `POST /admin/data/export {"tenant":"default","userId":"usr_1"}`, 200,
			`{"person":{"tenant":"default","userId":"usr_1"}}` + "\n" + `{"place":"webhooks"}` + "\n" + `{"pending":{"id":"mock:1","why":"it cannot be read"}}` + "\n" + `{"report":{"places":[]}}`,
			result{1, "{\n\"person\": {\"tenant\":\"default\",\"userId\":\"usr_1\"},\n\"webhooks\": [\n]\n}\n",
				"not exported: mock:1: it cannot be read\npatchbay: the document is whole but for what cannot be read: 1\n"},
		},
		{
			"only says what it would erase", "data erase --email ada@example.com", `POST /admin/data/erase {"tenant":"default","email":"ada@example.com","rehearsal":true}`, 200,
			report,
			result{0, table, "nothing was changed; with --yes it is erased\n"},
		},
		{
			"erases, and says what is left", "data erase --user usr_1 --yes", `POST /admin/data/erase {"tenant":"default","userId":"usr_1"}`, 200,
			`{"pending":{"id":"msg_1","why":"it is being sent"}}` + "\n" + report,
			result{1, table, "not yet: msg_1: it is being sent\npatchbay: 1 of it cannot be erased yet; run it again later\n"},
		},
		{
			"erases all", "data erase --user usr_1 --yes", `POST /admin/data/erase {"tenant":"default","userId":"usr_1"}`, 200,
			`{"report":{"places":[]}}`,
			result{0, "PLACE  FOUND  ERASED  NOT YET\n", ""},
		},
		{
			"says what went wrong", "data erase --user usr_1 --yes", `POST /admin/data/erase {"tenant":"default","userId":"usr_1"}`, 200,
			`{"place":"messages"}` + "\n" + `{"error":"the database is gone"}`,
			result{1, "", "patchbay: the database is gone; run it again, it goes on from there\n"},
		},
		{
			"does not take a part for the whole", "data erase --user usr_1 --yes", `POST /admin/data/erase {"tenant":"default","userId":"usr_1"}`, 200,
			`{"place":"messages"}`,
			result{1, "", "patchbay: the gateway at ADMIN ended before it was done: EOF; run it again, it goes on from there\n"},
		},
		{
			"is refused", "data erase --user usr_1 --yes", `POST /admin/data/erase {"tenant":"default","userId":"usr_1"}`, 503,
			`{"error":{"message":"it is said why"}}`,
			result{1, "", "patchbay: the gateway at ADMIN refused: 503 Service Unavailable it is said why; run it again, it goes on from there\n"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			a := &admin{status: row.status, body: row.body}
			address := r.gateway(t, a)
			row.want.stderr = r.asked(t, address) + strings.ReplaceAll(row.want.stderr, "ADMIN", address)
			if got := r.run(t, strings.Fields(row.args)...); got != row.want {
				t.Errorf("%+v\nwant %+v", got, row.want)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.asked != row.asked {
				t.Errorf("asked for %s, want %s", a.asked, row.asked)
			}
		})
	}
}

func TestAnIncompleteExportLeavesNoFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(t, &admin{status: 200, body: `{"person":{}}` + "\n" + `{"place":"messages"}` + "\n" + `{"entry":{}}`})
	file := filepath.Join(r.dir, "ada.json")
	r.expect(t, 1, "ended before it was done", "data", "export", "--user", "usr_1", "--to", file)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("error of the file = %v, want that it does not exist", err)
	}
}

func TestDataCommandsRequireAPerson(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.make(t)
	for _, row := range []struct{ name, args, says string }{
		{"nobody", "data erase --yes", "at least one of the flags in the group [user email] is required"},
		{"two ways at once", "data export --user usr_1 --email ada@example.com", "none of the others can be"},
		{"an empty id", "data export --user=", "--user is given without a value"},
		{"an empty tenant", "data erase --user usr_1 --tenant=", "--tenant is given without a value"},
		{"a directory that does not exist", "data export --user usr_1 --to nowhere/ada.json", "no such file or directory"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := r.run(t, strings.Fields(row.args)...)
			if got.code != 1 || !strings.Contains(got.stderr, row.says) || strings.Contains(got.stdout, "person") {
				t.Errorf("got %+v, want exit code 1, %q in stderr, no %q in stdout", got, row.says, "person")
			}
		})
	}
}
