package catchermail_test

import (
	"bytes"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/catchermail"
	"patchbay/core/email"
	"patchbay/core/fault"
)

func open(t *testing.T, dir string, keep int) *catchermail.Catcher {
	t.Helper()
	c, err := catchermail.New(catchermail.Options{Name: "catcher", Path: dir, Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func send(t *testing.T, c *catchermail.Catcher, id string) {
	t.Helper()
	_, err := c.Send(t.Context(), email.Message{
		ID: id, From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com", Name: "Ädä"}},
		Subject: "Hello " + id, Text: "Hello", MessageID: id + "@example.com", CreatedAt: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryThatCannotBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// In /proc nobody can make a file, not even root, though its directories can be read.
	for _, path := range []string{"/proc/self/fdinfo", "/proc/self/mail", file, filepath.Join(file, "mail")} {
		if _, err := catchermail.New(catchermail.Options{Name: "catcher", Path: path, Keep: 1}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: error = %v, want kind %v", path, err, fault.Unavailable)
		}
	}
	open(t, filepath.Join(dir, "mail"), 1)
	if left := files(t, filepath.Join(dir, "mail")); len(left) != 0 {
		t.Errorf("%v is left behind, want nothing", left)
	}
}

func TestAMessageThatComesTwiceIsSeenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, dir, 10)
	send(t, c, "msg_a")
	send(t, c, "msg_a")
	if names := files(t, dir); fmt.Sprint(names) != "[0000000001-msg_a.eml 0000000002-msg_a.eml]" {
		t.Errorf("files = %v, want the message twice", names)
	}
}

func TestOnlyTheNewestAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 3 { // the counting goes on after a restart
		c := open(t, dir, 3)
		send(t, c, fmt.Sprint("msg_", 2*i))
		send(t, c, fmt.Sprint("msg_", 2*i+1))
	}
	if names := files(t, dir); fmt.Sprint(names) != "[0000000004-msg_3.eml 0000000005-msg_4.eml 0000000006-msg_5.eml]" {
		t.Errorf("files = %v, want messages 3 to 5", names)
	}
	list, err := open(t, dir, 3).List(2)
	if err != nil || len(list) != 2 || list[0].Subject != "Hello msg_5" || !strings.Contains(list[0].To, "Ädä") || list[0].Size == 0 {
		t.Errorf("the list is %+v, %v, want two of which the first is msg_5", list, err)
	}
}

func TestTrackingIsShownInAHeader(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), 10)
	for tracking, want := range map[email.Tracking]string{"": "", email.TrackingOff: "off", email.TrackingOn: "on"} {
		receipt, err := c.Send(t.Context(), email.Message{
			ID: "msg_a", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}}, Subject: "s", Text: "t", Tracking: tracking,
		})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := c.Read(receipt.Reference)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Header.Get("X-Tracking"); got != want {
			t.Errorf("tracking %q: X-Tracking %q, want %q", tracking, got, want)
		}
	}
}

func TestReadingStaysInTheDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "0000000001-secret.eml"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(dir, "mail")
	c := open(t, inner, 10)
	send(t, c, "msg_a")
	if raw, err := c.Read("0000000001-msg_a.eml"); err != nil || !strings.Contains(string(raw), "Hello msg_a") {
		t.Errorf("read %s, %v, want the message", raw, err)
	}
	for _, name := range []string{"../0000000001-secret.eml", "", ".", "1-x/../../0000000001-secret.eml", "0000000009-none.eml"} {
		if raw, err := c.Read(name); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: read %s, %v, want kind %v", name, raw, err, fault.NotFound)
		}
	}
}

func TestAMessageThatCannotBeStoredIsUnavailable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	c := open(t, dir, 10)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	_, err := c.Send(t.Context(), email.Message{
		ID: "msg_a", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}}, Subject: "s", Text: "t",
	})
	if !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "ada@example.com") {
		t.Errorf("error = %v, want kind %v, without an address", err, fault.Unavailable)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := catchermail.New(catchermail.Options{Name: "catcher", Path: dir, Keep: 10}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("error = %v, want kind %v, without an address", err, fault.Unavailable)
	}
}
