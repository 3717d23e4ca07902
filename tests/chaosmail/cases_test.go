package chaosmail_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// now is when each attempt of a case begins, a second after the one before. It takes half a second.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds float64) time.Time { return now.Add(time.Duration(seconds * float64(time.Second))) }

// plain is the mail of most cases.
func plain(delivery string) *mail {
	m := &mail{way: single, delivery: delivery, from: "orders@" + shop, subject: "Your order", text: "Thank you."}
	m.to = []person{{"Person 0-0", "m0.r0@example.com"}}
	return m
}

// bad is a mail to an address that is refused.
func bad(delivery string) *mail {
	m := plain(delivery)
	m.refused, m.to[0].address = true, "m0.r0"+refusedMark+"example.com"
	return m
}

// happened returns the facts about one mail: its state, and its attempts at SendGrid with these outcomes.
func happened(m *mail, status string, outcomes ...string) *facts {
	one := stored{ID: "msg_0", Status: status, Recipients: []recipient{{m.to[0].address, status}}}
	for i, outcome := range outcomes {
		one.Attempts = append(one.Attempts, attempt{
			ID: "att_" + string(rune('a'+i)), Provider: "sendgrid", Outcome: outcome, StartedAt: at(float64(i)), EndedAt: at(float64(i) + 0.5),
		})
	}
	return &facts{mails: []*mail{m}, accepted: map[string]string{m.key(): "msg_0"}, messages: []stored{one}, faults: map[string][]drawn{}}
}

// copied adds a copy that an attempt has sent.
func (f *facts) copied(attempt int) *facts {
	raw, err := f.mails[0].raw()
	if err != nil {
		panic(err)
	}
	f.copies = append(f.copies, delivery{
		provider: "sendgrid", attempt: "att_" + string(rune('a'+attempt)), to: []string{f.mails[0].to[0].address}, raw: raw, at: at(float64(attempt) + 0.2),
	})
	return f
}

// faulted adds a fault of an attempt.
func (f *facts) faulted(attempt int, after bool, means meaning) *facts {
	id := "att_" + string(rune('a'+attempt))
	f.faults[id] = append(f.faults[id], drawn{provider: "sendgrid", after: after, means: means, at: at(float64(attempt) + 0.1)})
	return f
}

// disturbed adds a disturbance.
func (f *facts) disturbed(seconds float64, what string) *facts {
	f.disturbances = append(f.disturbances, disturbance{at(seconds), at(seconds + 0.1), what})
	return f
}

// but changes the facts.
func (f *facts) but(change func(f *facts)) *facts {
	change(f)
	return f
}

