// Package mailsim runs the suites of mail providers on their simulators.
package mailsim

import (
	"testing"
	"time"

	"patchbay/adapters/resilience"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/core/email"
	"patchbay/ports"
	"patchbay/tests/contract/mailtest"
	"patchbay/tests/defaultpolicy"
)

// Patience is how long the mailers under test must wait for a response.
const Patience = 2 * time.Second

// TemplateID is the id under which a provider that stores templates must store mailtest.Template,
// and that its mailer must know as mailtest.StoredTemplate.
const TemplateID = "d-17"

// Templates are the templates of such a mailer.
func Templates() map[string]string {
	return map[string]string{mailtest.StoredTemplate: TemplateID}
}

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

// Traits says where a provider differs from most.
type Traits struct {
	mailtest.Network
	Restamped bool // see mailtest.Harness
}

// Contract runs the suites for a mailer and its provider, also with the resilience policy around
// the mailer. faults maps each fault of the suite, except a refused connection, to the provider's
// way of causing it.
func Contract(t *testing.T, faults map[mailtest.Fault]faultserver.Fault, open func(t *testing.T) (ports.Mailer, Provider)) {
	ContractWith(t, Traits{}, faults, open)
}

// ContractWith is Contract for a provider with these traits.
func ContractWith(t *testing.T, traits Traits, faults map[mailtest.Fault]faultserver.Fault, open func(t *testing.T) (ports.Mailer, Provider)) {
	harness := func(t *testing.T) mailtest.NetworkHarness {
		mailer, provider := open(t)
		return mailtest.NetworkHarness{
			Harness: mailtest.Harness{
				Mailer: mailer, Delivered: func(*testing.T) [][]byte { return provider.Delivered() }, Restamped: traits.Restamped,
			},
			Attempts:    func() int { return len(provider.Requests()) },
			Connections: provider.Connections,
			Kept: func() (all []mailtest.Kept) {
				for _, l := range provider.Messages() {
					kept := mailtest.Kept{To: l.To, Variables: l.Variables, Tracking: l.Tracking}
					if l.Template != nil {
						kept.Template, kept.Data = l.Template.Name, l.Template.Variables
					}
					all = append(all, kept)
				}
				return all
			},
			TemplateID: templateID(mailer.Features()),
			Secrets:    []string{provider.Key()},
			Fail: func(t *testing.T, f mailtest.Fault, _ *email.Message) {
				provider.Heal()
				fault, ok := faults[f]
				status, paged := f.Page()
				switch {
				case ok:
					provider.Inject(fault)
				case paged:
					provider.Inject(faultserver.Fault{After: true, Mishap: faultserver.Page(status)})
				case f == mailtest.Refused:
					provider.Refuse()
				case f != mailtest.None:
					t.Fatalf("the harness has no fault %s", f)
				}
			},
		}
	}
	policy := defaultpolicy.Provider()
	policy.Attempts = 1 // the suite makes one call fail and must see its error
	t.Run("mail", func(t *testing.T) {
		t.Parallel()
		mailtest.Run(t, func(t *testing.T) mailtest.Harness { return harness(t).Harness })
	})
	t.Run("mail outcomes", func(t *testing.T) {
		t.Parallel()
		mailtest.RunNetwork(t, traits.Network, harness)
	})
	t.Run("mail outcomes within a policy", func(t *testing.T) {
		t.Parallel()
		mailtest.RunNetwork(t, traits.Network, func(t *testing.T) mailtest.NetworkHarness {
			h := harness(t)
			h.Mailer = resilience.NewMailer(h.Mailer, resilience.Options{Policy: policy})
			return h
		})
	})
}

// templateID returns the TemplateID, or nothing for a mailer whose provider stores no templates.
func templateID(f email.Features) string {
	if f.Templates == nil {
		return ""
	}
	return TemplateID
}
