// Package mailsim runs the suites of mail providers on their simulators.
package mailsim

import (
	"testing"
	"time"

	"patchbay/adapters/resilience"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/ports"
	"patchbay/tests/contract"
)

// Patience is how long the mailers under test must wait for a response.
const Patience = 2 * time.Second

// Provider is a simulator of a mail provider.
type Provider interface {
	Key() string
	Delivered() [][]byte
	Messages() []mailbox.Message
	Requests() []faultserver.Request
	Connections() int
	Inject(faults ...faultserver.Fault)
	Refuse()
	Heal()
}

// Contract runs the suites for a mailer and its provider, also with the resilience policy around
// the mailer. faults maps each fault of the suite, except a refused connection, to the provider's
// way of causing it.
func Contract(t *testing.T, faults map[contract.MailFault]faultserver.Fault, open func(t *testing.T) (ports.Mailer, Provider)) {
	harness := func(t *testing.T) contract.MailOutcomesHarness {
		mailer, provider := open(t)
		return contract.MailOutcomesHarness{
			MailHarness: contract.MailHarness{
				Mailer: mailer, Delivered: func(*testing.T) [][]byte { return provider.Delivered() },
			},
			Requests:    func() int { return len(provider.Requests()) },
			Connections: provider.Connections,
			Kept: func() (all []contract.MailKept) {
				for _, l := range provider.Messages() {
					all = append(all, contract.MailKept{To: l.To, Variables: l.Variables})
				}
				return all
			},
			Secrets: []string{provider.Key()},
			Fail: func(t *testing.T, f contract.MailFault) {
				provider.Heal()
				fault, ok := faults[f]
				status, paged := f.Page()
				switch {
				case ok:
					provider.Inject(fault)
				case paged:
					provider.Inject(faultserver.Fault{After: true, Mishap: faultserver.Page(status)})
				case f == contract.MailRefused:
					provider.Refuse()
				case f != "":
					t.Fatalf("the harness has no fault %s", f)
				}
			},
		}
	}
	policy := resilience.Default
	policy.Attempts = 1 // the suite makes one call fail and must see its error
	t.Run("mail", func(t *testing.T) {
		t.Parallel()
		contract.Mail(t, func(t *testing.T) contract.MailHarness { return harness(t).MailHarness })
	})
	t.Run("mail outcomes", func(t *testing.T) {
		t.Parallel()
		contract.MailOutcomes(t, harness)
	})
	t.Run("mail outcomes within a policy", func(t *testing.T) {
		t.Parallel()
		contract.MailOutcomes(t, func(t *testing.T) contract.MailOutcomesHarness {
			h := harness(t)
			h.Mailer = resilience.NewMailer(h.Mailer, resilience.Options{Policy: policy})
			return h
		})
	})
}
