package orderpay_test

import (
	"context"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/core/webhooks"
	"patchbay/tests/memjournal"
	"patchbay/tests/orderpay"
)

// told is an account with an event, and a hook that has not fetched its key yet.
func told(t *testing.T) (*orderpay.Sim, *orderpay.Hook, orderpay.Event) {
	t.Helper()
	sim := orderpay.Start(t, orderpay.Options{})
	g, err := orderpay.NewGateway(orderpay.GatewayOptions{Name: "orders", Key: sim.Key(), HTTP: httpclient.Options{BaseURL: sim.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Create(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	hook, err := orderpay.NewHook("orders", clock.System{}, httpclient.Options{BaseURL: sim.URL()})
	if err != nil {
		t.Fatal(err)
	}
	return sim, hook, sim.Events(0)[0]
}

func headers(sim *orderpay.Sim, e orderpay.Event) func(string) string {
	header := sim.Signed(e, time.Now())
	return func(name string) string { return header[name] }
}

func TestAKeyIsFetchedOnce(t *testing.T) {
	t.Parallel()
	sim, hook, e := told(t)
	before := len(sim.Requests())
	for range 2 {
		events, err := hook.Verify(t.Context(), e.Body, headers(sim, e))
		if err != nil || len(events) != 1 || events[0].ID != e.ID || events[0].Provider != "orders" {
			t.Fatalf("%+v, %v; want %s", events, err, e.ID)
		}
	}
	if n := len(sim.Requests()) - before; n != 1 {
		t.Errorf("%d requests for a key, want 1", n)
	}
	if _, err := hook.Verify(t.Context(), append([]byte(" "), e.Body...), headers(sim, e)); fault.From(err).Code != "invalid_signature" {
		t.Errorf("a body that was changed: %v, want invalid_signature", err)
	}
}

// A webhook whose key cannot be fetched in time is not refused: the provider sends it again.
func TestAVerifierGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	sim, hook, e := told(t)
	service := webhooks.New(webhooks.Options{
		Journal: memjournal.New(clock.System{}), Clock: clock.System{}, Owner: "one",
		Routes: map[string]webhooks.Route{"orders": {
			Verifier: hook, Apply: func(context.Context, webhook.Event) (webhook.Applied, error) { return webhook.Applied{}, nil },
		}},
	})
	sim.Inject(faultserver.Fault{Mishap: faultserver.Hang()})
	delivery, err := service.Open("orders", headers(sim, e))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := delivery.Receive(ctx, e.Body); !fault.Is(err, fault.Unavailable) {
		t.Errorf("while the key hangs: %v, want unavailable", err)
	}
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("it took %s, want about as long as its context", took)
	}
	if err := delivery.Receive(t.Context(), e.Body); err != nil {
		t.Errorf("once the key comes: %v", err)
	}
	if own, ok := delivery.Acknowledgement(); !ok || own.Body != "[accepted]" {
		t.Errorf("answered %+v, %t; want what the provider expects", own, ok)
	}
}
