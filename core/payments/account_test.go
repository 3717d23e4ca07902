package payments_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payments"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// teller is a provider that is only asked for its account.
type teller struct {
	ports.PaymentGateway
	name string

	mu    sync.Mutex
	id    string
	err   error
	hangs bool
	asked int
}

func (g *teller) Name() string { return g.name }

func (g *teller) Account(ctx context.Context) (string, error) {
	g.mu.Lock()
	g.asked++
	id, err, hangs := g.id, g.err, g.hangs
	g.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return "", fault.Wrap(fault.UnknownOutcome, "", ctx.Err())
	}
	return id, err
}

func (g *teller) says(id string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.id, g.err, g.hangs = id, err, false
}

// asks is how often it was asked since the last time.
func (g *teller) asks() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() { g.asked = 0 }()
	return g.asked
}

// desk is an installation whose accounts are learned, on virtual time.
type desk struct {
	journal *memjournal.Journal
	shop    *teller
	log     strings.Builder
	stop    func()
	*payments.KnownAccounts
}

func accounts(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &desk{journal: memjournal.New(clock.System{}), shop: &teller{name: "shop", id: "acct_1"}, stop: func() {}}
		test(t, d)
		d.stop()
	})
}

// start starts the gateway anew, with this credential, and waits until the
// provider was asked.
func (d *desk) start(t *testing.T, credential string) {
	t.Helper()
	d.stop()
	d.KnownAccounts = payments.NewAccounts(d.journal, []ports.PaymentGateway{d.shop},
		map[string]string{"shop": credential}, clock.System{}, slog.New(slog.NewTextHandler(&d.log, nil)))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func(a *payments.KnownAccounts) { defer close(done); a.Run(ctx) }(d.KnownAccounts)
	d.stop = func() { stop(); <-done }
	synctest.Wait()
}

func (d *desk) want(t *testing.T, when, account string, asks int) {
	t.Helper()
	synctest.Wait()
	if got, n := d.Account("shop"), d.shop.asks(); got != account || n != asks {
		t.Errorf("%s: account %q, asked %d times; want %q, %d", when, got, n, account, asks)
	}
}

func TestAccountIsRequestedOncePerCredential(t *testing.T) {
	accounts(t, func(t *testing.T, d *desk) {
		d.start(t, "digest 1")
		d.want(t, "at the first start", "acct_1", 1)
		d.start(t, "digest 1")
		d.want(t, "after a restart", "acct_1", 0)
		d.shop.says("", fault.New(fault.Unavailable, "scripted", ""))
		d.start(t, "digest 1")
		d.want(t, "after a restart, while the provider is down", "acct_1", 0)
		d.shop.says("acct_1", nil)
		d.start(t, "digest 2")
		d.want(t, "after the key was rolled", "acct_1", 1)
		if strings.Contains(d.log.String(), "another account") {
			t.Errorf("a rolled key is told as a change:\n%s", d.log.String())
		}
		d.start(t, "digest 2")
		d.want(t, "and another restart", "acct_1", 0)
	})
}

func TestAccountChangeUnderTheSameNameIsDetected(t *testing.T) {
	accounts(t, func(t *testing.T, d *desk) {
		d.start(t, "digest 1")
		d.shop.says("acct_2", nil)
		d.start(t, "digest 2")
		d.want(t, "with another account's key", "acct_2", 2)
		if !strings.Contains(d.log.String(), "account=acct_2 before=acct_1") {
			t.Errorf("nobody is told:\n%s", d.log.String())
		}
	})
}

// What was kept of the account before is not what the name means now.
func TestAnAccountIsNotKnownWhileANewKeyCannotReadIt(t *testing.T) {
	accounts(t, func(t *testing.T, d *desk) {
		d.start(t, "digest 1")
		d.shop.says("", fault.New(fault.Unavailable, "scripted", ""))
		d.start(t, "digest 2")
		d.want(t, "with a new key, while the provider is down", "", 2)
	})
}

