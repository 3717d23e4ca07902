package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"patchbay/config/setting"
)

// Policy bounds the calls of a provider: see docs/configuration.md, "Policies".
type Policy struct {
	Timeout     time.Duration `config:"timeout"`
	Deadline    time.Duration `config:"deadline"`
	Attempts    int           `config:"attempts"`
	Backoff     Backoff       `config:"backoff"`
	RetryBudget int           `config:"retry_budget"` // percent
	Breaker     Breaker       `config:"breaker"`
	Bulkhead    int           `config:"bulkhead"`
	Rate        Rate          `config:"rate"` // of mail providers
}

// Rate limits how many recipients a mail provider is given.
type Rate struct {
	Limit  setting.Rate `config:"limit"`
	Then   string       `config:"then"` // where what exceeds it goes: next, or wait
	WarmUp WarmUp       `config:"warm_up"`
}

// WarmUp is a limit for each day that grows.
type WarmUp struct {
	Begins   setting.Date `config:"begins"`
	FirstDay int          `config:"first_day"` // recipients; 0 for no warm-up
	Growth   int          `config:"growth"`    // percent from one day to the next
}

// ThenWait is the value of Rate.Then with which mail waits.
const ThenWait = "wait"

var standardRate = Rate{Then: "next", WarmUp: WarmUp{Growth: 100}}

// Backoff is the wait between attempts.
type Backoff struct {
	Initial time.Duration `config:"initial"`
	Max     time.Duration `config:"max"`
}

// Breaker defines when a provider is not called, and for how long.
type Breaker struct {
	FailureRate  int           `config:"failure_rate"` // percent
	MinimumCalls int           `config:"minimum_calls"`
	Window       time.Duration `config:"window"`
	Open         time.Duration `config:"open"`
}

// StandardPolicy returns the default policy.
func StandardPolicy() Policy {
	return Policy{
		Timeout: 10 * time.Second, Deadline: 30 * time.Second, Attempts: 3,
		Backoff: Backoff{Initial: 500 * time.Millisecond, Max: 5 * time.Second}, RetryBudget: 20,
		Breaker:  Breaker{FailureRate: 50, MinimumCalls: 10, Window: 30 * time.Second, Open: 30 * time.Second},
		Bulkhead: 256, Rate: standardRate,
	}
}

// StandardStoragePolicy returns the default policy of a database server. It is shorter, so
// that the fallback takes over in time.
func StandardStoragePolicy() Policy {
	return Policy{
		Timeout: 2500 * time.Millisecond, Deadline: 3 * time.Second, Attempts: 2,
		Backoff: Backoff{Initial: 50 * time.Millisecond, Max: 500 * time.Millisecond}, RetryBudget: 20,
		Breaker:  Breaker{FailureRate: 50, MinimumCalls: 10, Window: 10 * time.Second, Open: 2 * time.Second},
		Bulkhead: 256, Rate: standardRate,
	}
}

// layers returns the default policy of a provider and the names of the policies that
// override it, the weakest first. The policy named default, for calls of providers over the
// internet, does not apply to a database.
func layers(p Provider) (standard Policy, names []string) {
	if p.Type.Sort == setting.ForStorage {
		return StandardStoragePolicy(), []string{string(p.Type.Sort), p.Name}
	}
	return StandardPolicy(), []string{defaultPolicy, string(p.Type.Sort), p.Name}
}

// Changes returns what a provider's policy says beside the default one, such as "timeout 5s".
func (p Provider) Changes() []string {
	if !bounded(p) {
		return nil
	}
	standard, _ := layers(p)
	return changes("", reflect.ValueOf(p.Policy), reflect.ValueOf(standard))
}

// changes returns the settings in which two structs of one type differ, by their keys.
func changes(prefix string, written, standard reflect.Value) (all []string) {
	for i := range written.NumField() {
		value, key := written.Field(i), prefix+written.Type().Field(i).Tag.Get("config")
		switch {
		case value.Kind() == reflect.Struct:
			all = append(all, changes(key+".", value, standard.Field(i))...)
		case !value.Equal(standard.Field(i)):
			all = append(all, fmt.Sprintf("%s %v", key, value))
		}
	}
	return all
}

// bounded reports whether a provider has a policy.
func bounded(p Provider) bool { return p.Type.Sort != setting.ForStorage || p.Type.Server }

// maxDeadline is the longest time for one operation. Leases depend on it.
const maxDeadline = 30 * time.Second

const defaultPolicy = "default"

// sharedPolicies are the names of the policies that are for several providers: for all, and for
// each sort.
var sharedPolicies = []string{defaultPolicy, string(setting.ForPayments), string(setting.ForMail), string(setting.ForStorage)}

