package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	fiberlog "github.com/gofiber/fiber/v2/log"
	"github.com/valyala/fasthttp"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/wire"
	"patchbay/config"
	"patchbay/tests/testlog"
)

// lines is a log that may be written from anywhere.
type lines struct {
	testlog.Buffer
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	n, err := l.Buffer.Write(p)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return n, err
}

// await waits for a line with these words.
func (l *lines) await(t *testing.T, words string) string {
	t.Helper()
	end := time.After(10 * time.Second)
	for {
		text := l.String()
		for line := range strings.Lines(text) {
			if strings.Contains(line, words) {
				return line
			}
		}
		select {
		case <-l.more:
		case <-end:
			t.Fatalf("log = %s, want %q in it", text, words)
		}
	}
}

// ask asks for an answer, and reads it.
func ask(t *testing.T, url string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// What libraries write by themselves is in the gateway's log, without what they quote. It
// is one test: what they write to is the process's.
func TestMessagesOfLibrariesAreLogged(t *testing.T) { //nolint:paralleltest // as it says
	to := &lines{more: make(chan struct{}, 1)}
	l, _ := logger(&config.Config{Log: config.Log{Level: "info", Format: "text"}}, to)
	captureLibraryLogs(l.Logger)
	const private = "ada@example.com owes 5 pounds"

	for name, c := range map[string]struct {
		write func(t *testing.T)
		words string
	}{
		"net/http, of an answer that nobody has asked for": {func(t *testing.T) {
			provider := faultserver.Start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
			provider.Inject(faultserver.Fault{After: true, Mishap: faultserver.Unsolicited(private)})
			if err := ask(t, provider.URL()); err != nil {
				t.Fatal(err)
			}
		}, `Unsolicited response received on idle HTTP channel`},
		"net/http, of a handler that panics": {func(t *testing.T) {
			server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				panic(fmt.Sprintf("%q", private))
			})}
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go server.Serve(l)
			t.Cleanup(func() { _ = server.Close() })
			if err := ask(t, "http://"+l.Addr().String()); err == nil {
				t.Error("a request whose handler panics is answered, want a closed connection")
			}
		}, "http: panic serving"},
		"fasthttp, by the server's own logger": {func(*testing.T) {
			server := &fasthttp.Server{}
			wire.Wrap(server, 4096, func(*fasthttp.RequestCtx, *wire.Refusal) {})
			server.Logger.Printf("error when serving connection %q: %s", private, errors.New("reset"))
		}, "error when serving connection"},
		"fiber": {func(*testing.T) { fiberlog.Warnf("failed to load %q", private) }, "failed to load"},
		"slog":  {func(*testing.T) { slog.Default().Warn("driver is slow", "document", private) }, "driver is slow"},
	} {
		t.Run(name, func(t *testing.T) {
			c.write(t)
			if line := to.await(t, c.words); !strings.Contains(line, `level=WARN msg="a library reports"`) || strings.Contains(line, "pounds") || strings.Contains(line, "ada@") {
				t.Errorf("line = %s, want a warning without quoted text", line)
			}
		})
	}
}

// A library that repeats itself does not fill the log.
func TestRepeatedMessagesOfALibraryAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &lines{}
		l, _ := logger(&config.Config{Log: config.Log{Level: "info", Format: "text"}}, to)
		h := newReports(l.Logger)
		for i := range 1000 {
			r := slog.NewRecord(time.Now(), slog.LevelWarn, fmt.Sprintf("connection to port %d was lost", i), 0)
			if err := h.Handle(context.Background(), r); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(3 * time.Minute)
		if n := strings.Count(to.String(), "\n"); n != 2 || !strings.Contains(to.String(), "count=999") {
			t.Errorf("got %d lines, want the first and one with count=999:\n%s", n, to.String())
		}
	})
}
