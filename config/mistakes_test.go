package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/payments/mockpay"
	"patchbay/config"
)

// mistake is a file with everything that must be said of it, and nothing else.
type mistake struct {
	name, text string
	want       []string
}

func (m mistake) check(t *testing.T, environ ...string) {
	t.Helper()
	c, err := load(t, m.text, environ...)
	var mistakes config.Mistakes
	if !errors.As(err, &mistakes) || c != nil {
		t.Errorf("%s: error = %v, want Mistakes, and no configuration", m.name, err)
		return
	}
	if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, m.want) {
		t.Errorf("%s: got\n\t%s\nwant\n\t%s", m.name, strings.Join(got, "\n\t"), strings.Join(m.want, "\n\t"))
	}
}

func TestMistakesInAFileAreReported(t *testing.T) {
	t.Parallel()
	for _, tt := range []mistake{
		{"an unknown section", "servers: {}", []string{"file:1: servers: is not a setting; did you mean server?"}},
		{"a section far from any", "database: {}", []string{
			"file:1: database: is not a setting; there is auth, log, mail, payments, server, storage",
		}},
		{"an unknown setting", "log:\n  lvl: debug\n", []string{"file:2: log.lvl: is not a setting; did you mean level?"}},
		{"a setting in the wrong section", "\n\nlog:\n  mode: auto\n", []string{"file:4: log.mode: is not a setting; there is format, level, requests"}},
		{"a key that is no setting", "-: {}\nProvider: {}", []string{
			"file:1: -: is not a setting; there is auth, log, mail, payments, server, storage",
			"file:2: Provider: is not a setting; there is auth, log, mail, payments, server, storage",
		}},
		{"a path in place of sections", "server.address: 127.0.0.1:1", []string{
			"file:1: server.address: is not a setting; there is auth, log, mail, payments, server, storage",
		}},
		{"a key that is no text", "? [a]\n: b\n", []string{"file: is not a setting; there is auth, log, mail, payments, server, storage"}},
		{"a section twice", "log: {level: debug}\nlog: {format: json}\n", []string{"file:2: log: is written twice, first in line 1; keep one"}},
		{"a setting twice", "log:\n  level: debug\n  level: debug\n", []string{"file:3: log.level: is written twice, first in line 2; keep one"}},
		{"a provider twice", "providers:\n  a: {type: mock}\n  a: {type: mock, fault: refused}\n", []string{
			"file:3: providers.a: is written twice, first in line 2; keep one",
			"file:3: providers.a.type: is written twice, first in line 2; keep one",
		}},
		{"a setting of a provider twice", "providers:\n  a:\n    type: mock\n    type: mock\n", []string{
			"file:4: providers.a.type: is written twice, first in line 3; keep one",
		}},
		{"an alias", "server: {address: &here '127.0.0.1:1'}\nlog: {level: *here}", []string{"file:2: log.level: uses a YAML alias; write the value out"}},
		{"a merge of mappings", "server: &s {address: '127.0.0.1:1'}\nlog: {<<: *s}", []string{"file:2: log.<<: uses a YAML alias; write the value out"}},
		{"a list in place of the file", "- server", []string{"file: must be a mapping of sections such as server and providers"}},
		{"a value in place of the file", "42", []string{"file: must be a mapping of sections such as server and providers"}},
		{"a value in place of a section", "log: debug", []string{"file:1: log: must be a mapping"}},
		{"a list in place of providers", "providers: [mock]", []string{"file:1: providers: must be a mapping"}},
		{"a mapping in place of a value", "log: {level: {is: debug}}", []string{"file:1: log.level: must be a single value"}},
		{"a list in place of a value", "server: {address: [a]}", []string{"file:1: server.address: must be a single value"}},
		{"a value in place of a list", "payments: {providers: mock}", []string{"file:1: payments.providers: must be a list such as [a, b]"}},
		{"a list in a list", "payments: {providers: [[mock]]}", []string{"file:1: payments.providers[0]: must be a single value"}},
		{"nothing in a list", "payments:\n  currencies:\n  - usd\n  -\n", []string{"file:4: payments.currencies[1]: must be a single value"}},
		{"a second document", "log: {}\n---\nlog: {level: debug}\n", []string{"file:2: holds a second YAML document; keep one"}},
		{"a bracket that is not closed", "log: {}\nserver: [\nauth: {}\n", []string{"file:2: is not YAML: did not find expected ',' or ']'"}},
		{"a bracket too many", "log: {}\nauth: {}\n  ]\n", []string{"file:3: is not YAML: did not find expected key"}},
		{"an item among keys, which began in line 2", "log:\n  level: info\n  - text\n", []string{"file:2: is not YAML: did not find expected key"}},
		{"a quote that is not closed", "log:\n  level: 'info\n", []string{"file:2: is not YAML: found unexpected end of stream"}},
		{"a tab", "server:\n\taddress: x\n", []string{"file:2: is not YAML: found character that cannot start any token"}},
		{"bytes that are no text", "log: \xff\n", []string{"file: is not YAML: invalid leading UTF-8 octet"}},
	} {
		tt.check(t)
	}
}

