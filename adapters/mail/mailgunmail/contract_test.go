package mailgunmail_test

import (
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/mailgunmail"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/ports"
	"patchbay/tests/contract/mailtest"
	"patchbay/tests/mailsim"
)

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("verifier", verifierContract)
	mailsim.Contract(t, faults, func(t *testing.T) (ports.Mailer, mailsim.Provider) {
		sim := mailgunsim.Start(t, mailgunsim.Options{})
		source := mailtest.Template()
		sim.Store(mailsim.TemplateID, mailgunsim.Version{Active: true, Tag: "one", Template: source.HTML, Headers: map[string]string{"Subject": source.Subject}})
		m, err := mailgunmail.New(mailgunmail.Options{
			Name: "mailgun", Domain: sim.Domain(), APIKey: sim.Key(), Templates: mailsim.Templates(), HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: mailsim.Patience},
		})
		if err != nil {
			t.Fatal(err)
		}
		return m, sim
	})
}

var faults = map[mailtest.Fault]faultserver.Fault{
	mailtest.Rejected:      {Mishap: mailgunsim.BadRecipient()},
	mailtest.Unauthorized:  {Mishap: mailgunsim.Unauthorized()},
	mailtest.SenderRefused: {Mishap: mailgunsim.BadSender()},
	mailtest.Suspended:     {Mishap: mailgunsim.Suspended()},
	mailtest.Exhausted:     {Mishap: mailgunsim.PaymentRequired()},
	mailtest.RateLimited:   {Mishap: mailgunsim.RateLimited(time.Minute)},
	mailtest.Unavailable:   {Mishap: mailgunsim.ServiceUnavailable()},
	mailtest.ServerError:   {Mishap: mailgunsim.ServerError()},
	mailtest.Malformed:     {After: true, Mishap: faultserver.Answer(200, nil, `{"id":`)},
	mailtest.NoSuccess:     {Mishap: mailgunsim.Magnificent()},
	mailtest.ResetBefore:   {Mishap: faultserver.Reset()},
	mailtest.ResetAfter:    {After: true, Mishap: faultserver.Reset()},
	mailtest.HangsAfter:    {After: true, Mishap: faultserver.Hang()},
	mailtest.HangsForever:  {Mishap: faultserver.Hang()},
}
