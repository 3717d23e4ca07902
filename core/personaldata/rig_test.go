package personaldata_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/provider"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/personaldata"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/core/users"
	"patchbay/core/webhook"
	"patchbay/core/webhooks"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

const tenant = "acme"

// outbox is a mail provider that takes its time where it is told to.
type outbox struct{ slow atomic.Pointer[chan struct{}] }

func (*outbox) Name() string { return "outbox" }
func (*outbox) Features() email.Features {
	return email.Features{Attachments: true, Headers: true, Tags: 10, Metadata: true}
}

func (o *outbox) Send(_ context.Context, m email.Message) (email.Receipt, error) {
	if slow := o.slow.Load(); slow != nil {
		<-*slow
	}
	if strings.Contains(m.Subject, "refused") {
		return email.Receipt{}, fault.New(fault.Invalid, "refused", "ada@example.com does not want this")
	}
	return email.Receipt{Reference: "ref-" + m.ID}, nil
}

// anybody takes a webhook.
type anybody struct{}

func (anybody) CheckHeaders(func(string) string) error { return nil }

func (anybody) Verify(_ context.Context, body []byte, _ func(string) string) ([]webhook.Event, error) {
	var e webhook.Event
	err := json.Unmarshal(body, &e)
	return []webhook.Event{e}, err
}

// mailReader reads events whose object is the notification itself.
type mailReader struct{}

func (mailReader) Notification(e webhook.Event) (n email.Notification, ok bool, err error) {
	return n, true, json.Unmarshal(e.Object, &n)
}

// people are a real repository that can be gone.
type people struct {
	ports.UserRepository
	fail func(op string) error
}

func (p people) Delete(ctx context.Context, tenant, id string, version int64) error {
	if err := p.fail("delete"); err != nil {
		return err
	}
	if err := p.UserRepository.Delete(ctx, tenant, id, version); err != nil {
		return err
	}
	return p.fail("deleted")
}

func (p people) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	if err := p.fail("find user"); err != nil {
		return user.User{}, err
	}
	return p.UserRepository.FindByID(ctx, tenant, id)
}

// rig is everything that keeps data of persons, on journals in memory.
type rig struct {
	*personaldata.Service
	mail    *emails.Service
	pay     *payments.Service
	hooks   *webhooks.Service
	users   *users.Service
	people  people
	outbox  *outbox
	journal *memjournal.Journal
	fails   atomic.Pointer[func(op string) error]
}

