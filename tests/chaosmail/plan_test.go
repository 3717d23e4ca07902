package chaosmail_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"strings"
)

// way is how a mail gets into the gateway.
type way string

const (
	single way = "single" // POST /api/emails
	batch  way = "batch"  // a personalization of POST /api/emails/batch
	smtpIn way = "smtp"   // handed over by SMTP
)

// The domains of the senders. Each is sent for by other providers: see settings.
const (
	post = "post.example"
	shop = "shop.example"
	news = "news.example"
	help = "help.example"
)

const (
	atLeastOnce = "at_least_once"
	atMostOnce  = "at_most_once"
)

// mail is what is asked for once. A personalization of a batch is a mail of its own.
type mail struct {
	n        int
	way      way
	batch    int // which one, from 0
	from     string
	delivery string
	to, cc   []person
	bcc      []person
	subject  string
	text     string
	html     string
	template bool // subject and text are what the template makes of the token
	file     []byte
	metadata bool // which SMTP does not carry
	refused  bool // each provider refuses one of the recipients
	twins    bool // the request is made twice at the same time
}

type person struct{ name, address string }

func (p person) String() string { return fmt.Sprintf("%s <%s>", p.name, p.address) }

// everybody returns all recipients.
func (m *mail) everybody() []person {
	return append(append(append([]person(nil), m.to...), m.cc...), m.bcc...)
}

// key is the idempotency key of the request.
func (m *mail) key() string {
	if m.way == batch {
		return fmt.Sprint("batch-", m.batch)
	}
	return fmt.Sprint("mail-", m.n)
}

// refusedMark is part of the addresses that every provider refuses.
const refusedMark = ".refused@"

var (
	ownAddress = regexp.MustCompile(`m(\d+)\.r\d+(\.refused)?@example\.com`)
	ownToken   = regexp.MustCompile(`token-(\d+)-[0-9a-f]{16}`)
	ownName    = regexp.MustCompile(`Person (\d+)-\d+`)
)

// token is a text that only the mail n of a seed has.
func token(seed uint64, n int) string {
	return fmt.Sprintf("token-%d-%016x", n, hash(seed, "token", n))
}

// hash makes a number of a seed and of what it is for.
func hash(seed uint64, of ...any) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, append([]any{seed}, of...)...) // it never fails
	// FNV alone differs little for texts that differ in their last character.
	return rand.New(rand.NewPCG(h.Sum64(), seed)).Uint64()
}

const (
	templateName    = "welcome"
	templateSubject = "Welcome, {{name}}"
	templateText    = "Hello {{name}}, your code is {{code}}."
	copiesInBatch   = 100
)

// planOf draws the mails of a run: a tenth of them in batches, the others one by one.
func planOf(seed uint64, count int) []*mail {
	all := make([]*mail, count)
	inBatches := count / 10
	perBatch := min(copiesInBatch, max(1, inBatches/3)) // at least three batches
	for n := range all {
		r := rand.New(rand.NewPCG(seed, hash(seed, "mail", n)))
		if n < inBatches {
			all[n] = ofBatch(seed, n, n/perBatch, r)
		} else {
			all[n] = ofItsOwn(seed, n, r)
		}
	}
	return all
}

// ofBatch draws a personalization.
func ofBatch(seed uint64, n, batchNumber int, r *rand.Rand) *mail {
	m := &mail{
		n: n, way: batch, batch: batchNumber, template: true, from: "offers@" + []string{news, shop, post, help}[batchNumber%4],
		delivery: []string{atLeastOnce, atMostOnce}[batchNumber/2%2], refused: r.IntN(100) == 0,
	}
	m.address(r, 20, 0)
	m.fill(seed)
	return m
}

// ofItsOwn draws a mail that is asked for by a request of its own.
func ofItsOwn(seed uint64, n int, r *rand.Rand) *mail {
	m := &mail{
		n: n, way: single, from: "orders@" + []string{post, shop, shop, news, help}[r.IntN(5)],
		delivery: []string{atLeastOnce, atMostOnce}[n%2], refused: r.IntN(50) == 0,
		template: r.IntN(4) == 0, metadata: r.IntN(3) == 0, twins: r.IntN(10) == 0,
	}
	if r.IntN(20) == 0 { // there is no delivery in SMTP: it is the configured one
		m.way, m.delivery, m.template, m.metadata = smtpIn, atLeastOnce, false, false
	}
	if r.IntN(20) == 0 {
		m.file = make([]byte, 100+r.IntN(20_000))
		for i := range m.file {
			m.file[i] = byte(r.UintN(256))
		}
	}
	m.address(r, 30, 30)
	m.fill(seed)
	return m
}

// address draws the recipients: several in some percent of mails, and some who are not in To in some.
func (m *mail) address(r *rand.Rand, several, apart int) {
	count := 0
	next := func() person {
		p := person{fmt.Sprintf("Person %d-%d", m.n, count), fmt.Sprintf("m%d.r%d@example.com", m.n, count)}
		if m.refused && count == 0 {
			p.address = strings.Replace(p.address, "@", refusedMark, 1)
		}
		count++
		return p
	}
	m.to = []person{next()}
	if r.IntN(100) < several {
		for range 1 + r.IntN(3) {
			m.to = append(m.to, next())
		}
	}
	if r.IntN(100) < apart {
		m.cc = append(m.cc, next())
	}
	if r.IntN(100) < apart {
		m.bcc = append(m.bcc, next())
	}
}

// fill writes what the mail says.
func (m *mail) fill(seed uint64) {
	code := token(seed, m.n)
	switch {
	case m.template:
		m.subject = strings.NewReplacer("{{name}}", m.to[0].name).Replace(templateSubject)
		m.text = strings.NewReplacer("{{name}}", m.to[0].name, "{{code}}", code).Replace(templateText)
	case m.n%3 == 0:
		m.subject, m.text, m.html = "Your order "+code, "Thank you.\n\n"+code, "<p>Thank you.</p><p>"+code+"</p>"
	default:
		m.subject, m.text = "Your order "+code, "Thank you for your order.\nIt is "+code
	}
}

// data is what the template is rendered with.
func (m *mail) data(seed uint64) map[string]any {
	return map[string]any{"name": m.to[0].name, "code": token(seed, m.n)}
}
