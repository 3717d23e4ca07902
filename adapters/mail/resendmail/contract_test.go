package resendmail_test

import (
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/resendmail"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/resendsim"
	"patchbay/core/email"
	"patchbay/ports"
	"patchbay/tests/contract/mailtest"
	"patchbay/tests/mailsim"
)

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("verifier", verifierContract)
	mailsim.Contract(t, faults, func(t *testing.T) (ports.Mailer, mailsim.Provider) {
		sim := resendsim.Start(t, resendsim.Options{})
		m, err := resendmail.New(resendmail.Options{
			Name: "resend", APIKey: sim.Key(), Account: "one", Tracking: []email.Tracking{email.TrackingOff}, HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: mailsim.Patience},
		})
		if err != nil {
			t.Fatal(err)
		}
		return m, sim
	})
}

var faults = map[mailtest.Fault]faultserver.Fault{
	mailtest.Rejected:      {Mishap: resendsim.BadRecipient()},
	mailtest.Unauthorized:  {Mishap: resendsim.Unauthorized()},
	mailtest.SenderRefused: {Mishap: resendsim.UnverifiedSender()},
	mailtest.Suspended:     {Mishap: resendsim.Suspended()},
	mailtest.Exhausted:     {Mishap: resendsim.QuotaExceeded()},
	mailtest.RateLimited:   {Mishap: resendsim.RateLimited(time.Minute)},
	mailtest.Unavailable:   {Mishap: resendsim.ServiceUnavailable()},
	mailtest.ServerError:   {Mishap: resendsim.ServerError()},
	mailtest.Malformed:     {After: true, Mishap: faultserver.Answer(200, nil, `{"id":`)},
	mailtest.NoSuccess:     {Mishap: faultserver.Answer(200, nil, `{}`)},
	mailtest.ResetBefore:   {Mishap: faultserver.Reset()},
	mailtest.ResetAfter:    {After: true, Mishap: faultserver.Reset()},
	mailtest.HangsAfter:    {After: true, Mishap: faultserver.Hang()},
	mailtest.HangsForever:  {Mishap: faultserver.Hang()},
}
