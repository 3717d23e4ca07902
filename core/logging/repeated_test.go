package logging_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"patchbay/core/logging"
	"patchbay/tests/testlog"
)

// A server reads its next request into the memory of the one before. The line that sums up a
// minute names the request that was refused, not the one that came after it.
func TestRepeatedKeepsACopyOfItsAttributes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var page testlog.Buffer
		r := logging.Repeated{Log: logging.New(slog.NewTextHandler(&page, nil)).Logger, Text: "credential is refused"}
		memory := []byte("req_refused")
		id := unsafe.String(unsafe.SliceData(memory), len(memory))
		for range 2 {
			r.Note(t.Context(), "unauthorized", slog.String("request", id))
		}
		copy(memory, "req_another")
		page.Take()
		<-time.After(time.Minute + time.Second)
		synctest.Wait()
		if line := page.String(); !strings.Contains(line, "count=1 request=req_refused") {
			t.Errorf("after a minute: got %s, want \"count=1 request=req_refused\" in it", line)
		}
		<-time.After(2 * time.Minute) // nothing more comes, and it ends
	})
}
