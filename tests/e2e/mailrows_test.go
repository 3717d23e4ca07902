package e2e_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
	"patchbay/tests/sendgridapi"
)

// mailRow is one behaviour of the gateway towards its mail providers. All rows of a specification share
// a gateway for each store. Each has providers of its own, which send for a domain of its own.
type mailRow struct {
	name  string
	order string // the kinds of its providers: "sendgrid, mailgun"
	// policy is that of its providers; without one there is one attempt of at most ten seconds.
	policy string
	first  string            // policy of the first of them, if it has one of its own
	more   map[string]string // further settings of its providers, by kind
	smtp   smtpsim.Options
	shows  func(t *testing.T, r *route)
}

// route is what a row has of the shared gateway: its providers, and the domain from which mail takes
// them.
type route struct {
	mailGateway
	smtp   *smtpsim.Sim
	domain string
	suffix string   // of the names of its providers
	env    []string // the secrets of its providers
}

// showRows shows each row on SQLite and on PostgreSQL. more is added to the configuration.
func showRows(t *testing.T, rows []mailRow, more string) {
	t.Helper()
	t.Parallel()
	for _, store := range []string{"sqlite", "postgres"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			database := "{type: sqlite, path: data/patchbay.db}"
			if store == "postgres" {
				server := postgres.Shared(t)
				database = gateway.OnPostgres(server, server.Database(t))
			}
			routes := make([]*route, len(rows))
			var names, domains, providers, policies, env []string
			for i, row := range rows {
				r := &route{domain: fmt.Sprintf("r%d.example", i), suffix: fmt.Sprint("-", i)}
				routes[i] = r
				first, _, _ := strings.Cut(row.order, ", ")
				for kind := range strings.SplitSeq(row.order, ", ") {
					name := kind + r.suffix
					names = append(names, name)
					domains = append(domains, fmt.Sprintf("%s: [%s, xn--bcher-kva.%s]", name, r.domain, r.domain))
					providers = append(providers, fmt.Sprintf("%s: {%s%s}", name, r.start(t, row, kind), row.more[kind]))
					policy := row.policy
					if row.first != "" && kind == first {
						policy = row.first
					}
					if policy != "" {
						policies = append(policies, fmt.Sprintf("%s: %s", name, policy))
					}
				}
				env = append(env, r.env...)
			}
			g := gateway.Configured(t, fmt.Sprintf(`
storage: {provider: store}
mail:
  providers: [%s]
  from_domains: {%s}
%s
providers:
  store: %s
  %s
policies:
  mail: {timeout: 10s, attempts: 1}
  %s
`, strings.Join(names, ", "), strings.Join(domains, ", "), more, database, strings.Join(providers, "\n  "), strings.Join(policies, "\n  ")), env...)
			writeTemplate(t, g)
			g.Restart(t)
			for i, row := range rows {
				routes[i].Gateway = g
				t.Run(row.name, func(t *testing.T) {
					t.Parallel()
					row.shows(t, routes[i])
				})
			}
		})
	}
}

// start starts a provider of this kind, and returns its settings.
func (r *route) start(t *testing.T, row mailRow, kind string) string {
	t.Helper()
	switch kind {
	case "sendgrid":
		r.sendgrid, r.signer = sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)}), sendgridsim.NewSigner()
		return fmt.Sprintf("type: sendgrid, api_key: %s, webhook_public_keys: [%q], base_url: %q", r.secret(r.sendgrid.Key()), r.signer.PublicKey(), r.sendgrid.URL())
	case "mailgun":
		r.mailgun, r.signing = mailgunsim.Start(t, mailgunsim.Options{}), rand.Text()
		return fmt.Sprintf("type: mailgun, domain: %s, api_key: %s, webhook_signing_keys: [%s], base_url: %q", r.mailgun.Domain(), r.secret(r.mailgun.Key()), r.secret(r.signing), r.mailgun.URL())
	}
	r.smtp = smtpsim.Start(t, row.smtp)
	if row.smtp.Security == smtpsim.Plain {
		return fmt.Sprintf("type: smtp, host: %s, port: %d, username: %s, password: %s, hello: gateway.example.com, security: none", r.smtp.Host(), r.smtp.Port(), r.smtp.User(), r.secret(r.smtp.Key()))
	}
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, r.smtp.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("type: smtp, host: %s, port: %d, username: %s, password: %s, hello: gateway.example.com, ca_file: %q, security: starttls", r.smtp.Host(), r.smtp.Port(), r.smtp.User(), r.secret(r.smtp.Key()), authority)
}

