package e2e_test

import (
	"path/filepath"
	"testing"

	"patchbay/tests/gateway"
)

// TestACursorAfterAnOlderBackupWasPutBack checks cursors after a restore. A consumer keeps its
// cursor outside the store. It gets cursor_gone for a cursor that an older backup does not know,
// and does not wait for events at a wrong position.
func TestACursorAfterAnOlderBackupWasPutBack(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	create := func(email string) { t.Helper(); g.Do(t, "POST", "/api/users", object{"email": email}) }
	read := func(cursor string) gateway.Answer {
		t.Helper()
		return g.Do(t, "GET", gateway.Page("/api/events?limit=100", cursor), nil)
	}
	begin := read("").Text("nextCursor")
	create("a@example.com")
	backed := read("").Text("nextCursor")
	file := filepath.Join(t.TempDir(), "kept.db")
	g.Backup(t, file)
	create("b@example.com")
	create("c@example.com")
	lost := read(backed).Text("nextCursor")

	restore := func() {
		t.Helper()
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
		g.PutBack(t, file)
		g.Restart(t)
	}
	restore()
	wantGone := func(when string) {
		t.Helper()
		if a := read(lost); a.Status != 410 || a.Code() != "cursor_gone" {
			t.Errorf("%s: got %d %s, want 410, code cursor_gone", when, a.Status, a.Body)
		}
	}
	wantGone("its event is absent")
	if a := read(backed); a.Status != 200 || len(a.Data()) != 0 || a.Text("nextCursor") != backed {
		t.Errorf("a cursor into what was kept: got %d %s, want 200, no items, nextCursor %v", a.Status, a.Body, backed)
	}
	for _, email := range []string{"d@example.com", "e@example.com", "f@example.com"} {
		create(email)
	}
	wantGone("another event has its number")
	for cursor, want := range map[string]int{backed: 3, begin: 4, "": 4, "1": 3} { // the last as the version before gave it out
		if a := read(cursor); a.Status != 200 || len(a.Data()) != want {
			t.Errorf("from %q: %d, %d events, want %d", cursor, a.Status, len(a.Data()), want)
		}
	}
}
