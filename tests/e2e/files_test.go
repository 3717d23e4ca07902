package e2e_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/mongod"
)

// TestFilesGoThroughMongo checks files with MongoDB, where they are not stored in the document of
// their message, because a document is limited to 16 MB. The files here are small: FerretDB reads
// whole collections to find a document.
func TestFilesGoThroughMongo(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(mongod.URI(t))
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.Configured(t, fmt.Sprintf(`
storage: {provider: mongo}
providers:
  mongo: {type: mongo, host: %s, port: %s, database: %s, ssl: false}
`, u.Hostname(), u.Port(), mongod.Database()))
	g.Restart(t)
	content := make([]byte, 600<<10)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	sent := emailBody("files")
	sent["attachments"] = []object{
		{"filename": "large.bin", "contentType": "application/octet-stream", "content": content[:500<<10]},
		{"filename": "small.bin", "contentType": "application/octet-stream", "content": content[500<<10:]},
	}
	a := g.Do(t, "POST", "/api/emails", sent)
	if a.Status != 202 {
		t.Fatalf("got %d %s, want 202", a.Status, a.Body)
	}
	var files []string
	gateway.Eventually(t, 30*time.Second, "it goes out", func() bool {
		files, _ = filepath.Glob(filepath.Join(g.Dir, "data", "mail", "*-"+a.Text("id")+".eml"))
		return len(files) == 1
	})
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	got := bytes.ReplaceAll(raw, []byte("\r\n"), nil)
	for name, want := range map[string][]byte{"large.bin": content[:500<<10], "small.bin": content[500<<10:]} {
		text := base64.StdEncoding.EncodeToString(want)
		if !strings.Contains(string(raw), name) || !bytes.Contains(got, []byte(text)) {
			t.Errorf("%s did not arrive whole, want %q in it", name, text)
		}
	}
}