func TestMistakesInValuesAreReported(t *testing.T) {
	t.Parallel()
	const example = " is not an address such as 127.0.0.1:8080"
	for _, tt := range []mistake{
		{"an address without a port", "server: {address: localhost}", []string{`file:1: server.address: "localhost"` + example}},
		{"an address with an empty port", "server: {address: 'localhost:'}", []string{`file:1: server.address: "localhost:"` + example}},
		{"an invalid port", "server: {address: 'localhost:70000'}", []string{`file:1: server.address: "localhost:70000"` + example}},
		{"an empty address", "server: {admin_address: ''}", []string{`file:1: server.admin_address: ""` + example}},
		{"an admin listener for everybody", "server: {admin_address: ':8081'}", []string{
			"file:1: server.admin_address: must be a loopback address: it asks for no key",
		}},
		{"a public URL without TLS", "server: {public_url: 'http://mail.example.com'}", []string{
			"file:1: server.public_url: must be an https URL, such as https://mail.example.com, or http on a loopback address",
		}},
		{"a public URL with a fragment", "server: {public_url: 'https://mail.example.com/#a'}", []string{
			"file:1: server.public_url: must be an https URL, such as https://mail.example.com, or http on a loopback address",
		}},
		{"recipients by a pattern that matches nothing", "mail: {allowed_recipients: ['*@*', 'ada@*.example.com', '*@example.com']}", []string{
			`file:1: mail.allowed_recipients[0]: "*@*" is neither an address such as ada@example.com nor a domain such as *@example.com, in ASCII`,
			`file:1: mail.allowed_recipients[1]: "ada@*.example.com" is neither an address such as ada@example.com nor a domain such as *@example.com, in ASCII`,
		}},
		{"what complaints stop", "mail: {suppressions: {complaints: some}}", []string{
			`file:1: mail.suppressions.complaints: "some" must be one of marketing, all`,
		}},
		{"one address for both listeners", "server: {address: '127.0.0.1:9000', admin_address: '127.0.0.1:9000'}", []string{
			"file:1: server.admin_address: must not be server.address: the two listen apart",
		}},
		{"a proxy that is a name", "server: {trusted_proxies: [10.0.0.0/8, proxy]}", []string{
			`file:1: server.trusted_proxies[1]: "proxy" is neither an address nor a network such as 10.0.0.0/8`,
		}},
		{"a network with too many bits", "server: {trusted_proxies: [10.0.0.0/33]}", []string{
			`file:1: server.trusted_proxies[0]: "10.0.0.0/33" is neither an address nor a network such as 10.0.0.0/8`,
		}},
		{"proxies in place of a list", "server: {trusted_proxies: 10.0.0.1}", []string{"file:1: server.trusted_proxies: must be a list such as [a, b]"}},
		{"a negative number of connections", "server: {max_connections: -1}", []string{"file:1: server.max_connections: -1 must not be below 0"}},
		{"a negative number of connections of an address", "server:\n  max_connections_per_address: -1", []string{
			"file:2: server.max_connections_per_address: -1 must not be below 0",
		}},
		{"an unknown mode", "auth: {mode: on}", []string{`file:1: auth.mode: "on" must be one of auto, required, off`}},
		{"no keys off loopback", "server: {address: '0.0.0.0:80'}\nauth: {mode: off}", []string{
			"file:2: auth.mode: may be off only on a loopback address; write auto",
		}},
		{"an unknown level", "log: {level: loud}", []string{`file:1: log.level: "loud" must be one of debug, info, warn, error`}},
		{"an unknown format", "log: {format: xml}", []string{`file:1: log.format: "xml" must be one of text, json`}},
		{"an unknown promise", "mail: {delivery: exactly_once}", []string{
			`file:1: mail.delivery: "exactly_once" must be one of at_least_once, at_most_once`,
		}},
		{"an invalid sender", "mail: {from: shop}", []string{`file:1: mail.from: "shop" is not an address such as shop@example.com`}},
		{"two senders", "mail: {from: 'a@b.c, d@e.f'}", []string{`file:1: mail.from: "a@b.c, d@e.f" is not an address such as shop@example.com`}},
		{"no currency", "payments: {currencies: []}", []string{"file:1: payments.currencies: must name at least one currency"}},
		{"a currency in capitals", "payments:\n  currencies:\n  - usd\n  - EUR\n", []string{
			`file:4: payments.currencies[1]: "EUR" is not a known currency; write for example usd`,
		}},
		{"no number", "providers: {catcher: {type: catcher, keep: many}}", []string{`file:1: providers.catcher.keep: "many" is not a whole number`}},
		{"half a number", "providers: {catcher: {type: catcher, keep: 1.5}}", []string{`file:1: providers.catcher.keep: "1.5" is not a whole number`}},
		{"a number that is too large", "providers: {catcher: {type: catcher, keep: 99999999999999999999}}", []string{
			`file:1: providers.catcher.keep: "99999999999999999999" is not a whole number`,
		}},
		{"a catcher that keeps nothing", "providers: {catcher: {type: catcher, keep: 0}}", []string{"file:1: providers.catcher.keep: must be at least 1"}},
		{"a catcher that keeps less", "providers: {catcher: {type: catcher, keep: -5}}", []string{"file:1: providers.catcher.keep: must be at least 1"}},
		{"a catcher without a directory", "providers: {catcher: {type: catcher, path: ''}}", []string{
			"file:1: providers.catcher.path: must name a directory, such as data/mail",
		}},
		{"a database without a file", "providers: {local: {type: sqlite, path: ''}}", []string{
			"file:1: providers.local.path: must name a file, such as data/patchbay.db",
		}},
		{"a database in memory", "providers: {local: {type: sqlite, path: ':memory:'}}", []string{
			"file:1: providers.local.path: must name a file, such as data/patchbay.db",
		}},
		{"an unknown fault", "providers:\n  mock:\n    type: mock\n    fault: boom\n", []string{
			"file:4: providers.mock.fault: is not one of 401, 403, 429, 500_committed, duplicate_webhook, hang, malformed, " +
				"refused, reordered_webhook, reset, timeout_after_commit, timeout_before",
		}},
		{"a duration without a unit", "providers: {a: {type: acme, text: x, wait: 10}}", []string{
			`file:1: providers.a.wait: "10" is not a duration; write for example 10s or 72h`,
		}},
		{"a duration in days", "providers: {a: {type: acme, text: x, pool: {idle: 90d}}}", []string{
			`file:1: providers.a.pool.idle: "90d" is not a duration; write for example 10s or 72h`,
		}},
		{"a duration back in time", "providers: {a: {type: acme, text: x, wait: -1s}}", []string{
			`file:1: providers.a.wait: "-1s" is not a duration; write for example 10s or 72h`,
		}},
		{"a value in place of a provider's settings", "providers: {a: {type: acme, text: x, pool: 5}}", []string{
			"file:1: providers.a.pool: must be a mapping",
		}},
		{"an unknown setting of a provider", "providers:\n  a:\n    type: acme\n    text: x\n    pool: {min: 1}\n", []string{
			"file:5: providers.a.pool.min: is not a setting; there is idle, max",
		}},
		{"a setting that is missing", "providers:\n  a:\n    type: acme\n", []string{"file:2: providers.a.text: is required"}},
		{"a setting that is missing, beside others that cannot be read", "providers:\n  a:\n    type: acme\n    number: many\n    secrets: [plain]\n    pool: 3\n", []string{
			"file:2: providers.a.text: is required",
			`file:4: providers.a.number: "many" is not a whole number`,
			"file:5: providers.a.secrets[0]: is a secret and must not be in the file; write ${NAME} or ${file:/path}",
			"file:6: providers.a.pool: must be a mapping",
		}},
		{"a setting that cannot be read is not missing", "providers:\n  a:\n    type: acme\n    text: ${NONE}\n", []string{
			"file:4: providers.a.text: the environment has no NONE",
		}},
		{"a setting under a wrong key is not missing", "providers:\n  a:\n    type: acme\n    txet: a\n", []string{
			"file:4: providers.a.txet: is not a setting; did you mean text?",
		}},
		{"an empty setting beside a wrong key", "providers:\n  a:\n    type: acme\n    txet: a\n    text: ''\n", []string{
			"file:4: providers.a.txet: is not a setting; did you mean text?",
			"file:5: providers.a.text: is required",
		}},
		{"settings that depend on one that cannot be read", "providers:\n  a: {type: postgres, host: db, ssl: no, pool: {max: many, min: 2000}}\n  b: {type: postgres, host: db, ssl: false, port: x}\n", []string{
			`file:2: providers.a.pool.max: "many" is not a whole number`,
			`file:2: providers.a.ssl: "no" must be true or false`,
			`file:3: providers.b.port: "x" is not a whole number`,
		}},
	} {
		tt.check(t)
	}
}

