package e2e_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
	"patchbay/tests/gateway"
)

func wantLines(t *testing.T, log string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(log, line) {
			t.Errorf("got no line with %q, want one:\n%s", line, log)
		}
	}
}

// TestTheStartTellsWhatIsServed checks that the log of the start shows where the data is stored,
// what happens to payments and mail, and the URLs to open.
func TestTheStartTellsWhatIsServed(t *testing.T) {
	t.Parallel()
	t.Run("with nothing configured", func(t *testing.T) {
		t.Parallel()
		g := gateway.Start(t)
		wantLines(t, g.Log(),
			`msg="data is kept in this store" provider=local type=sqlite path=`+g.Data("patchbay.db"),
			`msg="secrets of this installation are kept here" path=`+filepath.Dir(g.Data("patchbay.db")),
			`msg="payments are made at these providers, in this order" providers="mock (mock, simulated)"`,
			`msg="mail is sent by these providers, in this order" providers="catcher (catcher, simulated)"`,
			`level=WARN msg="payment provider is a mock: no money moves" provider=mock`,
			`level=WARN msg="mail is caught: nothing is sent" provider=catcher path=`+g.Dir,
			`msg="console ready; the link signs a browser in, once; `, `url=`+g.Admin+`/`, `msg="caught mail is shown" url=`+g.Admin+`/catcher`,
			`msg="documentation is served" url=`+g.Base+`/docs`, `msg="gateway ready" url=`+g.Base+` keys_required=false`,
		)
	})
	t.Run("with real providers", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		wantLines(t, s.Log(), `providers="stripe (stripe, test), stripe-eu (stripe, test)"`)
		if strings.Contains(s.Log(), "is a mock") {
			t.Errorf("log calls Stripe a mock, want no \"is a mock\" in it:\n%s", s.Log())
		}
	})
}

// hanging is a gateway with a payment in progress at a provider that does not answer.
func hanging(t *testing.T) shop {
	t.Helper()
	s := newShop(t, "payments: {timeout: 30s}")
	s.First.Inject(faultserver.Fault{Match: stripesim.On(payment.Create), Mishap: faultserver.Hang(), Standing: true})
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = gateway.Send(t.Context(), "POST", s.Base+"/api/payments", []byte(`{"amount": 500, "currency": "usd", "confirm": true,
			"paymentMethods": {"stripe": "pm_card_visa", "stripe-eu": "pm_card_visa"}}`), gateway.Header{"Content-Type": "application/json"}) // it may never be
	}()
	t.Cleanup(func() { <-answered })
	gateway.Eventually(t, 20*time.Second, "the provider is asked", func() bool { return len(s.First.Requests()) > 0 })
	return s
}

func TestAStopLogsWhatItWaitsForAndASecondSignalEndsIt(t *testing.T) {
	t.Parallel()
	stopping := func(t *testing.T, s shop, signal syscall.Signal) {
		t.Helper()
		s.Signal(t, signal)
		gateway.Eventually(t, 20*time.Second, "the log names what it waits for", func() bool {
			return strings.Contains(s.Log(), `msg="stopping, once what is under way is done; a second signal ends it at once" requests=`) && strings.Contains(s.Log(), " calls=1")
		})
	}
	for name, first := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run("a second signal after "+name, func(t *testing.T) {
			t.Parallel()
			s := hanging(t)
			stopping(t, s, first)
			began := time.Now()
			s.Signal(t, syscall.SIGTERM)
			var ended *exec.ExitError
			if err := s.Wait(20 * time.Second); !errors.As(err, &ended) || ended.ExitCode() != 1 {
				t.Errorf("got error %v after %s, want exit code 1", err, time.Since(began))
			}
			wantLines(t, s.Log(), "a second signal: ended at once")
		})
	}
	t.Run("what is under way is done", func(t *testing.T) {
		t.Parallel()
		s := hanging(t)
		stopping(t, s, syscall.SIGTERM)
		gateway.Eventually(t, 20*time.Second, "the log repeats it", func() bool { return strings.Contains(s.Log(), `msg="still stopping"`) })
		s.First.Heal()
		if err := s.Wait(60 * time.Second); err != nil {
			t.Errorf("got error %v at the end, want none:\n%s", err, s.Log())
		}
		wantLines(t, s.Log(), "stopped; all that was under way is done")
	})
}

// TestHangupEndsNothing checks that SIGHUP does not end the gateway. It is sent when a terminal
// closes, or by an operator who expects the configuration to be reloaded.
func TestHangupEndsNothing(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	for range 3 {
		g.Signal(t, syscall.SIGHUP)
	}
	gateway.Eventually(t, 20*time.Second, "the log says that SIGHUP is ignored", func() bool { return strings.Contains(g.Log(), "signal=SIGHUP") })
	if a := g.Do(t, "GET", "/readyz", nil); a.Status != 200 {
		t.Errorf("got %d after SIGHUP, want 200", a.Status)
	}
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
}
