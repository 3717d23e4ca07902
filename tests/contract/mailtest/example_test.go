package mailtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"patchbay/adapters/mail/catchermail"
	"patchbay/tests/contract/mailtest"
)

// The test file of a mail adapter calls the suite from TestContract. This adapter writes files; one
// that reaches its provider over a network calls mailtest.RunNetwork as well.
func Example() {
	testContract := func(t *testing.T) {
		t.Parallel()
		t.Run("mail", func(t *testing.T) {
			t.Parallel()
			mailtest.Run(t, func(t *testing.T) mailtest.Harness {
				dir := filepath.Join(t.TempDir(), "mail")
				mailer, err := catchermail.New(catchermail.Options{Name: "catcher", Path: dir, Keep: 1000})
				if err != nil {
					t.Fatal(err)
				}
				return mailtest.Harness{Mailer: mailer, Delivered: func(t *testing.T) (all [][]byte) {
					files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
					if err != nil {
						t.Fatal(err)
					}
					for _, file := range files {
						raw, err := os.ReadFile(file)
						if err != nil {
							t.Fatal(err)
						}
						all = append(all, raw)
					}
					return all
				}}
			})
		})
	}
	_ = testing.InternalTest{Name: "TestContract", F: testContract} // go test finds a function of this name
}