func TestMistakesInProvidersAreReported(t *testing.T) {
	t.Parallel()
	const there = "sqlite, mock, catcher, postgres, acme"
	for _, tt := range []mistake{
		{"no type", "providers:\n  a:\n    text: x\n", []string{"file:2: providers.a.type: must say one of " + there}},
		{"a list in place of a type", "providers: {a: {type: [mock]}}", []string{"file:1: providers.a.type: must say one of " + there}},
		{"an unknown type", "providers:\n  a:\n    type: strip\n", []string{
			`file:3: providers.a.type: "strip" is not a type of provider; there is ` + there,
		}},
		{"a type in place of the settings", "providers: {a: mock}", []string{"file:1: providers.a: must be a mapping with a type"}},
		{"a name that no variable can have", "providers: {Shop.EU: {type: mock}}", []string{
			`file:1: providers.Shop.EU: "Shop.EU" is not a name for a provider; write for example stripe-eu`,
		}},
		{"a name with the sign between sections", "providers: {a__b: {type: mock}}", []string{
			`file:1: providers.a__b: "a__b" is not a name for a provider; write for example stripe-eu`,
		}},
		{"no name", "providers: {'': {type: mock}}", []string{`file:1: providers.: "" is not a name for a provider; write for example stripe-eu`}},
		{"a list without providers", "mail: {providers: []}", []string{"file:1: mail.providers: must name at least one provider"}},
		{"a provider that does not exist", "payments:\n  providers: [mock, stripe]\n", []string{
			`file:2: payments.providers: there is no provider "stripe"; add it under providers`,
		}},
		{"no store", "storage: {provider: ''}", []string{`file:1: storage.provider: there is no provider ""; add it under providers`}},
		{"a provider twice in a list", "mail: {providers: [catcher, catcher]}", []string{`file:1: mail.providers: names "catcher" twice`}},
		{"a provider for something else", "mail: {providers: [mock]}", []string{`file:1: mail.providers: "mock" is a provider for payments`}},
		{"a store for something else", "storage: {provider: catcher}", []string{`file:1: storage.provider: "catcher" is a provider for mail`}},
		{"one that simulates beside a live one", "payments: {providers: [mock, shop]}\nproviders: {shop: {type: acme, text: x}}", []string{
			`file:1: payments.providers: "shop" is live and "mock" is not (simulated): what is meant for one would go to the other; for tests, write payments.allow_mixed: true`,
		}},
		{"a webhook secret of two accounts", "payments: {providers: [a, b]}\nproviders:\n  a: {type: mock, webhook_secrets: ['${SHARED}']}\n" +
			"  b:\n    type: mock\n    webhook_secrets: ['${OWN}', '${SHARED}']\n", []string{
			`file:6: providers.b.webhook_secrets[1]: is a secret of "a" too: an event must speak for one account`,
		}},
		{"one that nothing uses is checked too", "providers: {spare: {type: mock, falt: x}}", []string{
			"file:1: providers.spare.falt: is not a setting; did you mean fault?",
		}},
	} {
		tt.check(t, "SHARED=whsec_shared", "OWN=whsec_own")
	}
}

