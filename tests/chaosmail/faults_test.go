package chaosmail_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"sync"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/resendsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/smtpsim"
)

// stage is a way to fail at a stage of a request.
type stage struct {
	name   string
	chance float64
	after  bool // the request was executed before
	means  meaning
	mishap faultserver.Mishap
}

// meaning is what a fault tells the gateway about the request.
type meaning int

const (
	doubt      meaning = iota // whether it was executed is not known
	notSent                   // it was not executed
	turnedDown                // this provider will never execute it
	badAddress                // a recipient is refused, and with it the message
)

// drawn is a fault that applied to a request of an attempt.
type drawn struct {
	provider, stage string
	after           bool
	means           meaning
	at              time.Time
}

// stages are the faults that every HTTP provider has: those of the network and of proxies.
func stages(own []stage) []stage {
	return append([]stage{
		{"a reset before it is executed", 0.010, false, doubt, faultserver.Reset()},
		{"a reset once it is executed", 0.020, true, doubt, faultserver.Reset()},
		{"half an answer", 0.005, true, doubt, faultserver.Truncate()},
		{"no answer before it is executed", 0.001, false, doubt, faultserver.Hang()},
		{"no answer once it is executed", 0.002, true, doubt, faultserver.Hang()},
		{"a proxy's 502 before it is executed", 0.005, false, doubt, faultserver.Page(http.StatusBadGateway)},
		{"a proxy's 502 once it is executed", 0.005, true, doubt, faultserver.Page(http.StatusBadGateway)},
		{"a proxy's 504 once it is executed", 0.005, true, doubt, faultserver.Page(http.StatusGatewayTimeout)},
		{"a proxy's 503 once it is executed", 0.003, true, doubt, faultserver.Page(http.StatusServiceUnavailable)},
		{"a proxy's 429 once it is executed", 0.003, true, doubt, faultserver.Page(http.StatusTooManyRequests)},
		{"a proxy's 403 once it is executed", 0.003, true, doubt, faultserver.Page(http.StatusForbidden)},
		{"a proxy's 401 once it is executed", 0.003, true, doubt, faultserver.Page(http.StatusUnauthorized)},
	}, own...)
}

// ownStages are the answers of each provider itself.
var ownStages = map[string][]stage{
	"sendgrid": {
		{"500 before it is executed", 0.005, false, doubt, sendgridsim.ServerError()},
		{"500 once it is executed", 0.005, true, doubt, sendgridsim.ServerError()},
		{"503", 0.010, false, notSent, sendgridsim.ServiceUnavailable()},
		{"429", 0.005, false, notSent, sendgridsim.RateLimited(time.Second)},
		{"401, no credits", 0.001, false, notSent, sendgridsim.CreditsExceeded()},
		{"403, suspended", 0.001, false, notSent, sendgridsim.Suspended()},
		{"403, sender not verified", 0.001, false, turnedDown, sendgridsim.UnverifiedSender()},
	},
	"mailgun": {
		{"500 before it is executed", 0.005, false, doubt, mailgunsim.ServerError()},
		{"500 once it is executed", 0.005, true, doubt, mailgunsim.ServerError()},
		{"503", 0.010, false, notSent, mailgunsim.ServiceUnavailable()},
		{"429", 0.005, false, notSent, mailgunsim.RateLimited(time.Second)},
		{"402, no credits", 0.001, false, notSent, mailgunsim.PaymentRequired()},
		{"403, suspended", 0.001, false, notSent, mailgunsim.Suspended()},
		{"400, sender not allowed", 0.001, false, turnedDown, mailgunsim.BadSender()},
	},
	"resend": {
		{"500 before it is executed", 0.005, false, doubt, resendsim.ServerError()},
		{"500 once it is executed", 0.005, true, doubt, resendsim.ServerError()},
		{"503", 0.010, false, notSent, resendsim.ServiceUnavailable()},
		{"429", 0.005, false, notSent, resendsim.RateLimited(time.Second)},
		{"429, no quota", 0.001, false, notSent, resendsim.QuotaExceeded()},
		{"403, suspended", 0.001, false, notSent, resendsim.Suspended()},
	},
}

var badRecipients = map[string]faultserver.Mishap{
	"sendgrid": sendgridsim.BadRecipient(), "mailgun": mailgunsim.BadRecipient(), "resend": resendsim.BadRecipient(),
}

// book records which faults applied to which attempts.
type book struct {
	seed uint64

	mu       sync.Mutex
	attempts map[string][]drawn // by attempt, which SMTP does not name
	bySMTP   []drawn
	counts   map[string]int // by provider and stage
	asked    map[string]int // how often a provider was asked for a mail
	chosen   map[*http.Request]int
	random   *rand.Rand // for SMTP, where the steps before a message do not say what it is
}

func newBook(seed uint64) *book {
	return &book{
		seed: seed, attempts: map[string][]drawn{}, counts: map[string]int{}, asked: map[string]int{}, chosen: map[*http.Request]int{},
		random: rand.New(rand.NewPCG(seed, hash(seed, "smtp"))),
	}
}

var attemptID = regexp.MustCompile(`att_[0-9a-z]{26}`)

