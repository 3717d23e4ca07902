package config_test

import (
	"reflect"
	"testing"
	"time"

	"patchbay/config"
)

const twoShops = `payments: {providers: [shop, shop-eu]}
providers:
  shop: {type: acme, text: a}
  shop-eu: {type: acme, text: b}
`

func TestPoliciesAreMergedKeyByKey(t *testing.T) {
	t.Parallel()
	c, err := load(t, twoShops+`policies:
  default: {timeout: 5s, attempts: 5, breaker: {open: 10s}}
  payments: {attempts: 4, breaker: {failure_rate: 25}}
  shop-eu: {timeout: 2s, backoff: {initial: 1s}}
`, "PATCHBAY_POLICIES__SHOP_EU__BULKHEAD=7")
	if err != nil {
		t.Fatal(err)
	}
	shop := config.StandardPolicy()
	shop.Timeout, shop.Attempts, shop.Breaker.Open, shop.Breaker.FailureRate = 5*time.Second, 4, 10*time.Second, 25
	eu := shop
	eu.Timeout, eu.Backoff.Initial, eu.Bulkhead = 2*time.Second, time.Second, 7
	mail := config.StandardPolicy()
	mail.Timeout, mail.Attempts, mail.Breaker.Open = 5*time.Second, 5, 10*time.Second
	for name, want := range map[string]config.Policy{"shop": shop, "shop-eu": eu, "catcher": mail} {
		if got := c.Provider[name].Policy; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if got := c.Provider["local"].Policy; got != (config.Policy{}) {
		t.Errorf("policy of a store on this machine = %+v, want none", got)
	}
}

func TestMistakesInPoliciesAreReported(t *testing.T) {
	t.Parallel()
	for _, tt := range []mistake{
		{"a name of no setting", "policies:\n  stripe: {timeout: 1s}\n", []string{
			"file:2: policies.stripe: is not default, an integration or a provider in use; there is catcher, default, mail, mock, payments, storage",
		}},
		{"an unknown setting", "policies:\n  default:\n    timeuot: 1s\n", []string{"file:3: policies.default.timeuot: is not a setting; did you mean timeout?"}},
		{"values out of range", `policies:
  default:
    timeout: 31s
    deadline: 0s
    attempts: 0
    retry_budget: 101
    bulkhead: 0
    backoff: {initial: 0s, max: 1h}
    breaker:
      failure_rate: 0
      minimum_calls: 0
      window: 2h
      open: 0s
`, []string{
			"file:3: policies.default.timeout: must be more than 0s and at most 30s",
			"file:4: policies.default.deadline: must be more than 0s and at most 30s",
			"file:5: policies.default.attempts: must be 1 to 10",
			"file:6: policies.default.retry_budget: must be 0 to 100",
			"file:7: policies.default.bulkhead: must be 1 to 100000",
			"file:8: policies.default.backoff.initial: must be more than 0s and at most 30s",
			"file:8: policies.default.backoff.max: must be more than 0s and at most 30s",
			"file:10: policies.default.breaker.failure_rate: must be 1 to 100",
			"file:11: policies.default.breaker.minimum_calls: must be 1 to 100000",
			"file:12: policies.default.breaker.window: must be more than 0s and at most 1h0m0s",
			"file:13: policies.default.breaker.open: must be more than 0s and at most 1h0m0s",
		}},
		{"values of the wrong type, said once", "policies:\n  mail: {attempts: many, breaker: 3}\n  mock: []\n", []string{
			`file:2: policies.mail.attempts: "many" is not a whole number`,
			"file:2: policies.mail.breaker: must be a mapping",
			"file:3: policies.mock: must be a mapping",
		}},
		{"what becomes of mail above a limit that no provider has", "policies:\n  mail: {rate: {then: wait}}\n", []string{
			"file:2: policies.mail.rate.then: does nothing without a limit; write rate.limit, or rate.warm_up with begins and first_day",
		}},
		{"what becomes of mail above what is no limit, said once", "policies:\n  mail: {rate: {limit: many, then: wait}}\n", []string{
			`file:2: policies.mail.rate.limit: "many" is not a rate; write for example 100/h, with s, m, h or d, or off`,
		}},
		{"a limit that is off, and grows", "policies:\n  catcher:\n    rate: {limit: off, warm_up: {growth: 50}}\n", []string{
			"file:3: policies.catcher.rate.warm_up: does nothing without a limit; write rate.limit, or rate.warm_up with begins and first_day",
		}},
		{"no mapping", "policies: fast\n", []string{"file:1: policies: must be a mapping"}},
		{"a provider with the name of a policy", "providers:\n  mail: {type: mock}\n", []string{
			`file:2: providers.mail: "mail" is not a name for a provider; write for example stripe-eu`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { t.Parallel(); tt.check(t) })
	}
}

func TestARateMayHaveItsLimitInAnotherPolicy(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"of a provider":                           "policies:\n  mail: {rate: {then: wait}}\n  catcher: {rate: {limit: 5/h}}\n",
		"of all providers, and off for one":       "policies:\n  mail: {rate: {limit: 5/h, then: wait}}\n  catcher: {rate: {limit: off}}\n",
		"of all providers, beside that of one":    "policies:\n  mail: {rate: {limit: 5/h}}\n  catcher: {rate: {then: wait}}\n",
		"that grows from day to day, and no more": "policies:\n  mail: {rate: {then: wait, warm_up: {begins: 2026-12-01, first_day: 50}}}\n",
	} {
		if _, err := load(t, text); err != nil {
			t.Errorf("a limit %s: error = %v, want none", name, err)
		}
	}
}
