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

// A command gets the same result from a running gateway as from the store itself.
func TestClientAndServiceDoTheSame(t *testing.T) {
	t.Parallel()
	j, erased, text := memjournal.New(clock.System{}), 0, strings.Repeat("patchbay ", 1<<12)
	service := adminapi.Service{
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
	r := serve(t, adminapi.Options{Service: service})
	service.APIKeys = r.access
	keep(t, j, "default", "pay_1", func(p *payment.Payment) { p.Review(payment.ReviewUnknown, "op_1", noon) })
	client, connected := r.client(secret)
	all := map[string]adminapi.Operations{"client": client, "service": service}
	var keys []string
	for name, o := range all {
		created, err := o.CreateKey(t.Context(), adminapi.NewKey{Tenant: "default", Name: name, Scopes: []string{"users:read"}, TTL: "720h"})
		if err != nil || !strings.HasPrefix(created.Token, "pb_live_") || created.Key.Name != name {
			t.Errorf("%s: CreateKey returned %+v, %v", name, created, err)
		}
		keys = append(keys, created.Key.ID)
	}
	for i, name := range []string{"client", "service"} {
		if err := all[name].RevokeKey(t.Context(), keys[i]); err != nil {
			t.Errorf("%s: RevokeKey: %v", name, err)
		}
	}
	type results struct {
		Keys          []adminapi.KeyView
		Status        adminapi.Storage
		Backup        string
		Export, Erase personaldata.Report
		News          []personaldata.News
		Reviews       []adminapi.Review
	}
	got := map[string]results{}
	for name, o := range all {
		var res results
		var errs [7]error
		var backup bytes.Buffer
		person := adminapi.DataRequest{Who: personaldata.Who{Tenant: "acme", UserID: "usr_1"}}
		tell := func(n personaldata.News) error { res.News = append(res.News, n); return nil }
		res.Keys, errs[0] = o.ListKeys(t.Context())
		res.Status, errs[1] = o.StorageStatus(t.Context())
		errs[2] = o.PutBackRecord(t.Context(), "default/email/msg_1")
		errs[3] = o.WriteBackup(t.Context(), &backup)
		res.Backup = backup.String()
		res.Export, errs[4] = o.ExportData(t.Context(), person, tell)
		res.Erase, errs[5] = o.EraseData(t.Context(), person, tell)
		errs[6] = o.Reviews(t.Context(), func(l adminapi.ReviewLine) error {
			if l.Review != nil {
				res.Reviews = append(res.Reviews, *l.Review)
			}
			return nil
		})
		if err := errors.Join(errs[:]...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got[name] = res
	}
	if len(got["client"].Keys) != 2 || len(got["client"].Reviews) != 1 || got["client"].Backup != text || len(got["client"].News) == 0 || erased != 2 {
		t.Errorf("%+v; %d erased", got["client"], erased)
	}
	if !reflect.DeepEqual(got["client"], got["service"]) {
		t.Errorf("the client returned\n%+v\nand the service\n%+v", got["client"], got["service"])
	}
	verdict := adminapi.Verdict{Tenant: "default", Verdict: "not_executed"}
	for _, name := range []string{"client", "service"} { // a second time it changes nothing
		if settled, err := all[name].ResolvePayment(t.Context(), "pay_1", verdict); err != nil || settled != (adminapi.Settled{ID: "pay_1", Status: payment.Succeeded}) {
			t.Errorf("%s: ResolvePayment returned %+v, %v", name, settled, err)
		}
	}
	if link, err := client.SignInLink(t.Context()); err != nil || !strings.HasPrefix(link.Path, "/?sign_in_once=") {
		t.Errorf("SignInLink returned %+v, %v", link, err)
	}
	if *connected == 0 {
		t.Error("connected was not called")
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
		"a request that is wrong": {func() error { _, err := client.CreateKey(t.Context(), adminapi.NewKey{}); return err }, "refused: 400 Bad Request"},
		"work that fails": {func() error {
			_, err := client.ExportData(t.Context(), adminapi.DataRequest{Who: personaldata.Who{Tenant: "acme", UserID: "usr_1"}}, nil)
			return err
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
		if _, err := client.ListKeys(t.Context()); err == nil || !strings.Contains(err.Error(), row.want) || *connected != 0 {
			t.Errorf("%s: %v after %d connections", name, err, *connected)
		}
	}
	if acts := r.acts(); len(acts) != 0 {
		t.Errorf("the gateway was asked: %q", acts)
	}
}

func TestNotRunning(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := adminapi.NewClient(address, secret, func() {}).ListKeys(t.Context()); !adminapi.NotRunning(err) {
		t.Errorf("nothing listens: %v", err)
	}
}