// checkPolicies reads every policy that is written, and computes the policy of each
// provider in use: default, then the integration's, then the provider's, key by key.
func (s *source) checkPolicies(c *Config, written map[string]any) {
	named := slices.Clone(sharedPolicies)
	for name, p := range c.Provider {
		if bounded(p) {
			named = append(named, name)
		}
	}
	slices.Sort(named)
	for name, policy := range written {
		path := join("policies", name)
		if !slices.Contains(named, name) {
			s.mistake(path, "is not default, an integration or a provider in use; there is %s", strings.Join(named, ", "))
			continue
		}
		alone := StandardPolicy()
		s.decode(path, policy, reflect.ValueOf(&alone).Elem())
		s.checkPolicy(path, alone)
		limits := name == string(setting.ForMail) || c.Provider[name].Type.Sort == setting.ForMail
		s.require(limits || alone.Rate == standardRate, join(path, "rate"), "is for mail; write it in policies.mail, or in the policy of a mail provider")
	}
	for name, p := range c.Provider {
		if !bounded(p) {
			continue
		}
		var names []string
		p.Policy, names = layers(p)
		quiet := *s // each mistake was reported above
		for _, layer := range names {
			if policy, there := written[layer]; there {
				quiet.decode(join("policies", layer), policy, reflect.ValueOf(&p.Policy).Elem())
			}
		}
		c.Provider[name] = p
	}
	for name, policy := range written {
		s.checkRate(join("policies", name), policy, slices.ContainsFunc(slices.Collect(maps.Values(c.Provider)), func(p Provider) bool {
			_, names := layers(p)
			return slices.Contains(names, name) && p.Policy.Rate.limits()
		}))
	}
}

// limits reports whether a rate holds anything back.
func (r Rate) limits() bool { return r.Limit != "" || r.WarmUp.FirstDay > 0 }

// checkRate reports settings of a rate that do nothing, because none of the providers that the policy is for
// has a limit.
func (s *source) checkRate(path string, policy any, limited bool) {
	settings, _ := policy.(map[string]any)
	rate, _ := settings["rate"].(map[string]any)
	warmUp, _ := rate["warm_up"].(map[string]any)
	if limited || rate["limit"] != nil && rate["limit"] != setting.Rate("").String() || warmUp["begins"] != nil || warmUp["first_day"] != nil {
		return // what is wrong with a limit was reported above
	}
	for _, key := range []string{"then", "warm_up"} {
		if rate[key] != nil {
			s.mistake(join(path, "rate."+key), "does nothing without a limit; write rate.limit, or rate.warm_up with begins and first_day")
		}
	}
}

func (s *source) checkPolicy(path string, p Policy) {
	duration := func(key string, value, most time.Duration) {
		s.require(value > 0 && value <= most, join(path, key), "must be more than 0s and at most %s", most)
	}
	number := func(key string, value, least, most int) {
		s.require(value >= least && value <= most, join(path, key), "must be %d to %d", least, most)
	}
	duration("timeout", p.Timeout, maxDeadline)
	duration("deadline", p.Deadline, maxDeadline)
	number("attempts", p.Attempts, 1, 10)
	duration("backoff.initial", p.Backoff.Initial, maxDeadline)
	duration("backoff.max", p.Backoff.Max, maxDeadline)
	number("retry_budget", p.RetryBudget, 0, 100)
	number("breaker.failure_rate", p.Breaker.FailureRate, 1, 100)
	number("breaker.minimum_calls", p.Breaker.MinimumCalls, 1, 100_000)
	duration("breaker.window", p.Breaker.Window, time.Hour)
	duration("breaker.open", p.Breaker.Open, time.Hour)
	number("bulkhead", p.Bulkhead, 1, 100_000)
	s.require(p.Rate.Then == standardRate.Then || p.Rate.Then == ThenWait, join(path, "rate.then"), "must be next or wait")
	number("rate.warm_up.first_day", p.Rate.WarmUp.FirstDay, 0, 1_000_000_000)
	number("rate.warm_up.growth", p.Rate.WarmUp.Growth, 0, 1000)
	both := (p.Rate.WarmUp.Begins == "") == (p.Rate.WarmUp.FirstDay == 0)
	unread := s.unread[join(path, "rate.warm_up.begins")] || s.unread[join(path, "rate.warm_up.first_day")]
	s.require(both || unread, join(path, "rate.warm_up"), "needs both begins and first_day")
}

// reserved reports names that no provider may have, because policies have them.
func reserved(name string) bool {
	return name == "users" || slices.Contains(sharedPolicies, name)
}
