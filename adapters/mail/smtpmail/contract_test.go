package smtpmail_test

import (
	"testing"

	"patchbay/adapters/resilience"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/core/email"
	"patchbay/tests/contract/mailtest"
	"patchbay/tests/defaultpolicy"
	"patchbay/tests/mailsim"
)

func TestContract(t *testing.T) {
	t.Parallel()
	network := mailtest.Network{
		NotHTTP: true, NoRetryAfter: true, NoMarks: true, SMTP: true,
		Ends: []mailtest.Fault{mailtest.Unauthorized, mailtest.Unavailable, mailtest.ServerError},
	}
	policy := defaultpolicy.Provider()
	policy.Attempts = 1 // the suite makes one call fail and must see its error
	t.Run("mail", func(t *testing.T) {
		t.Parallel()
		mailtest.Run(t, func(t *testing.T) mailtest.Harness { return harness(t).Harness })
	})
	t.Run("mail outcomes", func(t *testing.T) {
		t.Parallel()
		mailtest.RunNetwork(t, network, harness)
	})
	t.Run("mail outcomes within a policy", func(t *testing.T) {
		t.Parallel()
		mailtest.RunNetwork(t, network, func(t *testing.T) mailtest.NetworkHarness {
			h := harness(t)
			h.Mailer = resilience.NewMailer(h.Mailer, resilience.Options{Policy: policy})
			return h
		})
	})
}

// harness is a mailer whose server demands STARTTLS, as that of a provider does.
func harness(t *testing.T) mailtest.NetworkHarness {
	t.Helper()
	sim := smtpsim.Start(t, smtpsim.Options{Security: smtpsim.StartTLS})
	return mailtest.NetworkHarness{
		Harness: mailtest.Harness{
			Mailer: open(t, trusting(t, sim, "starttls"), mailsim.Patience), Delivered: func(*testing.T) [][]byte { return sim.Delivered() },
		},
		Attempts:    sim.Attempts,
		Connections: sim.Connections,
		Kept: func() (all []mailtest.Kept) {
			for _, m := range sim.Messages() {
				all = append(all, mailtest.Kept{To: m.To})
			}
			return all
		},
		Secrets: []string{sim.Key()},
		Fail: func(t *testing.T, f mailtest.Fault, _ *email.Message) {
			sim.Heal()
			switch {
			case f == mailtest.Refused:
				sim.Refuse()
			case f == mailtest.Unauthorized && sim.Open() > 0: // a session whose credentials are known
				sim.Inject(smtpsim.Fault{At: smtpsim.Mail, Mishap: smtpsim.Says("530 5.7.0 Authentication required")})
			case f != mailtest.None:
				fault, ok := faults[f]
				if !ok {
					t.Fatalf("the harness has no fault %s", f)
				}
				sim.Inject(fault)
			}
		},
	}
}

// faults are the ways of a server to fail. They are in the words of real ones.
var faults = map[mailtest.Fault]smtpsim.Fault{
	mailtest.Rejected:      {At: smtpsim.Rcpt, Mishap: smtpsim.Says("550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown")},
	mailtest.Unauthorized:  {At: smtpsim.Auth, Mishap: smtpsim.Says("535 5.7.8 Authentication credentials invalid")},
	mailtest.SenderRefused: {At: smtpsim.Mail, Mishap: smtpsim.Says("553 5.7.1 <shop@example.com>: Sender address rejected: not owned by user")},
	mailtest.Suspended:     {At: smtpsim.Message, Mishap: smtpsim.Says("554 5.7.1 Your account has been suspended")},
	mailtest.Exhausted:     {At: smtpsim.Auth, Mishap: smtpsim.Says("451 Authentication failed: Maximum credits exceeded")},
	mailtest.RateLimited:   {At: smtpsim.Mail, Mishap: smtpsim.Says("450 4.7.1 Too many messages, slow down")},
	mailtest.Unavailable:   {At: smtpsim.Mail, Mishap: smtpsim.SaysAndCloses("421 4.3.2 Service not available")},
	mailtest.ServerError:   {At: smtpsim.Message, Mishap: smtpsim.Says("599 What")},
	mailtest.Malformed:     {At: smtpsim.Message, After: true, Mishap: smtpsim.Says("ada@example.com?")},
	mailtest.NoSuccess:     {At: smtpsim.Message, Mishap: smtpsim.Says("252 2.0.0 Cannot tell")},
	mailtest.ResetBefore:   {At: smtpsim.Message, Mishap: smtpsim.Resets()},
	mailtest.ResetAfter:    {At: smtpsim.Message, After: true, Mishap: smtpsim.Resets()},
	mailtest.HangsAfter:    {At: smtpsim.Message, After: true, Mishap: smtpsim.Hangs()},
	mailtest.HangsForever:  {At: smtpsim.Message, Mishap: smtpsim.Hangs()},
	mailtest.OneRefused:    {At: smtpsim.Rcpt, Match: "eve@", Mishap: smtpsim.Says("550 5.1.1 <eve@example.com>: User unknown")},
	mailtest.EndsAfter:     {At: smtpsim.Message, After: true, Mishap: smtpsim.AnswersAndCloses()},
	mailtest.ClosedAtRcpt:  {At: smtpsim.Rcpt, Mishap: smtpsim.Closes()},
}
