package sendgridmail_test

import (
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/ports"
	"patchbay/tests/contract/mailtest"
	"patchbay/tests/mailsim"
	"patchbay/tests/sendgridapi"
)

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("verifier", verifierContract)
	mailsim.Contract(t, faults, func(t *testing.T) (ports.Mailer, mailsim.Provider) {
		sim := sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)})
		source := mailtest.Template()
		sim.Store(mailsim.TemplateID, sendgridsim.Version{ID: "1", Active: 1, Name: "one", Subject: source.Subject, HTML: source.HTML, Plain: source.Text})
		m, err := sendgridmail.New(sendgridmail.Options{
			Name: "sendgrid", APIKey: sim.Key(), Templates: mailsim.Templates(), HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: mailsim.Patience},
		})
		if err != nil {
			t.Fatal(err)
		}
		return m, sim
	})
}

var faults = map[mailtest.Fault]faultserver.Fault{
	mailtest.Rejected:      {Mishap: sendgridsim.BadRecipient()},
	mailtest.Unauthorized:  {Mishap: sendgridsim.Unauthorized()},
	mailtest.SenderRefused: {Mishap: sendgridsim.UnverifiedSender()},
	mailtest.Suspended:     {Mishap: sendgridsim.Suspended()},
	mailtest.Exhausted:     {Mishap: sendgridsim.CreditsExceeded()},
	mailtest.RateLimited:   {Mishap: sendgridsim.RateLimited(time.Minute)},
	mailtest.Unavailable:   {Mishap: sendgridsim.ServiceUnavailable()},
	mailtest.ServerError:   {Mishap: sendgridsim.ServerError()},
	mailtest.Malformed:     {After: true, Mishap: faultserver.Answer(201, nil, "?")},
	mailtest.NoSuccess:     {Mishap: sendgridsim.Sandboxed()},
	mailtest.ResetBefore:   {Mishap: faultserver.Reset()},
	mailtest.ResetAfter:    {After: true, Mishap: faultserver.Reset()},
	mailtest.HangsAfter:    {After: true, Mishap: faultserver.Hang()},
	mailtest.HangsForever:  {Mishap: faultserver.Hang()},
}
