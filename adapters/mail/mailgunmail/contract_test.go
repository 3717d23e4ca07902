package mailgunmail_test

import (
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/mailgunmail"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/ports"
	"patchbay/tests/contract"
	"patchbay/tests/mailsim"
)

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("verifier", verifierContract)
	mailsim.Contract(t, faults, func(t *testing.T) (ports.Mailer, mailsim.Provider) {
		sim := mailgunsim.Start(t, mailgunsim.Options{})
		m, err := mailgunmail.New(mailgunmail.Options{
			Name: "mailgun", Domain: sim.Domain(), APIKey: sim.Key(), HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: mailsim.Patience},
		})
		if err != nil {
			t.Fatal(err)
		}
		return m, sim
	})
}

var faults = map[contract.MailFault]faultserver.Fault{
	contract.MailRejected:     {Mishap: mailgunsim.BadRecipient()},
	contract.MailUnauthorized: {Mishap: mailgunsim.Unauthorized()},
	contract.MailSender:       {Mishap: mailgunsim.BadSender()},
	contract.MailSuspended:    {Mishap: mailgunsim.Suspended()},
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
