package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/httpapi"
	"patchbay/adapters/ids"
	"patchbay/core/apikeys"
	"patchbay/core/events"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/core/users"
	"patchbay/core/webhook"
	"patchbay/core/webhooks"
	"patchbay/ports"
	"patchbay/tests/memjournal"
	"patchbay/tests/testlog"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// rig is the API on a loopback port, in front of doubles that record their calls.
type rig struct {
	base, address string
	users         *repository
	access        *apikeys.Service
	hooks         *verifier
	journal       *memjournal.Journal
	fail          atomic.Pointer[func(op string) error] // called by the journal before each operation
	ready         atomic.Pointer[error]                 // the error of /readyz
	log           testlog.Buffer
}

func serve(t testing.TB, change ...func(*httpapi.Server)) *rig {
	t.Helper()
	r := &rig{users: &repository{}, hooks: &verifier{}, journal: memjournal.New(clock.System{})}
	r.journal.Fail = func(op string) error {
		if fail := r.fail.Load(); fail != nil {
			return (*fail)(op)
		}
		return nil
	}
	r.access = apikeys.New(apikeys.Options{Journal: r.journal, Clock: clock.System{}, IDs: ids.UUIDs{}, Pepper: []byte("pepper")})
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	s := httpapi.New(httpapi.Options{
		Users:   users.New(r.users, nil, clock.System{}, ids.UUIDs{}, user.Scripts{}),
		Events:  events.New(r.journal),
		APIKeys: r.access,
		Webhooks: webhooks.New(webhooks.Options{
			Journal: r.journal, Clock: clock.System{}, Owner: "one", Log: log,
			Routes: map[string]webhooks.Route{"stripe": {Verifier: r.hooks}, "pleased": {Verifier: &pleased{}}},
		}),
		IDs: ids.UUIDs{}, Deadline: patience, Log: log,
		Ready: func(context.Context) (string, error) {
			if err := r.ready.Load(); err != nil {
				return "", *err
			}
			return "ok", nil
		},
	})
	for _, c := range change {
		c(s)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	r.base = "http://" + r.address
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

// key makes an API key.
func (r *rig) key(t *testing.T) string {
	t.Helper()
	token, _, err := r.access.Create(t.Context(), "acme", "test", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// failing makes /readyz fail, the simplest way to turn an error into an answer.
func (r *rig) failing(err error) { r.ready.Store(&err) }

type header map[string]string

// asJSON is the header of most requests.
var asJSON = header{"Content-Type": "application/json"}

type answer struct {
	status int
	header http.Header
	body   string
	last   bool    // of its connection
	err    problem // of an error
}

// problem is the JSON of an error.
type problem struct {
	Type        string
	Code        string
	DeclineCode string `json:"decline_code"`
	Message     string
	Param       string
	RequestID   string `json:"request_id"`
}

func (r *rig) do(t *testing.T, method, path, body string, headers ...header) answer {
	t.Helper()
	return r.send(t, method, path, strings.NewReader(body), headers...)
}

func (r *rig) send(t *testing.T, method, path string, body io.Reader, headers ...header) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		for name, value := range h {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return read(t, resp)
}

func read(t *testing.T, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(raw), last: resp.Close}
	var shape struct{ Error problem }
	_ = json.Unmarshal(raw, &shape) // where it is no error it has none
	a.err = shape.Error
	return a
}

// refused checks an answer that is an error.
func (a answer) refused(t *testing.T, status int, code, param string) {
	t.Helper()
	a.hasStatus(t, status)
	if a.err.Code != code {
		t.Errorf("code = %q, want %q: %s", a.err.Code, code, a.body)
	}
	if a.err.Param != param {
		t.Errorf("param = %q, want %q: %s", a.err.Param, param, a.body)
	}
	if a.err.Type == "" || a.err.Message == "" {
		t.Errorf("error = %s, want a type and a message", a.body)
	}
	if id := a.header.Get("X-Request-Id"); id == "" || a.err.RequestID != id {
		t.Errorf("request_id = %q, want the X-Request-Id %q", a.err.RequestID, id)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q, want application/json", got)
	}
}

// hasStatus checks the status of an answer.
func (a answer) hasStatus(t *testing.T, want int) {
	t.Helper()
	if a.status != want {
		t.Errorf("status = %d, want %d: %s", a.status, want, a.body)
	}
}

// repository is a repository of users that records all calls.
type repository struct {
	ports.UserRepository // nil: no other method is called

	mu    sync.Mutex
	calls []call
}

// call is a recorded call.
type call struct {
	op                            string
	tenant, id, email, key, print string
	cursor                        string
	limit                         int
	version                       int64
	user                          user.User
	patch                         user.Patch
	until                         time.Time // when its time is up
}

func (p *repository) note(c call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, c)
}

func (p *repository) all() []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]call(nil), p.calls...)
}

// last returns the latest call.
func (p *repository) last(t *testing.T) call {
	t.Helper()
	all := p.all()
	if len(all) == 0 {
		t.Fatal("got no call of the repository, want one")
	}
	return all[len(all)-1]
}

func (p *repository) FindByID(_ context.Context, tenant, id string) (user.User, error) {
	p.note(call{op: "FindByID", tenant: tenant, id: id})
	return user.User{ID: id}, nil
}

func (p *repository) FindByEmail(_ context.Context, tenant, email string) (user.User, error) {
	p.note(call{op: "FindByEmail", tenant: tenant, email: email})
	return user.User{}, fault.New(fault.NotFound, "no_such_user", "there is no such user")
}

func (p *repository) FindByKey(_ context.Context, scoped string) (user.Creation, error) {
	p.note(call{op: "FindByKey", key: scoped})
	return user.Creation{}, fault.New(fault.NotFound, "no_such_user", "there is no such user")
}

func (p *repository) Create(ctx context.Context, u user.User, key idempotency.Key) error {
	until, _ := ctx.Deadline()
	p.note(call{op: "Create", tenant: u.Tenant, id: u.ID, email: u.Email, key: key.Scoped, print: key.Fingerprint, user: u, until: until})
	return nil
}

func (p *repository) Update(_ context.Context, tenant, id string, patch user.Patch, version int64) (user.User, error) {
	p.note(call{op: "Update", tenant: tenant, id: id, patch: patch, version: version})
	return user.User{ID: id, Version: 7}, nil
}

func (p *repository) Delete(_ context.Context, tenant, id string, version int64) error {
	p.note(call{op: "Delete", tenant: tenant, id: id, version: version})
	return nil
}

func (p *repository) List(_ context.Context, tenant, cursor string, limit int) (user.Page, error) {
	p.note(call{op: "List", tenant: tenant, cursor: cursor, limit: limit})
	return user.Page{}, nil
}

// verifier records the bodies that it gets, and finds no event in them.
type verifier struct {
	mu     sync.Mutex
	bodies [][]byte
	ids    []string
}

// CheckHeaders refuses a webhook whose header says that it is old.
func (v *verifier) CheckHeaders(header func(string) string) error {
	if header("Stripe-Signature") == "old" {
		return fault.New(fault.Invalid, "invalid_signature", "it is too old")
	}
	return nil
}

func (v *verifier) Verify(_ context.Context, body []byte, header func(string) string) ([]webhook.Event, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bodies, v.ids = append(v.bodies, body), append(v.ids, header("Webhook-Id")) // not copies, on purpose
	return nil, nil
}

// seen returns the bodies themselves, not copies.
func (v *verifier) seen() [][]byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bodies
}