// All at once means that one run of check is enough.
func TestAllMistakesAreReportedTogether(t *testing.T) {
	t.Parallel()
	mistake{"all", `server:
  adress: 127.0.0.1:8080
  admin_address: 0.0.0.0:8081

# A comment takes a line.
payments:
  providers:
    - mock
    - nobody
  currencies:
    - usd
    - xxx
    - [eur]
log: debug
log: {level: loud, level: quiet}
providers:
  catcher:
    type: catcher
    keep: few
    path: ${NOWHERE}
  other: {type: other}
  mock:
    type: mock
    webhook_secrets:
      - ${NOWHERE}
      - whsec_canary
`, []string{
		`environment: mail.from: "ada" is not an address such as shop@example.com`,
		`environment: servr: is not a setting; did you mean server?`,
		`file:2: server.adress: is not a setting; did you mean address?`,
		`file:3: server.admin_address: must be a loopback address: it asks for no key`,
		`file:7: payments.providers: there is no provider "nobody"; add it under providers`,
		`file:10: payments.currencies[2]: must be a single value`,
		`file:12: payments.currencies[1]: "xxx" is not a known currency; write for example usd`,
		`file:15: log: is written twice, first in line 14; keep one`,
		`file:15: log.level: is written twice, first in line 15; keep one`,
		`file:15: log.level: "quiet" must be one of debug, info, warn, error`,
		`file:19: providers.catcher.keep: "few" is not a whole number`,
		`file:20: providers.catcher.path: the environment has no NOWHERE`,
		`file:21: providers.other.type: "other" is not a type of provider; there is sqlite, mock, catcher, postgres, acme`,
		`file:25: providers.mock.webhook_secrets[0]: the environment has no NOWHERE`,
		`file:26: providers.mock.webhook_secrets[1]: is a secret and must not be in the file; write ${NAME} or ${file:/path}`,
	}}.check(t, "PATCHBAY_MAIL__FROM=ada", "PATCHBAY_SERVR__ADDRESS=127.0.0.1:1")
}

// config keeps the names of the mock's faults; the mock must know each.
func TestMockFaultsAreThoseOfTheMock(t *testing.T) {
	t.Parallel()
	_, err := load(t, "providers: {mock: {type: mock, fault: none}}")
	if err == nil {
		t.Fatal("the fault none is accepted, want a mistake")
	}
	_, list, _ := strings.Cut(err.Error(), "is not one of ")
	for fault := range strings.SplitSeq(list, ", ") {
		mustLoad(t, "providers: {mock: {type: mock, fault: "+fault+"}}")
		if _, err := mockpay.New(mockpay.Options{Name: "mock", Clock: clock.System{}, IDs: ids.UUIDs{}, Fault: fault}); err != nil {
			t.Errorf("fault %q: error = %v, want none", fault, err)
		}
	}
}
