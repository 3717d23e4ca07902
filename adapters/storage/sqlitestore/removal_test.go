package sqlitestore_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"patchbay/ports"
)

// TestWhatWasRemovedIsInNoFile checks that the bytes of what a save removes, small or large, are not left
// in pages of the file that nothing uses any more.
func TestWhatWasRemovedIsInNoFile(t *testing.T) {
	t.Parallel()
	secret := []byte("4711-0815-reset")
	for name, size := range map[string]int{"small": 200, "of several pages": 50 << 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := place(t)
			s := open(t, path)
			text := bytes.Repeat(secret, size/len(secret)+1)
			r := ports.Record{Tenant: "t", Kind: "k", ID: "a", Body: text, Content: text, Index: ports.Index{Created: time.Now()}}
			part := ports.Record{Tenant: "t", Kind: "part", ID: "a.0", Body: text, Index: r.Index}
			if err := s.Attach(t.Context(), &r, &part); err != nil {
				t.Fatal(err)
			}
			r.Body, r.Content = []byte("{}"), nil
			if err := s.Detach(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil { // moves the log into the file
				t.Fatal(err)
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(raw, secret); n > 0 {
				t.Errorf("the file has what was removed %d times, want none", n)
			}
		})
	}
}
