package stripepay_test

import (
	_ "embed"
	"encoding/json"
	"testing"
	"time"

	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/provider"
	"patchbay/core/fault"
)

// What Stripe's own library for Node signed: made by make interop-vectors.
//
//go:embed testdata/stripe-node.json
var nodeVectors []byte

func TestVerifyWhatStripesNodeLibrarySigned(t *testing.T) {
	t.Parallel()
	var vectors []struct {
		Name, Secret, Payload, Header string
		Timestamp                     int64
	}
	if err := json.Unmarshal(nodeVectors, &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			hook, err := stripepay.NewHook(clock(time.Unix(v.Timestamp, 0)),
				provider.Account{Provider: "acme", Secrets: []string{v.Secret}})
			if err != nil {
				t.Fatal(err)
			}
			header := func(string) string { return v.Header }
			events, err := hook.Verify(t.Context(), []byte(v.Payload), header)
			if err != nil || len(events) != 1 || events[0].Provider != "acme" {
				t.Errorf("as signed: %+v, %v", events, err)
			}
			if _, err := hook.Verify(t.Context(), []byte(v.Payload+" "), header); fault.From(err).Code != "invalid_signature" {
				t.Errorf("with a space more: %v; want it refused", err)
			}
		})
	}
}
