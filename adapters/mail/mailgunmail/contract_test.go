package mailgunmail_test

import (
	"testing"
	"time"

	"patchbay/adapters/failover"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/mailgunmail"
	"patchbay/ports"
	"patchbay/tests/contract"
	"patchbay/tests/faultserver"
	"patchbay/tests/mailgunsim"
)

// patience is how long the mailers under test wait for an answer.
const patience = 2 * time.Second

func open(t *testing.T, sim *mailgunsim.Sim) *mailgunmail.Mailer {
	t.Helper()
	m, err := mailgunmail.New(mailgunmail.Options{
		Name: "mailgun", Domain: sim.Domain(), APIKey: sim.Key(), HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: patience},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestContract(t *testing.T) {
	t.Parallel()
	bare := func(m *mailgunmail.Mailer) ports.Mailer { return m }
	t.Run("mail", func(t *testing.T) {
		t.Parallel()
		contract.Mail(t, func(t *testing.T) contract.MailHarness { return harness(t, bare).MailHarness })
	})
	t.Run("mail outcomes", func(t *testing.T) {
		t.Parallel()
		contract.MailOutcomes(t, func(t *testing.T) contract.MailOutcomesHarness { return harness(t, bare) })
	})
	t.Run("mail outcomes within a policy", func(t *testing.T) {
		t.Parallel()
		policy := failover.Default
		policy.Attempts = 1 // the suite makes one call fail, and wants to see it
		contract.MailOutcomes(t, func(t *testing.T) contract.MailOutcomesHarness {
			return harness(t, func(m *mailgunmail.Mailer) ports.Mailer {
				return failover.NewMailer(m, failover.Options{Policy: policy})
			})
		})
	})
}

func harness(t *testing.T, within func(*mailgunmail.Mailer) ports.Mailer) contract.MailOutcomesHarness {
	sim := mailgunsim.Start(t, mailgunsim.Options{})
	return contract.MailOutcomesHarness{
		MailHarness: contract.MailHarness{
			Mailer:    within(open(t, sim)),
			Delivered: func(*testing.T) [][]byte { return sim.Delivered() },
		},
		Requests: func() int { return len(sim.Requests()) },
		Secrets:  []string{sim.Key()},
		Fail: func(_ *testing.T, f contract.MailFault) {
			sim.Heal()
			if fault, ok := faults[f]; ok {
				sim.Inject(fault)
			} else if f == contract.MailRefused {
				sim.Refuse()
			}
		},
	}
}

var faults = map[contract.MailFault]faultserver.Fault{
	contract.MailRejected:     {Mishap: mailgunsim.BadRecipient()},
	contract.MailUnauthorized: {Mishap: mailgunsim.Unauthorized()},
	contract.MailForbidden:    {Mishap: mailgunsim.Forbidden()},
	contract.MailExhausted:    {Mishap: mailgunsim.PaymentRequired()},
	contract.MailRateLimited:  {Mishap: mailgunsim.RateLimited(time.Minute)},
	contract.MailUnavailable:  {Mishap: mailgunsim.ServiceUnavailable()},
	contract.MailServerError:  {Mishap: mailgunsim.ServerError()},
	contract.MailMalformed:    {After: true, Mishap: faultserver.Answer(200, nil, `{"id":`)},
	contract.MailNoSuccess:    {Mishap: mailgunsim.Magnificent()},
	contract.MailResetBefore:  {Mishap: faultserver.Reset()},
	contract.MailResetAfter:   {After: true, Mishap: faultserver.Reset()},
	contract.MailHangsAfter:   {After: true, Mishap: faultserver.Hang()},
	contract.MailHangsForever: {Mishap: faultserver.Hang()},
}
