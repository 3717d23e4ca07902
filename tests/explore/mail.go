package explore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"patchbay/adapters/htmltext"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/adapters/resilience"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/ports"
)

// mail is the domain of the real mail code with simulators in memory.
type mail struct {
	world         *world
	sims          []*sendgridsim.Sim
	fates, always []*fate
	accepted      map[string]string // message → the key with which it was accepted
}

func newMail(w *world) domain {
	d := &mail{
		world: w, fates: sendgridFates(w.scenario.Fates), always: sendgridFates(w.scenario.Always)[1:], accepted: map[string]string{},
	}
	for n := range max(w.scenario.Providers, 1) {
		d.sims = append(d.sims, sendgridsim.New(sendgridsim.Options{Key: "SG." + accounts[n]}))
	}
	return d
}

// open implements domain.
func (d *mail) open(p *process) {
	var mailers []ports.Mailer
	for n, sim := range d.sims {
		m, err := sendgridmail.New(sendgridmail.Options{
			Name: accounts[n], APIKey: sim.Key(),
			HTTP: httpclient.Options{BaseURL: "http://" + accounts[n] + ".example", Wire: &wire{p, sim, d.befalls}},
		})
		if err != nil {
			panic(err)
		}
		mailers = append(mailers, resilience.NewMailer(m, resilience.Options{Policy: d.world.policy()}))
	}
	service := emails.New(emails.Options{
		Journal: p.journal, Mailers: mailers, Text: htmltext.Text{}, Clock: p, IDs: p, From: email.Address{Email: "shop@example.com"},
		Delivery: email.AtMostOnce, Owner: p.name, Log: slog.New(slog.DiscardHandler),
	})
	p.run, p.service = service.Run, service
}

func (d *mail) befalls(*http.Request) (once, always []*fate) { return d.fates, d.always }

// kind implements domain.
func (d *mail) kind() string { return emails.Kind }

// serves implements domain. The history does not wait for the queues with the suffix _rest.
func (d *mail) serves(queue string) bool {
	return strings.HasPrefix(queue, "mail") && !strings.HasSuffix(queue, "_rest")
}

// record implements domain. The time of a retry is random, and so are all later times.
func (d *mail) record(h *hasher, r ports.Record) {
	var m email.Message
	if json.Unmarshal(r.Body, &m) != nil {
		return
	}
	h.text(string(m.Status))
	h.number(uint64(m.Failures))
	for _, a := range m.Attempts {
		h.text(a.Provider + string(a.Outcome) + a.Code)
	}
}

// settled implements domain.
func (d *mail) settled(answer string) bool { return strings.Contains(answer, string(email.Sent)) }

// exact implements domain.
func (d *mail) exact() bool { return false }

// book implements domain.
func (d *mail) book(h *hasher) {
	for _, sim := range d.sims {
		for _, l := range sim.Messages() {
			h.text(l.Variables[email.IDVariable])
		}
		h.number(0)
	}
}

// events implements domain.
func (d *mail) events() int { return 0 }

// deliver implements domain.
func (d *mail) deliver(context.Context, *process, int) {}

// remember implements domain.
func (d *mail) remember() {}

// forget implements domain.
func (d *mail) forget() {}

// saved implements domain.
func (d *mail) saved(ports.Record) {}

// copies returns how many copies of a message the providers have accepted.
func (d *mail) copies(id string) (n int) {
	for _, sim := range d.sims {
		for _, l := range sim.Messages() {
			if l.Variables[email.IDVariable] == id {
				n++
			}
		}
	}
	return n
}

// touched implements domain. Each scenario uses one delivery promise, which the subject of its
// draft contains.
func (d *mail) touched([]byte) {
	for _, sim := range d.sims {
		for _, l := range sim.Messages() {
			if id := l.Variables[email.IDVariable]; strings.Contains(string(l.Raw), string(email.AtMostOnce)) && d.copies(id) > 1 {
				d.world.fail("a second copy of a mail that may go out once")
			}
		}
	}
}

