package sendgridmail_test

import (
	"testing"
	"time"

	"patchbay/adapters/failover"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/ports"
	"patchbay/tests/contract"
	"patchbay/tests/faultserver"
	"patchbay/tests/sendgridsim"
)

// patience is how long the mailers under test wait for an answer.
const patience = 2 * time.Second

func open(t *testing.T, sim *sendgridsim.Sim) *sendgridmail.Mailer {
	t.Helper()
	m, err := sendgridmail.New(sendgridmail.Options{
		Name: "sendgrid", APIKey: sim.Key(), HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: patience},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestContract(t *testing.T) {
	t.Parallel()
	bare := func(m *sendgridmail.Mailer) ports.Mailer { return m }
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
			return harness(t, func(m *sendgridmail.Mailer) ports.Mailer {
				return failover.NewMailer(m, failover.Options{Policy: policy})
			})
		})
	})
}

func harness(t *testing.T, within func(*sendgridmail.Mailer) ports.Mailer) contract.MailOutcomesHarness {
	sim := sendgridsim.Start(t, sendgridsim.Options{})
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
	contract.MailRejected:     {Mishap: sendgridsim.BadRecipient()},
	contract.MailUnauthorized: {Mishap: sendgridsim.Unauthorized()},
	contract.MailForbidden:    {Mishap: sendgridsim.Forbidden()},
	contract.MailExhausted:    {Mishap: sendgridsim.CreditsExceeded()},
	contract.MailRateLimited:  {Mishap: sendgridsim.RateLimited(time.Minute)},
	contract.MailUnavailable:  {Mishap: sendgridsim.ServiceUnavailable()},
	contract.MailServerError:  {Mishap: sendgridsim.ServerError()},
	contract.MailMalformed:    {After: true, Mishap: faultserver.Answer(201, nil, "?")},
	contract.MailNoSuccess:    {Mishap: sendgridsim.Sandboxed()},
	contract.MailResetBefore:  {Mishap: faultserver.Reset()},
	contract.MailResetAfter:   {After: true, Mishap: faultserver.Reset()},
	contract.MailHangsAfter:   {After: true, Mishap: faultserver.Hang()},
	contract.MailHangsForever: {Mishap: faultserver.Hang()},
}
