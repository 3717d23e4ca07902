package catchermail_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/mail/signed"
	"patchbay/adapters/provider"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/tests/contract/webhooktest"
	"patchbay/tests/testlog"
)

const secret = "whsec_of_the_tests"

type fixed time.Time

func (c fixed) Now() time.Time { return time.Time(c) }

// verifierContract runs the suite of ports.Verifier. The webhooks are signed by the library of Standard
// Webhooks.
func verifierContract(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0).UTC()
	hook, err := catchermail.NewHook(fixed(now), provider.Account{Provider: "catcher", Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := standardwebhooks.NewWebhookRaw([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	webhooktest.Run(t, webhooktest.Harness{
		Verifier: hook, Now: now, Tolerance: signed.Tolerance, ByHeaders: true, CoversBody: true,
		Sign: func(at time.Time) ([]byte, map[string]string) {
			body := []byte(`{"id":"evt_1","event":"delivered","recipient":"ada@example.com"}`)
			signature, err := signer.Sign("evt_1", at, body)
			if err != nil {
				t.Fatal(err)
			}
			return body, map[string]string{
				standardwebhooks.HeaderWebhookID: "evt_1", standardwebhooks.HeaderWebhookSignature: signature,
				standardwebhooks.HeaderWebhookTimestamp: fmt.Sprint(at.Unix()),
			}
		},
	})
}

// endpoint takes the webhooks of a catcher, and verifies them. Its first answers are refusals.
type endpoint struct {
	t      *testing.T
	hook   provider.MailHook
	events chan webhook.Event
	refuse atomic.Int64 // how many more webhooks are refused
	url    string
	client *http.Client
}

// newEndpoint returns an endpoint that a server serves.
func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := unserved(t)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	e.url, e.client = server.URL, nil
	return e
}

// unserved returns an endpoint that its client calls without a network, as a bubble needs it.
func unserved(t *testing.T) *endpoint {
	t.Helper()
	hook, err := catchermail.NewHook(clock.System{}, provider.Account{Provider: "catcher", Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{t: t, hook: hook, events: make(chan webhook.Event, 100), url: "http://gateway.test/webhooks"}
	e.client = &http.Client{Transport: e}
	return e
}

// ServeHTTP implements http.Handler.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.refuse.Add(-1) >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, _ := io.ReadAll(r.Body)
	events, err := e.hook.Verify(r.Context(), body, r.Header.Get)
	if err != nil {
		e.t.Errorf("a webhook of the catcher: %v, want it verified", err)
	}
	for _, one := range events {
		e.events <- one
	}
}

// RoundTrip implements http.RoundTripper.
func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Result(), nil
}

// catcher opens a catcher that reports to the endpoint.
func (e *endpoint) catcher(t *testing.T) *catchermail.Catcher {
	t.Helper()
	c, err := catchermail.New(catchermail.Options{Name: "catcher", Path: t.TempDir(), Keep: 10, Events: &catchermail.EventOptions{
		Endpoint: func() string { return e.url }, Secret: secret, Clock: clock.System{}, IDs: ids.UUIDs{}, Log: slog.New(slog.DiscardHandler), HTTPClient: e.client,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// next returns what the next event says.
func (e *endpoint) next(t *testing.T) email.Notification {
	t.Helper()
	select {
	case one := <-e.events:
		n, ok, err := e.hook.Notification(one)
		if !ok || err != nil {
			t.Fatalf("%s: %v, %v, want a notification", one.Object, ok, err)
		}
		return n
	case <-time.After(20 * time.Second):
		t.Fatal("no event within 20 s, want one")
		panic("unreachable")
	}
}

func sendTo(t *testing.T, c *catchermail.Catcher, to ...string) email.Receipt {
	t.Helper()
	m := email.Message{
		ID: "msg_a", Tenant: "acme", From: email.Address{Email: "shop@example.com"}, Subject: "s", Text: "t", MessageID: "msg_a@example.com", CreatedAt: time.Now(),
		Attempts: []email.Attempt{{ID: "att_1", Outcome: email.Attempting}},
	}
	for _, one := range to {
		m.To = append(m.To, email.Address{Email: one})
	}
	got, err := c.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAnAddressOfTheTestDomainSaysWhatBecomesOfItsMail(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	c := e.catcher(t)
	for _, tt := range []struct {
		to   string
		want []string // each the event and the code
	}{
		{"delivered@catcher.test", []string{"delivered "}},
		{"bounced@catcher.test", []string{"bounced 5.1.1"}},
		{"Bounced+ada@CATCHER.test", []string{"bounced 5.1.1"}},
		{"deferred@catcher.test", []string{"deferred 4.2.2"}},
		{"rejected@catcher.test", []string{"rejected "}},
		{"complained@catcher.test", []string{"delivered ", "complained "}},
		{"unsubscribed@catcher.test", []string{"delivered ", "unsubscribed "}},
		{"opened@catcher.test", []string{"delivered ", "opened "}},
		{"clicked@catcher.test", []string{"delivered ", "opened ", "clicked "}},
	} {
		receipt := sendTo(t, c, tt.to)
		var got []string
		for range tt.want {
			n := e.next(t)
			got = append(got, string(n.Event)+" "+n.Code)
			if n.Recipient != tt.to || n.Message != "msg_a" || n.Tenant != "acme" || n.Attempt != "att_1" || n.Reference != receipt.Reference || n.At.IsZero() {
				t.Errorf("%s: notification = %+v, want that recipient, the marks of the message and %s", tt.to, n, receipt.Reference)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: events = %q, want %q", tt.to, got, tt.want)
		}
	}
}

func TestNothingIsReportedAboutOtherAddresses(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	c := e.catcher(t)
	sendTo(t, c, "bounced@example.com", "ada@catcher.test", "bounced@sub.catcher.test", "delivered@catcher.test")
	if n := e.next(t); n.Recipient != "delivered@catcher.test" {
		t.Errorf("the first event is about %s, want delivered@catcher.test", n.Recipient)
	}
	if len(e.events) != 0 {
		t.Errorf("%d more events, want none", len(e.events))
	}
}

func TestAnEventIsSentAgainUntilItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := unserved(t)
		e.refuse.Store(6)
		c := e.catcher(t)
		began := time.Now()
		sendTo(t, c, "complained@catcher.test")
		for _, want := range []email.Event{email.EventDelivered, email.EventComplained} {
			if n := <-e.events; n.Type != string(want) {
				t.Errorf("event = %s, want %s", n.Type, want)
			}
		}
		if waited, want := time.Since(began), 396*time.Second+100*time.Millisecond; waited != want {
			t.Errorf("it was taken after %s, want %s: 0.1, 1, 5, 30, 60 and 300 s", waited, want)
		}
	})
}

func TestAnEventThatIsRefusedSevenTimesIsDroppedAndTheNextOneIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := unserved(t)
		e.refuse.Store(7)
		c := e.catcher(t)
		sendTo(t, c, "complained@catcher.test")
		if n := <-e.events; n.Type != string(email.EventComplained) {
			t.Errorf("the first event that is taken is %s, want %s", n.Type, email.EventComplained)
		}
	})
}

func TestARedirectOfAnEventIsNotFollowed(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	var redirected, followed atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/elsewhere":
			followed.Add(1)
		case redirected.Add(1) == 1:
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		default:
			e.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	e.url = server.URL
	sendTo(t, e.catcher(t), "delivered@catcher.test")
	if n := e.next(t); n.Event != email.EventDelivered || followed.Load() != 0 {
		t.Errorf("got %s, and the redirect followed %d times, want %s once it is sent again, and never", n.Event, followed.Load(), email.EventDelivered)
	}
}

func TestNoMoreThanTenThousandEventsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testlog.Buffer
		c, err := catchermail.New(catchermail.Options{Name: "catcher", Path: t.TempDir(), Keep: 10, Events: &catchermail.EventOptions{
			Endpoint: func() string { return "" }, Secret: secret, Clock: clock.System{}, IDs: ids.UUIDs{},
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		}})
		if err != nil {
			t.Fatal(err)
		}
		dropped := func(want int, when string) {
			t.Helper()
			if n := strings.Count(log.String(), "catcher drops an event"); n != want {
				t.Errorf("%d of 10,020 events are dropped %s, want %d", n, when, want)
			}
		}
		var to []string
		for i := range 3_340 { // three events for each
			to = append(to, fmt.Sprintf("clicked+%d@catcher.test", i))
		}
		sendTo(t, c, to...)
		dropped(20, "at once")
		<-time.After(10_000 * 400 * time.Second) // each of the others waits 396 s in all
		dropped(10_020, "in the end")
	})
}

func TestAnEventThatCannotBeReadIsInvalid(t *testing.T) {
	t.Parallel()
	hook, err := catchermail.NewHook(clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := hook.Notification(webhook.Event{Object: []byte(`[]`)}); !fault.Is(err, fault.Invalid) {
		t.Errorf("error = %v, want Invalid", err)
	}
	if _, ok, err := hook.Notification(webhook.Event{Object: []byte(`{"event":"teleported"}`)}); ok || err != nil {
		t.Errorf("an unknown event: %t, %v, want none, and no error", ok, err)
	}
	if _, err := catchermail.NewHook(clock.System{}, provider.Account{Provider: "catcher", Secrets: []string{""}}); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("an empty secret: %v, want an error", err)
	}
}
