package privacy_test

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

	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/render"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/adapters/sys"
	"patchbay/adapters/webhooks/stripehook"
	"patchbay/core/checkout"
	"patchbay/core/directory"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/inbox"
	"patchbay/core/mailroom"
	"patchbay/core/message"
	"patchbay/core/payment"
	"patchbay/core/privacy"
	"patchbay/core/user"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

const tenant = "acme"

// outbox is a mail provider that takes its time where it is told to.
type outbox struct{ slow atomic.Pointer[chan struct{}] }

func (*outbox) Name() string { return "outbox" }
func (*outbox) Features() message.Features {
	return message.Features{Attachments: true, Headers: true, Tags: 10, Metadata: true}
}

func (o *outbox) Send(_ context.Context, m message.Message) (message.Receipt, error) {
	if slow := o.slow.Load(); slow != nil {
		<-*slow
	}
	if strings.Contains(m.Subject, "refused") {
		return message.Receipt{}, fault.New(fault.Invalid, "refused", "ada@example.com does not want this")
	}
	return message.Receipt{Reference: "ref-" + m.ID}, nil
}

// anybody takes a webhook.
type anybody struct{}

func (anybody) CheckHeaders(func(string) string) error { return nil }

func (anybody) Verify(body []byte, _ func(string) string) ([]event.Webhook, error) {
	var e event.Webhook
	err := json.Unmarshal(body, &e)
	return []event.Webhook{e}, err
}

// mailNews reads events whose object is the news itself.
type mailNews struct{}

func (mailNews) News(e event.Webhook) (n message.News, ok bool, err error) {
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
	*privacy.Service
	mail    *mailroom.Service
	pay     *checkout.Service
	hooks   *inbox.Service
	users   *directory.Service
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
	r := &rig{journal: memjournal.New(sys.Clock{}), outbox: &outbox{}}
	fail := func(op string) error {
		if f := r.fails.Load(); f != nil {
			return (*f)(op)
		}
		return nil
	}
	r.journal.Fail = fail
	log := slog.New(slog.DiscardHandler)
	mock, err := mockpay.New(mockpay.Options{Name: "mock", Journal: memjournal.New(sys.Clock{}), Clock: sys.Clock{}, IDs: sys.IDs{}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	hook, err := stripehook.New(sys.Clock{}, stripehook.Account{Provider: "mock", Secrets: []string{"whsec"}})
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Path: filepath.Join(t.TempDir(), "users.db"), Clock: sys.Clock{}, IDs: sys.IDs{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	r.mail = mailroom.New(mailroom.Options{
		Journal: r.journal, Mailers: []ports.Mailer{r.outbox}, Text: render.Text{}, Clock: sys.Clock{}, IDs: sys.IDs{},
		From: message.Address{Email: "shop@example.com"}, Promise: message.AtLeastOnce, Owner: "one", Log: log,
		Events: map[string]ports.MailReader{"outbox": mailNews{}}, Mailbox: func(email string) (string, error) { return email, nil },
	})
	r.pay = checkout.New(checkout.Options{
		Journal: r.journal, Gateways: []ports.PaymentGateway{mock}, Events: hook, Clock: sys.Clock{}, IDs: sys.IDs{}, Owner: "one", Log: log,
	})
	r.hooks = inbox.New(inbox.Options{
		Journal: r.journal, Accounts: []string{"mock", "outbox"}, Clock: sys.Clock{}, Owner: "one", Log: log,
		Routes: map[string]inbox.Route{
			"stripe": {Verifier: anybody{}, Apply: r.pay.ApplyWebhook, Subject: r.pay.Subject},
			"mail":   {Verifier: anybody{}, Apply: r.mail.ApplyWebhook, Subject: r.mail.Subject},
		},
	})
	r.users = directory.New(people{store.Users(), fail}, nil, sys.Clock{}, sys.IDs{})
	r.Service = privacy.New(r.users, privacy.Place{Name: "messages", Keeper: r.mail},
		privacy.Place{Name: "payments", Keeper: r.pay}, privacy.Place{Name: "webhooks", Keeper: r.hooks})
	return r
}

// secret is in everything that is Ada's, and in nothing else.
const secret = "Lovelace"

func key(route, value string) idem.Key { return idem.New(tenant, route, value, []byte("body")) }

func (r *rig) user(t *testing.T, email string) user.User {
	t.Helper()
	n := directory.NewUser{Email: email, Name: "Ada " + secret, Metadata: map[string]string{"born": secret}}
	u, _, err := r.users.Create(t.Context(), tenant, n, key("users", "signup-"+email))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func draft(to ...string) message.Draft {
	d := message.Draft{
		Subject: "Dear " + secret, HTML: "<p>" + secret + "</p>", Text: secret,
		Headers: map[string]string{"X-Who": secret}, Tags: []string{secret}, Metadata: map[string]string{"who": secret},
		Attachments: []message.Attachment{{Filename: secret + ".txt", ContentType: "text/plain", Content: []byte(secret)}},
	}
	for _, email := range to {
		d.To = append(d.To, message.Address{Email: email, Name: "to " + email})
	}
	return d
}

// large adds a file that is kept beside its message.
func large(d message.Draft) message.Draft {
	d.Attachments = append(d.Attachments, message.Attachment{
		Filename: "large.txt", ContentType: "text/plain", Content: []byte(strings.Repeat(secret, 20_000)),
	})
	return d
}

func (r *rig) write(t *testing.T, d message.Draft, k idem.Key) message.Message {
	t.Helper()
	m, _, err := r.mail.Accept(t.Context(), tenant, d, k)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return m
}

func order(customer string, metadata map[string]string) checkout.CreateRequest {
	return checkout.CreateRequest{
		Amount: 1250, Currency: "eur", CustomerID: customer, Metadata: metadata, Description: "for " + secret,
		ReturnURL: "https://shop.example/" + secret, PaymentMethod: "pm_card_visa", Confirm: true,
		Customers: map[string]string{"mock": "cus_" + secret},
	}
}

func (r *rig) charge(t *testing.T, o checkout.CreateRequest, k idem.Key) payment.Payment {
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
	body, err := json.Marshal(event.Webhook{Provider: "mock", ID: id, Type: "payment_intent.succeeded", Object: []byte(object)})
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
func (r *rig) hearOf(t *testing.T, id string, m message.Message, e message.Event, email, reason string) {
	t.Helper()
	object, err := json.Marshal(message.News{
		Event: e, Tenant: m.Tenant, Message: m.ID, Attempt: m.Attempts[0].ID, Recipient: email, Reason: reason, At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(event.Webhook{Provider: "outbox", ID: id, Type: string(e), Object: object})
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
		err := ports.Walk(t.Context(), r.journal, where[0], where[1], 100, func(page []ports.Record) error {
			for _, one := range page {
				fmt.Fprintf(&all, "%s %s %s %s %+v %s\n", one.ID, one.Idem, one.Ref, one.Parent, one.Index, one.Body)
			}
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
func (r *rig) erase(t *testing.T, w privacy.Who) (counts string, pending []privacy.Pending, err error) {
	t.Helper()
	report, err := r.Erase(t.Context(), w, false, func(n privacy.News) error {
		if n.Pending != nil {
			pending = append(pending, *n.Pending)
		}
		return nil
	})
	return summary(report), pending, err
}

func summary(report privacy.Report) (counts string) {
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
