package adminapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"patchbay/adapters/adminapi"
	"patchbay/core/fault"
	"patchbay/ports"
)

// shot is a snapshot that tells when it is closed.
type shot struct {
	io.Reader
	size   int64
	closed chan struct{}
}

func (s *shot) Size() int64  { return s.size }
func (s *shot) Close() error { close(s.closed); return nil }

func backups(of io.Reader, size int64) (adminapi.Options, *shot) {
	s := &shot{of, size, make(chan struct{})}
	return adminapi.Options{Service: adminapi.Service{Backup: func(context.Context) (ports.Snapshot, error) { return s, nil }}}, s
}

func TestABackupIsStreamed(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("patchbay ", 1<<18)
	o, s := backups(iotest.HalfReader(strings.NewReader(text)), int64(len(text)))
	r := serve(t, o)
	got := r.do(t, "GET", "/admin/storage/backup", "")
	if got.status != 200 || got.body != text || got.header.Get("Content-Type") != "application/vnd.sqlite3" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("status = %d, want 200, %d bytes, %v", got.status, len(got.body), got.header)
	}
	<-s.closed
}

func TestBackupsThatAreRefused(t *testing.T) {
	t.Parallel()
	made := false
	some := adminapi.Options{Service: adminapi.Service{Backup: func(context.Context) (ports.Snapshot, error) {
		made = true
		return nil, fault.New(fault.Conflict, "backup_running", "another copy is being made")
	}}}
	if got := serve(t, adminapi.Options{}).do(t, "GET", "/admin/storage/backup", ""); got.status != 501 {
		t.Errorf("a store that has none: status = %d, want 501, %s", got.status, got.body)
	}
	r := serve(t, some)
	if got := r.do(t, "GET", "/admin/storage/backup", "", header{"Sec-Fetch-Site": "cross-site"}); got.status != 403 || made {
		t.Errorf("for another site's page: status = %d, want 403, made: %v", got.status, made)
	}
	if got := r.do(t, "GET", "/admin/storage/backup", "", header{"Sec-Fetch-Site": "none"}); got.status != 409 || got.code != "backup_running" || got.text != "another copy is being made" {
		t.Errorf("a second one: status = %d, want 409, %s", got.status, got.body)
	}
}

// unending never ends by itself.
type unending struct{}

func (unending) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte{'x'}, len(b))), nil }

// Whoever leaves, or the gateway that stops, ends it: the disk that it takes is
// given back.
func TestABackupEndsWithItsReaderAndWithTheGateway(t *testing.T) {
	t.Parallel()
	for _, leaves := range []bool{true, false} {
		o, s := backups(unending{}, 1<<50)
		cut := make(chan error, 1)
		t.Run("", func(t *testing.T) {
			r := serve(t, o) // and shuts it down when this ends
			req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, r.base+"/admin/storage/backup", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+secret.Token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
				t.Fatal(err)
			}
			if leaves {
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
				<-s.closed
				return
			}
			go func() {
				_, err := io.Copy(io.Discard, resp.Body)
				cut <- errors.Join(err, resp.Body.Close())
			}()
		})
		<-s.closed
		if !leaves && <-cut == nil {
			t.Error("the client got a truncated backup without an error, want one")
		}
	}
}
