package sendgridmail_test

import (
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/ports"
	"patchbay/tests/contract"
	"patchbay/tests/mailsim"
	"patchbay/tests/sendgridapi"
)

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("verifier", verifierContract)
	mailsim.Contract(t, faults, func(t *testing.T) (ports.Mailer, mailsim.Provider) {
		sim := sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)})
		m, err := sendgridmail.New(sendgridmail.Options{
			Name: "sendgrid", APIKey: sim.Key(), HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: mailsim.Patience},
		})
		if err != nil {
			t.Fatal(err)
		}
		return m, sim
	})
}

var faults = map[contract.MailFault]faultserver.Fault{
	contract.MailRejected:     {Mishap: sendgridsim.BadRecipient()},
	contract.MailUnauthorized: {Mishap: sendgridsim.Unauthorized()},
	contract.MailSender:       {Mishap: sendgridsim.UnverifiedSender()},
	contract.MailSuspended:    {Mishap: sendgridsim.Suspended()},
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
