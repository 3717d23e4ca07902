package sesmail_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sesmail"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/sessim"
	"patchbay/ports"
	"patchbay/tests/contract/mailtest"
	"patchbay/tests/mailsim"
)

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("verifier", verifierContract)
	traits := mailsim.Traits{Network: mailtest.Network{NoRetryAfter: true}, Restamped: true}
	mailsim.ContractWith(t, traits, faults, func(t *testing.T) (ports.Mailer, mailsim.Provider) {
		sim := sessim.Start(t, sessim.Options{Token: "token", ConfigurationSets: []string{"shop"}})
		sim.Store(mailsim.TemplateID, mailtest.Template())
		m, err := sesmail.New(sesmail.Options{
			Name: "ses", Region: sim.Region(), AccessKeyID: sim.KeyID(), SecretAccessKey: sim.Key(), SessionToken: "token", ConfigurationSet: "shop",
			Templates: mailsim.Templates(), Clock: clock.System{}, HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: mailsim.Patience},
		})
		if err != nil {
			t.Fatal(err)
		}
		return m, sim
	})
}

var faults = map[mailtest.Fault]faultserver.Fault{
	mailtest.Rejected:      {Mishap: sessim.BadRecipient()},
	mailtest.Unauthorized:  {Mishap: sessim.Unauthorized()},
	mailtest.SenderRefused: {Mishap: sessim.UnverifiedSender("shop@example.com")},
	mailtest.Suspended:     {Mishap: sessim.Suspended()},
	mailtest.Exhausted:     {Mishap: sessim.QuotaExceeded()},
	mailtest.RateLimited:   {Mishap: sessim.RateLimited()},
	mailtest.Unavailable:   {Mishap: sessim.ServiceUnavailable()},
	mailtest.ServerError:   {Mishap: sessim.ServerError()},
	mailtest.Malformed:     {After: true, Mishap: faultserver.Answer(200, nil, `{"MessageId":`)},
	mailtest.NoSuccess:     {Mishap: faultserver.Answer(200, nil, `{}`)},
	mailtest.ResetBefore:   {Mishap: faultserver.Reset()},
	mailtest.ResetAfter:    {After: true, Mishap: faultserver.Reset()},
	mailtest.HangsAfter:    {After: true, Mishap: faultserver.Hang()},
	mailtest.HangsForever:  {Mishap: faultserver.Hang()},
}
