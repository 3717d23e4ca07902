package explore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"patchbay/adapters/failover"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/adapters/render"
	"patchbay/core/fault"
	"patchbay/core/mailroom"
	"patchbay/core/message"
	"patchbay/ports"
	"patchbay/tests/sendgridsim"
)

// mail is the real code of mail on simulators in memory.
type mail struct {
	world         *world
	sims          []*sendgridsim.Sim
	fates, always []*fate
	accepted      map[string]string // message → the key it was accepted under
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
		mailers = append(mailers, failover.NewMailer(m, failover.Options{Policy: d.world.policy()}))
	}
	service := mailroom.New(mailroom.Options{
		Journal: p.journal, Mailers: mailers, Text: render.Text{}, Clock: p, IDs: p, From: message.Address{Email: "shop@example.com"},
		Promise: message.AtMostOnce, Owner: p.name, Log: slog.New(slog.DiscardHandler),
	})
	p.run, p.service = service.Run, service
}

func (d *mail) befalls(*http.Request) (once, always []*fate) { return d.fates, d.always }

// kind implements domain.
func (d *mail) kind() string { return mailroom.Kind }

// serves implements domain: what grows old is not waited for.
func (d *mail) serves(queue string) bool {
	return strings.HasPrefix(queue, "mail") && !strings.HasSuffix(queue, "_rest")
}

// record implements domain. The moment of a retry is drawn at random, and with it all
// times that follow.
func (d *mail) record(h *hasher, r ports.Record) {
	var m message.Message
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
func (d *mail) settled(answer string) bool { return strings.Contains(answer, string(message.Sent)) }

// exact implements domain.
func (d *mail) exact() bool { return false }

// book implements domain.
func (d *mail) book(h *hasher) {
	for _, sim := range d.sims {
		for _, l := range sim.Letters() {
			h.text(l.Variables[message.IDVariable])
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

// copies are the letters of a message that providers have taken.
func (d *mail) copies(id string) (n int) {
	for _, sim := range d.sims {
		for _, l := range sim.Letters() {
			if l.Variables[message.IDVariable] == id {
				n++
			}
		}
	}
	return n
}

// touched implements domain. Each scenario has one promise, which its draft names.
func (d *mail) touched([]byte) {
	for _, sim := range d.sims {
		for _, l := range sim.Letters() {
			if id := l.Variables[message.IDVariable]; strings.Contains(string(l.Raw), string(message.AtMostOnce)) && d.copies(id) > 1 {
				d.world.fail("a second copy of a mail that may go out once")
			}
		}
	}
}

// calm implements domain.
func (d *mail) calm() {}

// over implements domain: what was accepted is sent, or shown as failed or unknown, or
// waits for its time.
func (d *mail) over() {
	for id := range d.accepted {
		r, err := d.world.journal.Get(context.Background(), tenant, mailroom.Kind, id)
		var m message.Message
		if err != nil || json.Unmarshal(r.Body, &m) != nil {
			d.world.fail("a mail that was accepted is lost")
			continue
		}
		copies := d.copies(id)
		waits := d.serves(r.Queue) && !r.Due.IsZero()
		switch {
		case m.Status == message.Sent && copies == 0:
			d.world.fail("a mail is shown as sent, and no provider has it")
		case m.Status == message.Failed && copies > 0 && m.Delivery == message.AtMostOnce:
			d.world.fail("a mail is shown as failed, and a provider has it")
		case m.Status == message.Sent, m.Status == message.Failed, m.Status == message.Unknown && m.Delivery == message.AtMostOnce:
		case !waits:
			d.world.fail(fmt.Sprintf("a mail is %s, and nobody will ever send it", m.Status))
		}
	}
}

// tell implements domain.
func (d *mail) tell(r ports.Record) string {
	var m message.Message
	if json.Unmarshal(r.Body, &m) != nil {
		return "unreadable"
	}
	text := "(" + string(m.Status)
	for _, a := range m.Attempts {
		text += "; at " + a.Provider + " " + string(a.Outcome)
	}
	return text + ")"
}

// mails asks for a mail to be sent under a promise.
func mails(at int, key string, promise message.Delivery) Act {
	k := scoped("POST /api/emails", key, "mail")
	return Act{Name: "mail " + key, At: at, Key: key, do: func(ctx context.Context, p *process) string {
		m, replayed, err := p.service.(*mailroom.Service).Accept(ctx, tenant, message.Draft{
			To: []message.Address{{Email: "ada@example.com"}}, Subject: string(promise), Text: "hello", Delivery: promise,
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

// Mail are the scenarios of mail, under both promises.
func Mail() []*Scenario {
	faults := []string{
		"400", "401", "403", "429", "503", "500", "500, done", "connection refused", "reset", "reset, done",
		"401 of a proxy, done", "403 of a proxy, done", "404 of a proxy, done", "405 of a proxy, done", "429 of a proxy, done", "503 of a proxy, done",
	}
	var all []*Scenario
	for _, promise := range []message.Delivery{message.AtMostOnce, message.AtLeastOnce} {
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