func TestAccountBecomesKnownWhenTheProviderIsBack(t *testing.T) {
	for name, down := range map[string]func(g *teller){
		"it cannot be reached": func(g *teller) { g.says("", fault.New(fault.Unavailable, "scripted", "")) },
		"it fails":             func(g *teller) { g.says("", fault.New(fault.UnknownOutcome, "scripted", "")) },
		"it hangs":             func(g *teller) { g.hangs = true },
		"it is left alone":     func(g *teller) { g.says("", fault.New(fault.Canceled, "scripted", "")) },
	} {
		t.Run(name, func(t *testing.T) {
			accounts(t, func(t *testing.T, d *desk) {
				down(d.shop)
				began := time.Now()
				d.start(t, "digest")
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("asked for %s before it goes on", took)
				}
				<-time.After(20 * time.Minute)
				if got := d.Account("shop"); got != "" {
					t.Errorf("account %q", got)
				}
				if n := d.shop.asks(); n < 10 || n > 40 {
					t.Errorf("asked %d times in 20 minutes", n)
				}
				d.shop.says("acct_1", nil)
				<-time.After(time.Minute + 5*time.Second)
				d.want(t, "once it is back", "acct_1", 1)
			})
		})
	}
}

// A key that may not read its account is not tried over and over.
func TestRefusedAccountRequestIsRepeatedHourly(t *testing.T) {
	accounts(t, func(t *testing.T, d *desk) {
		d.shop.says("", fault.New(fault.Unauthorized, "scripted", ""))
		d.start(t, "digest")
		<-time.After(5*time.Hour + time.Minute)
		d.want(t, "after five hours", "", 6)
		if told := strings.Count(d.log.String(), "level=WARN"); told != 1 {
			t.Errorf("told %d times:\n%s", told, d.log.String())
		}
	})
}

func TestProviderWithoutAccountsIsAskedOnce(t *testing.T) {
	accounts(t, func(t *testing.T, d *desk) {
		d.shop.says("", nil)
		d.start(t, "digest")
		<-time.After(24 * time.Hour)
		d.want(t, "a day later", "", 1)
	})
}

func TestAccountIsKnownThoughItCannotBeStored(t *testing.T) {
	for name, fails := range map[string]func(op string) error{
		"reading fails": func(op string) error {
			return map[bool]error{true: fault.New(fault.Unavailable, "scripted", "")}[op == memjournal.Get]
		},
		"writing fails": func(op string) error {
			return map[bool]error{true: fault.New(fault.Unavailable, "scripted", "")}[op == memjournal.Save]
		},
	} {
		t.Run(name, func(t *testing.T) {
			accounts(t, func(t *testing.T, d *desk) {
				d.journal.Fail = fails
				d.start(t, "digest")
				d.want(t, "while the store is gone", "acct_1", 1)
				d.start(t, "digest")
				d.want(t, "after a restart", "acct_1", 1)
			})
		})
	}
}

// Whichever process learned it last, what is kept is whole.
func TestAccountIsStoredDespiteConcurrentWriters(t *testing.T) {
	accounts(t, func(t *testing.T, d *desk) {
		d.start(t, "digest 1")
		d.stop()
		meddled := false
		d.journal.Fail = func(op string) error {
			if op == memjournal.Save && !meddled {
				meddled = true
				r, err := d.journal.Get(t.Context(), "", "account", "shop")
				if err != nil {
					t.Error(err)
				}
				if err := d.journal.Save(t.Context(), &r)[0]; err != nil {
					t.Error(err)
				}
			}
			return nil
		}
		d.start(t, "digest 2")
		d.start(t, "digest 2")
		d.want(t, "after a conflict and a restart", "acct_1", 2)
	})
}

func TestStoredAccountHasNoSecret(t *testing.T) {
	accounts(t, func(t *testing.T, d *desk) {
		d.start(t, "digest")
		r, err := d.journal.Get(t.Context(), "", "account", "shop")
		if want := `{"account":"acct_1","credential":"digest"}`; err != nil || string(r.Body) != want || r.Index.Created.IsZero() {
			t.Errorf("%+v, %v, want %s", r, err, want)
		}
	})
}

// Providers are asked at once: one that hangs holds back no other.
func TestHangingProviderDelaysNoOtherAccount(t *testing.T) {
	accounts(t, func(t *testing.T, d *desk) {
		d.shop.hangs = true
		other := &teller{name: "other", id: "acct_2"}
		a := payments.NewAccounts(d.journal, []ports.PaymentGateway{d.shop, other}, nil,
			clock.System{}, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); a.Run(ctx) }()
		synctest.Wait()
		if a.Account("other") != "acct_2" || a.Account("shop") != "" {
			t.Errorf("other %q, shop %q", a.Account("other"), a.Account("shop"))
		}
		stop()
		<-done
	})
}