// within runs a test on virtual time. No worker is at work: what waits, waits.
func within(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		test(t, r)
	})
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{journal: memjournal.New(clock.System{}), outbox: &outbox{}}
	fail := func(op string) error {
		if f := r.fails.Load(); f != nil {
			return (*f)(op)
		}
		return nil
	}
	r.journal.Fail = fail
	log := slog.New(slog.DiscardHandler)
	mock, err := mockpay.New(mockpay.Options{Name: "mock", Journal: memjournal.New(clock.System{}), Clock: clock.System{}, IDs: ids.UUIDs{}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	hook, err := stripepay.NewHook(clock.System{}, provider.Account{Provider: "mock", Secrets: []string{"whsec"}})
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Path: filepath.Join(t.TempDir(), "users.db"), Clock: clock.System{}, IDs: ids.UUIDs{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	r.mail = emails.New(emails.Options{
		Journal: r.journal, Mailers: []ports.Mailer{r.outbox}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
		From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: log,
		Events: map[string]ports.MailReader{"outbox": mailReader{}}, ASCIIAddress: rfc5322.ASCII,
	})
	r.pay = payments.New(payments.Options{
		Journal: r.journal, Gateways: []ports.PaymentGateway{mock}, Events: hook, Clock: clock.System{}, IDs: ids.UUIDs{}, Owner: "one", Log: log,
	})
	r.hooks = webhooks.New(webhooks.Options{
		Journal: r.journal, Accounts: []string{"mock", "outbox"}, Clock: clock.System{}, Owner: "one", Log: log,
		Routes: map[string]webhooks.Route{
			"stripe": {Verifier: anybody{}, Apply: r.pay.ApplyWebhook, Subject: r.pay.Subject},
			"mail":   {Verifier: anybody{}, Apply: r.mail.ApplyWebhook, Subject: r.mail.Subject},
		},
	})
	r.people = people{store.Users(), fail}
	r.users = users.New(r.people, nil, clock.System{}, ids.UUIDs{}, user.Scripts{ASCII: rfc5322.Composed, Unicode: rfc5322.Unicode, Decomposed: rfc5322.Decomposed})
	r.Service = personaldata.New(r.users, personaldata.Place{Name: "messages", Keeper: r.mail},
		personaldata.Place{Name: "payments", Keeper: r.pay}, personaldata.Place{Name: "webhooks", Keeper: r.hooks})
	return r
}

// secret is in everything that is Ada's, and in nothing else.
const secret = "Lovelace"

func key(route, value string) idempotency.Key {
	return idempotency.Secret(nil).Conceal(idempotency.New(tenant, route, value, []byte("body")))
}

func (r *rig) user(t *testing.T, address string) user.User {
	t.Helper()
	n := users.NewUser{Email: address, Name: "Ada " + secret, Metadata: map[string]string{"born": secret}}
	u, _, err := r.users.Create(t.Context(), tenant, n, key("users", "signup-"+address))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func draft(to ...string) email.Draft {
	d := email.Draft{
		Subject: "Dear " + secret, HTML: "<p>" + secret + "</p>", Text: secret,
		Headers: map[string]string{"X-Who": secret}, Tags: []string{secret}, Metadata: map[string]string{"who": secret},
		Attachments: []email.Attachment{{Filename: secret + ".txt", ContentType: "text/plain", Content: []byte(secret)}},
	}
	for _, address := range to {
		d.To = append(d.To, email.Address{Email: address, Name: "to " + address})
	}
	return d
}

// large adds a file that is kept beside its message.
func large(d email.Draft) email.Draft {
	d.Attachments = append(d.Attachments, email.Attachment{
		Filename: "large.txt", ContentType: "text/plain", Content: []byte(strings.Repeat(secret, 20_000)),
	})
	return d
}

func (r *rig) write(t *testing.T, d email.Draft, k idempotency.Key) email.Message {
	t.Helper()
	m, _, err := r.mail.Accept(t.Context(), tenant, d, k)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return m
}

func order(customer string, metadata map[string]string) payments.CreateRequest {
	return payments.CreateRequest{
		Amount: 1250, Currency: "eur", CustomerID: customer, Metadata: metadata, Description: "for " + secret,
		ReturnURL: "https://shop.example/" + secret, PaymentMethod: "pm_card_visa", Confirm: true,
		Customers: map[string]string{"mock": "cus_" + secret},
	}
}

func (r *rig) charge(t *testing.T, o payments.CreateRequest, k idempotency.Key) payment.Payment {
	t.Helper()
	res, err := r.pay.Create(t.Context(), tenant, o, k)
	if err != nil {
		t.Fatal(err)
	}
	return res.Payment
}

// hear lets a webhook about a payment come, with texts of the person in it.
func (r *rig) hear(t *testing.T, id string, p payment.Payment, more string) {
	t.Helper()
	object := fmt.Sprintf(`{"id":%q,"status":"succeeded","amount":1250,"amount_received":1250,"currency":"eur",
		"client_secret":"%s_1","description":"for %s"%s}`, p.ProviderReference, secret, secret, more)
	body, err := json.Marshal(webhook.Event{Provider: "mock", ID: id, Type: "payment_intent.succeeded", Object: []byte(object)})
	if err != nil {
		t.Fatal(err)
	}
	delivery, err := r.hooks.Open("stripe", nil)
	if err == nil {
		err = delivery.Receive(t.Context(), body)
	}
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// hearOf lets a webhook about a message come, that says what its recipient's server said.
func (r *rig) hearOf(t *testing.T, id string, m email.Message, e email.Event, address, reason string) {
	t.Helper()
	object, err := json.Marshal(email.Notification{
		Event: e, Tenant: m.Tenant, Message: m.ID, Attempt: m.Attempts[0].ID, Recipient: address, Reason: reason, At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(webhook.Event{Provider: "outbox", ID: id, Type: string(e), Object: object})
	if err != nil {
		t.Fatal(err)
	}
	delivery, err := r.hooks.Open("mail", nil)
	if err == nil {
		err = delivery.Receive(t.Context(), body)
	}
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// hearInVain lets a webhook come that cannot be applied yet.
func (r *rig) hearInVain(t *testing.T, id string, p payment.Payment) {
	t.Helper()
	gone := func(op string) error {
		if op == memjournal.Find {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	r.fails.Store(&gone)
	r.hear(t, id, p, "")
	r.fails.Store(nil)
}

// dump is everything in the journal, as text.
func (r *rig) dump(t *testing.T) string {
	t.Helper()
	var all bytes.Buffer
	for _, where := range [][2]string{{tenant, "message"}, {tenant, "message_part"}, {tenant, "payment"}, {"stripe", "webhook"}, {"mail", "webhook"}, {"other", "message"}} {
		err := record.Raw(r.journal, where[1]).Walk(t.Context(), where[0], ports.Filter{}, nil, func(one ports.Record) error {
			fmt.Fprintf(&all, "%s %s %s %s %+v %s\n", one.ID, one.Idem, one.Ref, one.Parent, one.Index, one.Body)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	events, err := r.journal.Feed(t.Context(), ports.AllTenants, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&all, "%+v", events)
	return all.String()
}

// erase erases, and tells what it has reported of each place: found/erased/pending.
func (r *rig) erase(t *testing.T, w personaldata.Who) (counts string, pending []personaldata.Pending, err error) {
	t.Helper()
	report, err := r.Erase(t.Context(), w, false, func(n personaldata.Progress) error {
		if n.Pending != nil {
			pending = append(pending, *n.Pending)
		}
		return nil
	})
	return summary(report), pending, err
}

func summary(report personaldata.Report) (counts string) {
	for _, c := range report.Places {
		counts += fmt.Sprintf("%s %d/%d/%d ", c.Place, c.Found, c.Erased, c.Pending)
	}
	return strings.TrimSpace(counts)
}

// clean fails the test where anything of Ada's is left.
func (r *rig) clean(t *testing.T) {
	t.Helper()
	all := strings.ReplaceAll(r.dump(t), "xada@example.com", "") // another's
	for _, text := range []string{secret, "ada@", "Ada@", "usr_"} {
		if at := strings.Index(all, text); at >= 0 {
			t.Fatalf("%q is left: %s", text, all[max(0, at-300):min(len(all), at+100)])
		}
	}
}

// works lets a worker work for a while.
func works(t *testing.T, run func(context.Context), d time.Duration) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); run(ctx) }()
	<-time.After(d)
	stop()
	<-done
}
