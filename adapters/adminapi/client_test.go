package adminapi_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"

	"patchbay/adapters/adminapi"
	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/personaldata"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// client returns a client with an identity, and counts its connections.
func (r *rig) client(of adminapi.Identity) (c *adminapi.Client, connected *int) {
	connected = new(int)
	return adminapi.NewClient(r.host, of, func() { *connected++ }), connected
}

// both calls an endpoint by the client and does its work on the service, and returns what
// both answer.
func both[In, Out any](t *testing.T, c *adminapi.Client, s *adminapi.Service, e adminapi.Endpoint[In, Out], in In) (called, done Out) {
	t.Helper()
	called, err := e.Call(t.Context(), c, in)
	done, err2 := e.Do(t.Context(), s, in)
	if err := errors.Join(err, err2); err != nil {
		t.Errorf("%T: error = %v, want none", in, err)
	}
	return called, done
}

// bothFollow is like both, for the lines of a stream.
func bothFollow[In any, L adminapi.Line](t *testing.T, c *adminapi.Client, s *adminapi.Service, e adminapi.Stream[In, L], in In) (called, done []L) {
	t.Helper()
	err := e.Call(t.Context(), c, in, func(l L) error { called = append(called, l); return nil })
	err2 := e.Do(t.Context(), s, in, func(l L) error { done = append(done, l); return nil })
	if err := errors.Join(err, err2); err != nil {
		t.Errorf("%T: error = %v, want none", in, err)
	}
	return called, done
}

func wantSame(t *testing.T, what string, called, done any) {
	t.Helper()
	if !reflect.DeepEqual(called, done) {
		t.Errorf("%s: the gateway answers %+v, on the store it is %+v, want the same", what, called, done)
	}
}

// A command gets the same answer from a running gateway as from the store itself.
func TestAnEndpointAnswersTheSameThroughTheGatewayAndOnTheStore(t *testing.T) {
	t.Parallel()
	j, erased, text := memjournal.New(clock.System{}), 0, strings.Repeat("patchbay ", 1<<12)
	s := &adminapi.Service{
		PersonalData: personaldata.New(one(&erased)),
		Payments: payments.New(payments.Options{
			Journal: j, Clock: clock.System{}, IDs: ids.UUIDs{}, Owner: "one", Log: slog.New(slog.DiscardHandler),
		}),
		Storage: func(context.Context) adminapi.Storage {
			return adminapi.Storage{Store: adminapi.Store{Provider: "local", Available: true}, SetAside: &adminapi.SetAside{Count: 1}}
		},
		PutBack: func(_ context.Context, record string) error {
			if record != "default/email/msg_1" {
				return errors.New(record)
			}
			return nil
		},
		Backup: func(context.Context) (ports.Snapshot, error) {
			return &shot{strings.NewReader(text), int64(len(text)), make(chan struct{})}, nil
		},
	}
	r := serve(t, adminapi.Options{Service: *s})
	s.APIKeys = r.access
	keep(t, j, "default", "pay_1", func(p *payment.Payment) { p.Review(payment.ReviewUnknown, "op_1", noon) })
	c, connected := r.client(secret)

	first, second := both(t, c, s, adminapi.CreateKey, adminapi.NewKey{Tenant: "default", Name: "n", Scopes: []string{"users:read"}, TTL: "720h"})
	for _, k := range []adminapi.CreatedKey{first, second} {
		if !strings.HasPrefix(k.Token, "pb_live_") || k.Key.Name != "n" || k.Key.ExpiresAt.IsZero() {
			t.Errorf("created = %+v, want a token, the name n, and an expiry", k)
		}
	}
	both(t, c, s, adminapi.RevokeKey, adminapi.KeyID{ID: first.Key.ID})
	keys, same := both(t, c, s, adminapi.ListKeys, adminapi.None{})
	if wantSame(t, "the keys", keys, same); len(keys) != 2 {
		t.Errorf("%d keys are listed, want 2", len(keys))
	}
	status, sameStatus := both(t, c, s, adminapi.StorageStatus, adminapi.None{})
	if wantSame(t, "the status", status, sameStatus); status.Store.Provider != "local" {
		t.Errorf("status = %+v, want that of the provider local", status)
	}
	both(t, c, s, adminapi.PutBackRecord, adminapi.PutBack{Record: "default/email/msg_1"})

	person := adminapi.DataRequest{Who: personaldata.Who{Tenant: "acme", UserID: "usr_1"}}
	for _, e := range []adminapi.Stream[adminapi.DataRequest, adminapi.DataLine]{adminapi.ExportData, adminapi.EraseData} {
		called, done := bothFollow(t, c, s, e, person)
		if wantSame(t, "a person's data", called, done); len(called) == 0 || called[len(called)-1].Report == nil {
			t.Errorf("lines = %+v, want a report in the last", called)
		}
	}
	if erased != 2 {
		t.Errorf("%d times erased, want 2", erased)
	}
	reviews, sameReviews := bothFollow(t, c, s, adminapi.ListReviews, adminapi.None{})
	if wantSame(t, "the reviews", reviews, sameReviews); len(reviews) != 3 || !reviews[2].Done || reviews[0].Review.Payment != "pay_1" {
		t.Errorf("lines = %+v, want pay_1 first, and three in all, the last of them done", reviews)
	}
	settled, again := both(t, c, s, adminapi.ResolvePayment, adminapi.Verdict{ID: "pay_1", Tenant: "default", Verdict: "not_executed"})
	if wantSame(t, "a verdict", settled, again); settled.ID != "pay_1" {
		t.Errorf("settled = %+v, want pay_1", settled)
	}
	var called, done bytes.Buffer
	if err := errors.Join(c.WriteBackup(t.Context(), &called), s.WriteBackup(t.Context(), &done)); err != nil || called.String() != text || done.String() != text {
		t.Errorf("backups of %d and %d bytes, want %d: %v", called.Len(), done.Len(), len(text), err)
	}
	if link, err := adminapi.SignIn.Call(t.Context(), c, adminapi.None{}); err != nil || !strings.HasPrefix(link.Path, "/?sign_in_once=") {
		t.Errorf("link = %+v, error = %v, want a path with sign_in_once", link, err)
	}
	if *connected == 0 {
		t.Error("connected was not called, want it called for each connection")
	}
}

