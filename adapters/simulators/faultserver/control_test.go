package faultserver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"patchbay/adapters/simulators/faultserver"
)

// controlled serves a handler whose faults may be asked for at /faults.
func controlled(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	faults, routes := new(faultserver.Faults), http.NewServeMux()
	routes.Handle("/", faults.Before(h))
	routes.Handle("/faults", faultserver.Control{Faults: faults, Named: faultserver.Connection().With(faultserver.Named{"busy": {Mishap: faultserver.Page(503)}})})
	s := httptest.NewServer(routes)
	t.Cleanup(s.Close)
	return s.URL
}

func ask(t *testing.T, method, url, form string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url+"/faults", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestAFaultThatWasAskedForBefallsTheNextRequests(t *testing.T) {
	t.Parallel()
	const none, all = `{"faults":["busy","hang","malformed","reset","timeout_after_commit","timeout_before"],"waiting":[]}`, `"waiting":[{"fault":"busy","times":2},{"fault":"reset","times":1}]`
	url := controlled(t, new(counting))
	if status, body := ask(t, "GET", url, ""); status != 200 || strings.TrimSpace(body) != none {
		t.Errorf("at first: got %d %s, want 200 %s", status, body, none)
	}
	ask(t, "POST", url, "fault=busy&times=2")
	if status, body := ask(t, "POST", url, "fault=reset"); status != 200 || !strings.Contains(body, all) {
		t.Errorf("got %d %s, want 200, %s", status, body, all)
	}
	resp, err := client.Get(url) // a fault is not for a request that only reads
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("GET: got %v, %v, want 200", resp, err)
	}
	_ = resp.Body.Close()
	for range 2 {
		if status, _, err := post(t.Context(), url); status != 503 {
			t.Errorf("got %d, %v, want 503", status, err)
		}
	}
	if status, body, err := post(t.Context(), url); err == nil {
		t.Errorf("got %d %s, want a connection that breaks", status, body)
	}
	if status, body, err := post(t.Context(), url); body != "3 hello" { // one GET, one whose answer was lost, this one
		t.Errorf("got %d %s %v, want the third request that is served", status, body, err)
	}
}

func TestFaultsOfAConnectionBeforeAndAfterARequestIsServed(t *testing.T) {
	t.Parallel()
	for name, served := range map[string]int64{"timeout_before": 0, "timeout_after_commit": 1, "reset": 1, "malformed": 1} {
		h := new(counting)
		url := controlled(t, h)
		ask(t, "POST", url, "fault="+name)
		if status, body, err := post(t.Context(), url); err == nil {
			t.Errorf("%s: got %d %s, want an error", name, status, body)
		}
		if n := h.served.Load(); n != served {
			t.Errorf("%s: %d requests were served, want %d", name, n, served)
		}
	}
}

func TestRemovingFaultsReleasesRequestsThatHang(t *testing.T) {
	t.Parallel()
	h := new(counting)
	reached := make(chan bool)
	url := controlled(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		reached <- true
	}))
	ask(t, "POST", url, "fault=hang&times=3")
	ended := make(chan error)
	go func() {
		_, _, err := post(context.Background(), url)
		ended <- err
	}()
	<-reached
	if _, body := ask(t, "DELETE", url, ""); !strings.Contains(body, `"waiting":[]`) {
		t.Errorf("got %s, want none waiting", body)
	}
	if err := <-ended; err == nil {
		t.Error("the request that hung was answered, want a connection that ends")
	}
}

func TestWhatCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	url := controlled(t, new(counting))
	for _, c := range []struct {
		method, form string
		status       int
		says         string
	}{
		{"POST", "", 400, `fault "": it must be one of busy, hang, malformed`},
		{"POST", "fault=none", 400, `fault "none": it must be one of busy, hang, malformed`},
		{"POST", "fault=busy&times=0", 400, `times "0": it must be a number from 1 to 1000`},
		{"POST", "fault=busy&times=1001", 400, `times "1001"`},
		{"POST", "fault=busy&times=many", 400, `times "many"`},
		{"PUT", "fault=busy", 405, "ask by POST"},
	} {
		if status, body := ask(t, c.method, url, c.form); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %q: got %d %s, want %d, %s", c.method, c.form, status, body, c.status, c.says)
		}
	}
	if _, body := ask(t, "GET", url, ""); !strings.Contains(body, `"waiting":[]`) {
		t.Errorf("got %s, want none waiting", body)
	}
}

func TestABodyThatIsTooLongForFaults(t *testing.T) {
	t.Parallel()
	served := new(counting)
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", io.LimitReader(endless{}, 64<<20+1))
	new(faultserver.Faults).Before(served).ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge || served.served.Load() != 0 {
		t.Errorf("got %s, want 413 and nothing served", fmt.Sprint(w.Code, " ", served.served.Load()))
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