func TestAVerdictNamesWhatIsWrongAndNothingElse(t *testing.T) {
	t.Parallel()
	says := func(text, other string) func(*facts) {
		return func(f *facts) {
			f.copies[0].raw = []byte(strings.ReplaceAll(string(f.copies[0].raw), text, other))
		}
	}
	for name, c := range map[string]struct {
		facts *facts
		want  string // the only kind of problem, empty for none
	}{
		"sent, with its copy":     {happened(plain(atMostOnce), "sent", "accepted").copied(0), ""},
		"sent, without a copy":    {happened(plain(atMostOnce), "sent", "ambiguous"), lost},
		"accepted by nobody":      {happened(plain(atMostOnce), "failed", "accepted").faulted(0, false, badAddress), imagined},
		"accepted, and not known": {happened(plain(atMostOnce), "sent").but(func(f *facts) { f.messages = nil }), lost},
		"never accepted":          {happened(plain(atMostOnce), "sent", "accepted").copied(0).but(func(f *facts) { f.accepted = nil }), unaccepted},
		"kept twice": {
			happened(plain(atMostOnce), "sent", "accepted").copied(0).but(func(f *facts) {
				f.messages = append(f.messages, stored{ID: "msg_1", Recipients: f.messages[0].Recipients})
			}), twiceKept,
		},
		"accepted as another one": {happened(plain(atMostOnce), "sent", "accepted").copied(0).but(func(f *facts) { f.messages[0].ID = "msg_1" }), misled},
		"still queued":            {happened(plain(atMostOnce), "queued", "not_accepted"), endless},
		"failed for no reason":    {happened(plain(atLeastOnce), "failed", "not_accepted").faulted(0, false, notSent), unfounded},
		"failed, being refused":   {happened(plain(atLeastOnce), "failed", "rejected_message").faulted(0, false, badAddress), ""},
		"failed, being refused for another by SMTP": {
			happened(plain(atLeastOnce), "failed", "rejected_message").but(func(f *facts) {
				f.mails[0].refused = true
				f.bySMTP = append(f.bySMTP, drawn{provider: "smtp", means: badAddress, at: at(0.1)})
			}), unfounded,
		},
		"bounced, being refused": {happened(bad(atLeastOnce), "bounced", "rejected_message"), ""},
		"bounced for no reason":  {happened(plain(atLeastOnce), "bounced", "rejected_message"), unfounded},
		"bounced, with a copy":   {happened(bad(atLeastOnce), "bounced", "accepted").copied(0), unfounded},
		"canceled by nobody":     {happened(plain(atLeastOnce), "canceled"), unfounded},

		"unknown after an answer that says nothing": {happened(plain(atMostOnce), "unknown", "ambiguous").faulted(0, false, doubt), ""},
		"unknown after a kill":                      {happened(plain(atMostOnce), "unknown", "ambiguous").disturbed(0.3, killed), ""},
		"unknown after a kill at another time":      {happened(plain(atMostOnce), "unknown", "ambiguous").disturbed(0.7, killed), unfounded},
		"unknown after an outage":                   {happened(plain(atMostOnce), "unknown", "ambiguous").disturbed(0.3, "sendgrid"), ""},
		"unknown after an outage elsewhere":         {happened(plain(atMostOnce), "unknown", "ambiguous").disturbed(0.3, "mailgun"), unfounded},
		"unknown after a refusal":                   {happened(plain(atMostOnce), "unknown", "ambiguous").faulted(0, false, notSent), unfounded},
		"unknown though it may be sent twice":       {happened(plain(atLeastOnce), "unknown", "ambiguous").faulted(0, false, doubt), ""},

		"two copies under at_most_once": {
			happened(plain(atMostOnce), "sent", "ambiguous", "accepted").copied(0).copied(1).faulted(0, true, doubt), doubled,
		},
		"two copies, the first without an answer": {
			happened(plain(atLeastOnce), "sent", "ambiguous", "accepted").copied(0).copied(1).faulted(0, true, doubt), "",
		},
		"two copies, the first before a kill": {
			happened(plain(atLeastOnce), "sent", "ambiguous", "accepted").copied(0).copied(1).disturbed(0.4, killed), "",
		},
		"two copies, both answered": {
			happened(plain(atLeastOnce), "sent", "ambiguous", "accepted").copied(0).copied(1), needless,
		},
		"two copies, only the last without an answer": {
			happened(plain(atLeastOnce), "sent", "ambiguous", "ambiguous").copied(0).copied(1).faulted(1, true, doubt), needless,
		},
		"an attempt after an acceptance": {
			happened(plain(atLeastOnce), "sent", "accepted", "not_accepted").copied(0).faulted(1, false, notSent), afterwards,
		},

		"a copy for somebody else": {
			happened(plain(atLeastOnce), "sent", "accepted").copied(0).copied(0).but(func(f *facts) { f.copies[1].to = []string{"m0.r1@example.com"} }), stray,
		},
		"a copy with another text":        {happened(plain(atLeastOnce), "sent", "accepted").copied(0).but(says("Thank you.", "Thanks.")), misquoted},
		"a copy that names somebody else": {happened(plain(atLeastOnce), "sent", "accepted").copied(0).but(says("To: ", "Reply-To: m1.r0@example.com\r\nTo: ")), misquoted},
	} {
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		var got []string
		v := judge(c.facts)
		for what := range v.problems {
			got = append(got, what)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got the problems %v, want %q", name, v.problems, c.want)
		}
	}
}
