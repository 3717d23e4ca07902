package faultserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
)

// counting answers with how many requests it has served, and their body.
type counting struct{ served atomic.Int64 }

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "%d %s", c.served.Add(1), body)
}

// client has a connection for each request: one that is kept may be closed just while it is used again, and
// then the error is another one.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func post(ctx context.Context, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("hello"))
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func TestABodyInChunksIsRefused(t *testing.T) {
	t.Parallel()
	served := new(counting)
	s := faultserver.Start(t, served)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), io.MultiReader(strings.NewReader("hello")))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusLengthRequired || served.served.Load() != 0 {
		t.Errorf("%d, %d served, want %d, served 0", resp.StatusCode, served.served.Load(), http.StatusLengthRequired)
	}
}

func TestAFaultAppliesToTheNextRequestOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fault  faultserver.Fault
		served int64
		check  func(status int, body string, err error) bool
	}{
		{"reset before", faultserver.Fault{Mishap: faultserver.Reset()}, 0, isReset},
		{"reset after", faultserver.Fault{After: true, Mishap: faultserver.Reset()}, 1, isReset},
		{
			"another answer",
			faultserver.Fault{Mishap: faultserver.Answer(429, map[string]string{"Retry-After": "1"}, "slow")},
			0,
			func(status int, body string, _ error) bool { return status == 429 && body == "slow" },
		},
		{
			"another answer after",
			faultserver.Fault{After: true, Mishap: faultserver.Answer(500, nil, "")},
			1,
			func(status int, _ string, _ error) bool { return status == 500 },
		},
		{
			"half an answer",
			faultserver.Fault{After: true, Mishap: faultserver.Truncate()},
			1,
			func(status int, _ string, err error) bool {
				return status == 200 && errors.Is(err, io.ErrUnexpectedEOF)
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := new(counting)
			s := faultserver.Start(t, h)
			s.Inject(c.fault)
			if status, body, err := post(t.Context(), s.URL()); !c.check(status, body, err) || h.served.Load() != c.served {
				t.Errorf("got %d %q %v, served %d, want what the fault says, served %d", status, body, err, h.served.Load(), c.served)
			}
			if status, body, err := post(t.Context(), s.URL()); status != 200 || body != fmt.Sprintf("%d hello", c.served+1) || err != nil {
				t.Errorf("the next: got %d %q %v, want 200, %v", status, body, err, fmt.Sprintf("%d hello", c.served+1))
			}
			if n := len(s.Requests()); n != 2 {
				t.Errorf("got %d requests arrived, want 2", n)
			}
		})
	}
}

func isReset(_ int, _ string, err error) bool { return errors.Is(err, syscall.ECONNRESET) }

func TestAStandingFaultStaysUntilHeal(t *testing.T) {
	t.Parallel()
	s := faultserver.Start(t, new(counting))
	s.Inject(faultserver.Fault{Standing: true, Mishap: faultserver.Answer(503, nil, "")})
	for range 2 {
		if status, _, err := post(t.Context(), s.URL()); status != 503 || err != nil {
			t.Errorf("got %d %v, want 503", status, err)
		}
	}
	s.Heal()
	if status, _, err := post(t.Context(), s.URL()); status != 200 || err != nil {
		t.Errorf("healed: got %d %v, want 200", status, err)
	}
}

func TestAFaultAppliesOnlyToMatchingRequests(t *testing.T) {
	t.Parallel()
	s := faultserver.Start(t, new(counting))
	s.Inject(faultserver.Fault{
		Match:  func(r *http.Request, body []byte) bool { return r.URL.Path == "/b" && string(body) == "hello" },
		Mishap: faultserver.Answer(500, nil, ""),
	})
	for _, c := range []struct {
		path   string
		status int
	}{{"/a", 200}, {"/b", 500}, {"/b", 200}} {
		if status, _, err := post(t.Context(), s.URL()+c.path); status != c.status || err != nil {
			t.Errorf("%s: got %d %v, want %v", c.path, status, err, c.status)
		}
	}
}

func TestHangEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(s *faultserver.Server, leave func())
	}{
		{"when the client leaves", func(_ *faultserver.Server, leave func()) { leave() }},
		{"when it is healed", func(s *faultserver.Server, _ func()) { s.Heal() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reached := make(chan struct{})
			s := faultserver.Start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(reached) }))
			s.Inject(faultserver.Fault{After: true, Mishap: faultserver.Hang()})
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			ended := make(chan error, 1)
			go func() {
				_, _, err := post(ctx, s.URL())
				ended <- err
			}()
			<-reached
			c.end(s, leave)
			if err := <-ended; err == nil {
				t.Error("it was answered, want an error")
			}
		})
	}
}

func TestAfterACrashConnectionsAreRefused(t *testing.T) {
	t.Parallel()
	h := new(counting)
	s := faultserver.Start(t, h)
	s.Inject(faultserver.Fault{After: true, Mishap: faultserver.Crash()})
	if _, _, err := post(t.Context(), s.URL()); !errors.Is(err, syscall.ECONNRESET) || h.served.Load() != 1 {
		t.Errorf("%v, served %d, want error %v, served 1", err, h.served.Load(), syscall.ECONNRESET)
	}
	if _, _, err := post(t.Context(), s.URL()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, want refused", err)
	}
}

func TestRefuseAndResume(t *testing.T) {
	t.Parallel()
	s := faultserver.Start(t, new(counting))
	url := s.URL()
	if _, _, err := post(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s.Refuse()
	for range 3 {
		if _, _, err := post(t.Context(), url); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v, want refused", err)
		}
	}
	s.Resume()
	if status, _, err := post(t.Context(), url); status != 200 || err != nil {
		t.Errorf("resumed: got %d %v, want 200", status, err)
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	t.Parallel()
	server := faultserver.Start(t, new(counting))
	own := &http.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	ask := func() {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := own.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	ask()
	ask()
	if n := server.Connections(); n != 1 {
		t.Errorf("%d, where one was kept, want 1", n)
	}
	own.CloseIdleConnections()
	ask()
	if n := server.Connections(); n != 2 {
		t.Errorf("%d, where it was closed once, want 2", n)
	}
}

// TestListenWaitsForCopiesOfAListener checks what happens while another process is started: it has a
// copy of the listener for a moment.
func TestListenWaitsForCopiesOfAListener(t *testing.T) {
	t.Parallel()
	address, release, err := faultserver.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	first, err := faultserver.Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := first.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() { _ = copied.Close() })
	again, err := faultserver.Listen(t.Context(), address)
	if err != nil {
		t.Fatalf("while there is a copy: error %v, want none", err)
	}
	_ = again.Close()
}
