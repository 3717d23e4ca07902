package payments_test

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/testlog"
)

// page is a log that a test reads.
type page struct{ testlog.Buffer }

var differs = regexp.MustCompile(`(payment|operation|for|due)=\S+`)

// lines gives what was written, without what differs each time, and begins anew.
func (p *page) lines() []string {
	var lines []string
	for line := range strings.Lines(p.Take()) {
		_, line, _ = strings.Cut(line, "level=")
		if !strings.Contains(line, "account is known") {
			lines = append(lines, differs.ReplaceAllString(strings.TrimSpace(line), "$1=_"))
		}
	}
	return lines
}

// read gives the rig a log.
func (r *rig) read() *page {
	p := &page{}
	r.Log = logging.New(slog.NewTextHandler(p, nil)).Logger
	return p
}

func (p *page) want(t *testing.T, lines ...string) {
	t.Helper()
	if got := p.lines(); strings.Join(got, "\n") != strings.Join(lines, "\n") {
		t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// asked is who asks, as the API says it.
func asked(t *testing.T) context.Context {
	t.Helper()
	return logging.WithCaller(t.Context(), logging.Caller{Request: "req_1", Tenant: tenant, Key: "key_1"})
}

func lost(context.Context, payment.Action, int) error {
	return &fault.Error{
		Kind: fault.UnknownOutcome, Provider: "acme", Code: "no_answer", Message: "nothing of ada@example.com came back",
		Answer: &fault.Answer{Status: 502, Words: "Bad gateway"},
	}
}

func TestUnknownOutcomeAndItsEndAreLogged(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.read()
		r.provider.failAfter(lost)
		r.provider.cannotLook(fault.New(fault.Unavailable, "down", ""))
		if _, err := r.Create(asked(t), tenant, request(), key("k", "b")); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		r.provider.failAfter(nil)
		r.provider.cannotLook(nil)
		<-time.After(time.Minute)
		synctest.Wait()
		p.want(t,
			`WARN msg="outcome of a payment is unknown; it is looked into" request=req_1 key=key_1 payment=_ tenant=default operation=_ action=create provider=acme error="unknown_outcome (no_answer): nothing of [address] came back" kind=unknown_outcome code=no_answer status=502 words="Bad gateway"`,
			`INFO msg="outcome of a payment is known" payment=_ tenant=default operation=_ action=create provider=acme outcome=succeeded for=_`,
		)
	})
}

func TestDeclineAndRefusalAreLogged(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.read()
		declined := request()
		declined.PaymentMethod = "pm_declined"
		_, _ = r.Create(asked(t), tenant, declined, key("k", "b"))
		r.provider.failBefore(func(context.Context, payment.Action, int) error {
			return &fault.Error{Kind: fault.Unauthorized, Provider: "acme", Code: "provider_misconfigured"}
		})
		_, _ = r.Create(asked(t), tenant, request(), key("l", "b"))
		p.want(t,
			`INFO msg="payment is declined" request=req_1 key=key_1 payment=_ tenant=default operation=_ action=create provider=acme error="declined (card_declined)" kind=declined code=card_declined decline_code=generic_decline`,
			`WARN msg="operation of a payment did nothing" request=req_1 key=key_1 payment=_ tenant=default operation=_ action=create provider=acme error="unauthorized (provider_misconfigured)" kind=unauthorized code=provider_misconfigured`,
		)
	})
}

func TestFailoverIsLoggedWithItsCause(t *testing.T) {
	withProviders(t, []string{"acme", "umbrella"}, func(t *testing.T, r *rig) {
		p := r.read()
		r.provider.failBefore(func(context.Context, payment.Action, int) error {
			return &fault.Error{Kind: fault.Unavailable, Provider: "acme", Code: "connection_failed"}
		})
		both := request()
		both.PaymentMethod, both.PaymentMethods = "", map[string]string{"acme": "pm_ok", "umbrella": "pm_ok"}
		if res, err := r.Create(asked(t), tenant, both, key("k", "b")); err != nil || res.Payment.Provider != "umbrella" {
			t.Fatalf("%+v, %v", res.Payment, err)
		}
		p.want(t,
			`WARN msg="payment goes to the next provider" request=req_1 key=key_1 payment=_ tenant=default operation=_ action=create provider=acme next=umbrella error="unavailable (connection_failed)" kind=unavailable code=connection_failed`,
		)
	})
}

func TestReviewAndItsVerdictAreLogged(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.read()
		r.provider.failAfter(lost)
		r.provider.cannotLook(fault.New(fault.Unavailable, "down", ""))
		res, err := r.Create(asked(t), tenant, request(), key("k", "b"))
		if err != nil {
			t.Fatal(err)
		}
		p.lines()
		<-time.After(6 * 24 * time.Hour)
		p.want(t, `ERROR msg="payment needs review" payment=_ tenant=default provider=acme reason=unknown_outcome detail=`+res.Operation.ID)
		if _, err := r.Settle(asked(t), tenant, res.Payment.ID, payments.SettleRequest{Verdict: payments.NotExecuted, By: "key_1"}); err != nil {
			t.Fatal(err)
		}
		p.want(t,
			`INFO msg="outcome of a payment is known" request=req_1 key=key_1 payment=_ tenant=default operation=_ action=create provider=acme outcome=not_executed for=_`,
			`INFO msg="review of a payment is settled" request=req_1 key=key_1 payment=_ tenant=default provider=acme reason=unknown_outcome verdict=not_executed by=key_1`,
		)
	})
}