// faults returns the faults of an HTTP provider. Which of them applies to a request follows from the
// seed, the provider, the mail, and how often the provider was asked for it, so that a seed has the
// same faults again.
func (b *book) faults(provider string) (all []faultserver.Fault) {
	list := append([]stage{{"a bad address", 0, false, badAddress, badRecipients[provider]}}, stages(ownStages[provider])...)
	for i, s := range list {
		all = append(all, faultserver.Fault{Standing: true, After: s.after, Mishap: s.mishap, Match: func(r *http.Request, body []byte) bool {
			return b.chosenFor(provider, list, r, body) == i
		}})
	}
	return all
}

// chosenFor returns which fault applies to a request, -1 for none. It is asked once for each fault in
// turn, and decides the first time.
func (b *book) chosenFor(provider string, list []stage, r *http.Request, body []byte) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, decided := b.chosen[r]; decided {
		return i
	}
	i := b.choose(provider, list, body)
	b.chosen[r] = i
	if i >= 0 {
		b.note(drawn{provider, list[i].name, list[i].after, list[i].means, time.Now()}, string(attemptID.Find(body)))
	}
	return i
}

// choose draws the fault of a request. b.mu is held.
func (b *book) choose(provider string, list []stage, body []byte) int {
	mail := ownAddress.FindStringSubmatch(string(body))
	if mail == nil {
		return -1 // not about a mail
	}
	asked := fmt.Sprint(provider, " ", mail[1])
	b.asked[asked]++
	if refusedAddress.Match(body) {
		return 0
	}
	at := float64(hash(b.seed, "fault", asked, b.asked[asked])) / (1 << 64)
	for i, s := range list {
		if at < s.chance {
			return i
		}
		at -= s.chance
	}
	return -1
}

var refusedAddress = regexp.MustCompile(regexp.QuoteMeta(refusedMark))

// note records a fault. b.mu is held.
func (b *book) note(d drawn, attempt string) {
	b.counts[d.provider+": "+d.stage]++
	if attempt == "" {
		b.bySMTP = append(b.bySMTP, d)
		return
	}
	b.attempts[attempt] = append(b.attempts[attempt], d)
}

// smtpStage is a way to fail at a step of SMTP.
type smtpStage struct {
	name   string
	chance float64
	at     smtpsim.Step
	after  bool
	means  meaning
	mishap smtpsim.Mishap
}

var smtpStages = []smtpStage{
	{"421 as greeting", 0.010, smtpsim.Greeting, true, notSent, smtpsim.SaysAndCloses("421 4.3.2 Too busy")},
	{"a reset instead of a greeting", 0.010, smtpsim.Greeting, true, notSent, smtpsim.Resets()},
	{"a reset at EHLO", 0.005, smtpsim.Ehlo, false, notSent, smtpsim.Resets()},
	{"454 to STARTTLS", 0.005, smtpsim.StartsTLS, false, notSent, smtpsim.Says("454 4.7.0 TLS not available")},
	{"a reset at STARTTLS", 0.005, smtpsim.StartsTLS, false, notSent, smtpsim.Resets()},
	{"454 to AUTH", 0.005, smtpsim.Auth, false, notSent, smtpsim.Says("454 4.7.0 Temporary authentication failure")},
	{"451 to MAIL", 0.005, smtpsim.Mail, false, notSent, smtpsim.Says("451 4.3.0 Try again")},
	{"a reset at RCPT", 0.005, smtpsim.Rcpt, false, notSent, smtpsim.Resets()},
	{"451 to DATA", 0.005, smtpsim.Data, false, notSent, smtpsim.Says("451 4.3.0 Try again")},
	{"451 to the message", 0.005, smtpsim.Message, false, notSent, smtpsim.Says("451 4.3.0 Try again")},
	{"a reset before the message is taken", 0.005, smtpsim.Message, false, doubt, smtpsim.Resets()},
	{"a reset once the message is taken", 0.020, smtpsim.Message, true, doubt, smtpsim.Resets()},
	{"no answer once the message is taken", 0.003, smtpsim.Message, true, doubt, smtpsim.Hangs()},
	{"421 once the message is taken", 0.005, smtpsim.Message, true, doubt, smtpsim.SaysAndCloses("421 4.3.2 Shutting down")},
	{"250, then a reset", 0.005, smtpsim.Message, true, notSent, smtpsim.AnswersAndResets()},
}

// smtpFaults returns the faults of the SMTP server.
func (b *book) smtpFaults() []smtpsim.Fault {
	all := []smtpsim.Fault{{
		At: smtpsim.Rcpt, Match: refusedMark, Standing: true, Mishap: smtpsim.Says("550 5.1.1 No such user"),
		When: func() bool { return b.smtpApplies(smtpStage{name: "a bad address", chance: 1, means: badAddress}) },
	}}
	for _, s := range smtpStages {
		all = append(all, smtpsim.Fault{At: s.at, After: s.after, Mishap: s.mishap, Standing: true, When: func() bool { return b.smtpApplies(s) }})
	}
	return all
}

func (b *book) smtpApplies(s smtpStage) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.random.Float64() >= s.chance {
		return false
	}
	b.note(drawn{"smtp", s.name, s.after, s.means, time.Now()}, "")
	return true
}

// lines returns how often each fault applied, a line for each provider.
func (b *book) lines() (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, provider := range []string{"smtp", "sendgrid", "mailgun", "resend"} {
		all = append(all, "faults of "+provider+": "+lines(b.counts, provider))
	}
	return all
}
