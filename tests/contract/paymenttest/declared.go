package paymenttest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// declaredCases checks limits that the gateway declares.
var declaredCases = []testCase{
	{
		name: "keys are kept for a while",
		doc:  "Keys.Kept is an hour or more: the cases about keys need it.",
		run: func(p *suite) {
			if kept := p.Gateway.Capabilities().Keys.Kept; kept < time.Hour {
				p.Errorf("keys are kept for %s; the cases about keys need them", kept)
			}
		},
	},
	{
		name:  "a page of the caller can confirm with the client secret",
		doc:   "With InBrowser, an unconfirmed intent has a client secret.",
		needs: inBrowser,
		run: func(p *suite) {
			r := p.request("")
			r.Confirm, r.Confirmation = false, payment.ConfirmClient
			if i := p.create(r); i.ClientSecret == "" {
				p.Error("there is no client secret")
			}
		},
	},
	{
		name:  "an intent is found by its operation",
		doc:   "With Lookup.Operation, List returns the intent of an operation, and no other, once Lookup.Lag has passed.",
		needs: byOperation,
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Metadata = operationMetadata("op_found")
			made := p.create(r)
			p.paid()
			<-time.After(p.Gateway.Capabilities().Lookup.Lag)
			page, err := p.Gateway.List(p.Context(), payment.ListRequest{Operation: "op_found", Limit: 10})
			if err != nil {
				p.Fatalf("List: %v", err)
			}
			if len(page.Intents) != 1 || page.Intents[0].Reference != made.Reference {
				p.Errorf("found %+v, want only %s", page.Intents, made.Reference)
			}
			if page.Now.Before(made.CreatedAt.Truncate(time.Second)) {
				p.Errorf("it is %s, right after %s", page.Now, made.CreatedAt)
			}
		},
	},
	{
		name: "metadata as large as is declared comes back, and larger is refused",
		doc:  "Metadata at each of the declared limits comes back; a key more, a longer key or a longer value is invalid.",
		run: func(p *suite) {
			limits := p.Gateway.Capabilities().Metadata
			if limits.Keys == 0 || limits.Key == 0 || limits.Value == 0 {
				p.Fatalf("the limits are %+v; the suite needs all three", limits)
			}
			r := p.request(p.Pays)
			r.Metadata = map[string]string{}
			for n := range limits.Keys {
				key := fmt.Sprintf("%0*d", limits.Key, n)
				r.Metadata[key] = strings.Repeat("v", limits.Value)
			}
			made := p.create(r)
			for key, want := range r.Metadata {
				if made.Metadata[key] != want {
					p.Errorf("metadata %s: %d characters, want %d", key, len(made.Metadata[key]), len(want))
				}
			}
			for name, more := range map[string]map[string]string{
				"a longer key":   {strings.Repeat("k", limits.Key+1): "v"},
				"a longer value": {"k": strings.Repeat("v", limits.Value+1)},
			} {
				p.wantRefusedMetadata(name, more)
			}
			r.Metadata["one more"] = "v"
			p.wantRefusedMetadata("one key more", r.Metadata)
		},
	},
	{
		name: "only known actions are declared to end later",
		doc:  "Later lists only actions that can end later, and the harness can end them.",
		run: func(p *suite) {
			for _, a := range p.Gateway.Capabilities().Later {
				if !slices.Contains([]payment.Action{payment.Create, payment.Confirm, payment.Capture, payment.Refund}, a) {
					p.Errorf("%s cannot end later", a)
				}
			}
			if later := p.Gateway.Capabilities().Later; len(later) > 0 && p.Settle == nil {
				p.Errorf("%v end later, and the harness cannot end them", later)
			}
		},
	},
}

func (p *suite) wantRefusedMetadata(what string, metadata map[string]string) {
	p.Helper()
	r := p.request(p.Pays)
	r.Metadata = metadata
	if _, err := p.Gateway.Create(p.Context(), r); !fault.Is(err, fault.Invalid) {
		p.Errorf("%s: %v, want it refused as invalid", what, err)
	}
}