// secret puts a secret into the environment, and returns how the configuration names it.
func (r *route) secret(value string) string {
	name := strings.ReplaceAll(fmt.Sprint("SECRET", r.suffix, "-", len(r.env)), "-", "_")
	r.env = append(r.env, name+"="+value)
	return fmt.Sprintf("\"${%s}\"", name)
}

// send sends a message from the row's domain to Ada there, under a key of its own.
func (r *route) send(t testing.TB, key string, more ...object) gateway.Answer {
	t.Helper()
	fields := object{"from": "shop@" + r.domain, "to": []string{r.at("ada")}}
	return r.mailGateway.send(t, r.domain+" "+key, append([]object{fields}, more...)...)
}

// at returns an address in the row's domain. The list of suppressed addresses is shared by all rows.
func (r *route) at(local string) string { return local + "@" + r.domain }

// becomes waits until the message has this status, and checks its attempts, which name the kinds of
// the providers.
func (r *route) becomes(t testing.TB, m gateway.Answer, status, tries string) {
	t.Helper()
	var last gateway.Answer
	gateway.Eventually(t, 30*time.Second, "the message is "+status, func() bool {
		last = r.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)
		return last.Text("status") == status
	})
	if got := r.attempts(last); got != tries {
		t.Errorf("attempts %q, want %q", got, tries)
	}
}

// attempts returns the attempts of a message with the kinds of the providers.
func (r *route) attempts(m gateway.Answer) string {
	return strings.ReplaceAll(attempts(m), r.suffix+" ", " ")
}

// book is what the tests need of any simulated provider.
type book interface {
	Refuse()
	Resume()
	Heal()
	Delivered() [][]byte
}

// of returns the provider of a kind.
func (r *route) of(kind string) book {
	switch kind {
	case "sendgrid":
		return r.sendgrid
	case "mailgun":
		return r.mailgun
	}
	return r.smtp
}

// wantCopies checks how many copies each provider has delivered: "sendgrid 1, mailgun 0".
func (r *route) wantCopies(t testing.TB, want string) {
	t.Helper()
	var got []string
	for one := range strings.SplitSeq(want, ", ") {
		kind, _, _ := strings.Cut(one, " ")
		got = append(got, fmt.Sprint(kind, " ", len(r.of(kind).Delivered())))
	}
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("delivered copies: %s, want %s", text, want)
	}
}

// only returns the only message that a provider has delivered.
func (r *route) only(t testing.TB, kind string) *mail.Message {
	t.Helper()
	all := r.of(kind).Delivered()
	if len(all) != 1 {
		t.Fatalf("%s has delivered %d messages, want 1", kind, len(all))
	}
	m, err := mail.ReadMessage(bytes.NewReader(all[0]))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// statuses returns what the API says of each recipient of a message, by address.
func (r *route) statuses(t testing.TB, m gateway.Answer) map[string]string {
	t.Helper()
	all := map[string]string{}
	list, _ := r.Do(t, "GET", "/api/emails/"+m.Text("id"), nil).JSON["recipients"].([]any)
	for _, one := range list {
		o, _ := one.(object)
		all[fmt.Sprint(o["email"])] = fmt.Sprint(o["status"])
	}
	return all
}
