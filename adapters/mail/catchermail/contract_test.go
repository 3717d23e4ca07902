package catchermail_test

import (
	"os"
	"path/filepath"
	"testing"

	"patchbay/tests/contract/mailtest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("verifier", verifierContract)
	t.Run("mail", func(t *testing.T) {
		t.Parallel()
		mailtest.Run(t, func(t *testing.T) mailtest.Harness {
			dir := filepath.Join(t.TempDir(), "mail")
			return mailtest.Harness{
				Mailer: open(t, dir, 1000),
				Delivered: func(t *testing.T) (all [][]byte) {
					for _, name := range files(t, dir) {
						raw, err := os.ReadFile(filepath.Join(dir, name))
						if err != nil {
							t.Fatal(err)
						}
						all = append(all, raw)
					}
					return all
				},
			}
		})
	})
}