func TestClientReportsRefusals(t *testing.T) {
	t.Parallel()
	r := serve(t, whole())
	client, _ := r.client(secret)
	for name, row := range map[string]struct {
		do   func() error
		want string
	}{
		"a request that is wrong": {func() error { _, err := adminapi.CreateKey.Call(t.Context(), client, adminapi.NewKey{}); return err }, "refused: 400 Bad Request"},
		"work that fails": {func() error {
			return adminapi.ExportData.Call(t.Context(), client, adminapi.DataRequest{Who: personaldata.Who{Tenant: "acme", UserID: "usr_1"}}, nil)
		}, "they were looked for"},
		"a backup that fails": {func() error { return client.WriteBackup(t.Context(), &bytes.Buffer{}) }, "refused: 500"},
	} {
		if err := row.do(); err == nil || !strings.Contains(err.Error(), row.want) || adminapi.NotRunning(err) {
			t.Errorf("%s: got %v, want %q", name, err, row.want)
		}
	}
}

func TestClientSendsNothingToAnotherGateway(t *testing.T) {
	t.Parallel()
	r := serve(t, whole())
	other := secret
	other.Key = []byte("key of another installation")
	store := secret
	store.Store = "sqlite /srv/other.db"
	for name, row := range map[string]struct {
		of   adminapi.Identity
		want string
	}{"another installation": {other, "has not proved to be the gateway"}, "another store": {store, "serves another store"}} {
		client, connected := r.client(row.of)
		if _, err := adminapi.ListKeys.Call(t.Context(), client, adminapi.None{}); err == nil || !strings.Contains(err.Error(), row.want) || *connected != 0 {
			t.Errorf("%s: error = %v after %d connections, want %q, and no connection", name, err, *connected, row.want)
		}
	}
	if acts := r.acts(); len(acts) != 0 {
		t.Errorf("acts of the gateway = %q, want none", acts)
	}
}

func TestNotRunningReportsARefusedConnection(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := adminapi.ListKeys.Call(t.Context(), adminapi.NewClient(address, secret, func() {}), adminapi.None{}); !adminapi.NotRunning(err) {
		t.Errorf("error = %v, want one for which NotRunning is true", err)
	}
}