// calm implements domain.
func (d *mail) calm() {}

// over implements domain. An accepted message must be sent, or show as failed or unknown, or wait
// for its time.
func (d *mail) over() {
	for id := range d.accepted {
		r, err := d.world.journal.Get(context.Background(), tenant, emails.Kind, id)
		var m email.Message
		if err != nil || json.Unmarshal(r.Body, &m) != nil {
			d.world.fail("a mail that was accepted is lost")
			continue
		}
		copies := d.copies(id)
		waits := d.serves(r.Queue) && !r.Due.IsZero()
		switch {
		case m.Status == email.Sent && copies == 0:
			d.world.fail("a mail is shown as sent, and no provider has it")
		case m.Status == email.Failed && copies > 0:
			d.world.fail("a mail is shown as failed, and a provider has it")
		case m.Status == email.Sent, m.Status == email.Failed, m.Status == email.Unknown && (m.Delivery == email.AtMostOnce || refusedLater(m)):
		case !waits:
			d.world.fail(fmt.Sprintf("a mail is %s, and nobody will ever send it", m.Status))
		}
	}
}

// refusedLater reports whether a message was refused for good after an attempt that may have sent it. It is not
// tried again then, though it may go out more than once.
func refusedLater(m email.Message) bool {
	last := m.LastAttempt().Outcome
	return m.HasOutcome(email.Ambiguous) && (last == email.RejectedMessage || last == email.RefusedHere)
}

// summary implements domain.
func (d *mail) summary(r ports.Record) string {
	var m email.Message
	if json.Unmarshal(r.Body, &m) != nil {
		return "unreadable"
	}
	text := "(" + string(m.Status)
	for _, a := range m.Attempts {
		text += "; at " + a.Provider + " " + string(a.Outcome)
	}
	return text + ")"
}

// mails returns an Act that sends a message with a delivery promise.
func mails(at int, key string, promise email.Delivery) Act {
	k := scoped("POST /api/emails", key, "mail")
	return Act{Name: "mail " + key, At: at, Key: key, do: func(ctx context.Context, p *process) string {
		m, replayed, err := p.service.(*emails.Service).Accept(ctx, tenant, email.Draft{
			To: []email.Address{{Email: "ada@example.com"}}, Subject: string(promise), Text: "hello", Delivery: promise,
		}, k)
		if err != nil {
			return p.name + " is answered " + fault.KindOf(err).String()
		}
		d := p.world.domain.(*mail)
		p.world.mu.Lock()
		defer p.world.mu.Unlock()
		d.accepted[m.ID] = k.Scoped
		return fmt.Sprintf("%s is answered %s, replayed %t", p.name, m.Status, replayed)
	}}
}

// Mail returns the mail scenarios, for both delivery promises.
func Mail() []*Scenario {
	faults := []string{
		"400", "401", "403", "429", "503", "500", "500, done", "connection refused", "reset", "reset, done",
		"401 of a proxy, done", "403 of a proxy, done", "404 of a proxy, done", "405 of a proxy, done", "429 of a proxy, done", "503 of a proxy, done",
	}
	var all []*Scenario
	for _, promise := range []email.Delivery{email.AtMostOnce, email.AtLeastOnce} {
		twice := []Act{mails(0, "m1", promise), mails(1, "m1", promise)}
		all = append(all,
			&Scenario{Name: "mail " + string(promise), Acts: twice, Fates: faults, JournalFaults: true},
			&Scenario{Name: "mail " + string(promise) + ", two providers", Acts: twice, Fates: faults, Providers: 2},
			&Scenario{
				Name: "mail " + string(promise) + ", processes stand still and die", Acts: twice,
				Fates: []string{"503", "reset, done"}, JournalFaults: true, Stalls: true, Crashes: 1,
			},
		)
	}
	for _, s := range all {
		s.domain = newMail
	}
	return all
}
