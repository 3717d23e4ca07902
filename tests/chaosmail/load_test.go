package chaosmail_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/tests/gateway"
)

// clients is how many clients make requests at the same time.
const clients = 12

// patience is how long a client repeats a request. No restart takes as long.
const patience = time.Minute

// request is one or more mails that are asked for at once.
type request struct {
	mails []*mail
	twin  bool // another client makes the same request at the same time
}

// requests returns what clients ask for, the batches among the rest.
func (w *world) requests() (all []request) {
	batches := map[int][]*mail{}
	count := 0
	for _, m := range w.mails {
		if m.way == batch {
			batches[m.batch] = append(batches[m.batch], m)
			count = max(count, m.batch+1)
			continue
		}
		for range 1 + btoi(m.twins) {
			all = append(all, request{[]*mail{m}, m.twins})
		}
	}
	for b := range count {
		at := (b + 1) * len(all) / (count + 2)
		all = append(all[:at], append([]request{{batches[b], false}}, all[at:]...)...)
	}
	return all
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// load makes all requests, each until it is accepted, through every restart.
func (w *world) load(ctx context.Context) {
	work := make(chan request)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for r := range work {
				w.insist(ctx, r)
			}
		})
	}
	for _, r := range w.requests() {
		select {
		case work <- r:
		case <-ctx.Done():
		}
	}
	close(work)
	all.Wait()
}

// insist repeats a request under its key until it is accepted. A client whose request was cut off does
// not know whether it was.
func (w *world) insist(ctx context.Context, r request) {
	first, began := r.mails[0], time.Now()
	for ctx.Err() == nil {
		id, ok, err := "", false, error(nil)
		if first.way == smtpIn {
			err = w.handOver(ctx, first)
			ok = err == nil
		} else {
			id, ok, err = w.ask(ctx, r)
		}
		if ok {
			w.accept(first.key(), id)
			return
		}
		if errors.Is(err, errRefused) || time.Since(began) > patience {
			w.report(fmt.Sprintf("%s: %v", first.key(), err))
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // it is down, or working on the request
		}
	}
}

func (w *world) report(wrong string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, wrong)
}

// accept records that a request was accepted. All answers under a key must name the same object.
func (w *world) accept(key, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before, again := w.accepted[key]; again && before != id {
		w.wrong = append(w.wrong, fmt.Sprintf("%s stands for %s and for %s", key, before, id))
	}
	w.accepted[key] = id
}

// errRefused says that a request was answered in a way that no repeat changes.
var errRefused = errors.New("refused")

// ask makes a request once. ok is false if it is to be repeated.
func (w *world) ask(ctx context.Context, r request) (id string, ok bool, err error) {
	path, body := "/api/emails", w.body(r.mails[0])
	if r.mails[0].way == batch {
		path, body = "/api/emails/batch", w.batchBody(r.mails)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", errRefused, err)
	}
	key := r.mails[0].key()
	a, err := gateway.Send(ctx, http.MethodPost, w.Base+path, raw, gateway.Header{"Content-Type": "application/json"}, gateway.Key(key))
	switch {
	case err != nil:
		return "", false, err
	case a.Status == http.StatusAccepted:
		return a.Text("id"), true, nil
	case a.Status == http.StatusServiceUnavailable, a.Status == http.StatusTooManyRequests,
		a.Status == http.StatusConflict && a.Code() == "idempotency_key_in_flight":
		return "", false, fmt.Errorf("%d %s", a.Status, a.Body)
	}
	return "", false, fmt.Errorf("%w: POST %s under %s: %d %s", errRefused, path, key, a.Status, a.Body)
}

func texts(people []person) (all []string) {
	for _, p := range people {
		all = append(all, p.String())
	}
	return all
}

// body is the request for one mail.
func (w *world) body(m *mail) map[string]any {
	body := map[string]any{"from": m.from, "delivery": m.delivery}
	for field, people := range map[string][]person{"to": m.to, "cc": m.cc, "bcc": m.bcc} {
		if len(people) > 0 {
			body[field] = texts(people)
		}
	}
	if m.template {
		body["templateId"], body["templateData"] = templateName, m.data(w.seed)
	} else {
		body["subject"], body["text"] = m.subject, m.text
		if m.html != "" {
			body["html"] = m.html
		}
	}
	if m.metadata {
		body["metadata"] = map[string]string{"order": fmt.Sprint(m.n)}
	}
	if m.file != nil {
		body["attachments"] = []map[string]string{{
			"filename": fileName, "contentType": "application/octet-stream", "content": base64.StdEncoding.EncodeToString(m.file),
		}}
	}
	return body
}

const fileName = "order.bin"

// batchBody is the request for a batch.
func (w *world) batchBody(mails []*mail) map[string]any {
	var all []map[string]any
	for _, m := range mails {
		var to []map[string]string
		for _, p := range m.to {
			to = append(to, map[string]string{"email": p.address, "name": p.name})
		}
		all = append(all, map[string]any{"to": to, "dynamic_template_data": m.data(w.seed)})
	}
	return map[string]any{"template_id": templateName, "from": mails[0].from, "delivery": mails[0].delivery, "personalizations": all}
}

// handOver hands a mail over by SMTP. It returns nil once the gateway has answered 250, and errRefused if
// the answer is that it never will.
func (w *world) handOver(ctx context.Context, m *mail) error {
	err := w.converse(ctx, m)
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code >= 500 {
		return fmt.Errorf("%w: %s by SMTP: %w", errRefused, m.key(), err)
	}
	return err
}

func (w *world) converse(ctx context.Context, m *mail) error {
	conn, err := (&net.Dialer{Timeout: callTimeout}).DialContext(ctx, "tcp", w.smtpIn)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // longer than the gateway takes
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		return err
	}
	if err := c.Mail(m.from); err != nil {
		return err
	}
	for _, p := range m.everybody() {
		if err := c.Rcpt(p.address); err != nil {
			return err
		}
	}
	text, err := c.Data()
	if err != nil {
		return err
	}
	raw, err := m.raw()
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	_, err = io.Copy(text, bytes.NewReader(raw))
	return errors.Join(err, text.Close())
}

// raw returns the mail as an application writes it.
func (m *mail) raw() ([]byte, error) {
	one := email.Message{
		From: email.Address{Email: m.from}, Subject: m.subject, Text: m.text, HTML: m.html,
		MessageID: strings.ReplaceAll(m.key(), " ", "") + "@client.example", CreatedAt: time.Unix(1_800_000_000, 0),
	}
	for _, p := range m.to {
		one.To = append(one.To, email.Address{Email: p.address, Name: p.name})
	}
	for _, p := range m.cc {
		one.Cc = append(one.Cc, email.Address{Email: p.address, Name: p.name})
	}
	if m.file != nil {
		one.Attachments = []email.Attachment{{Filename: fileName, ContentType: "application/octet-stream", Content: m.file}}
	}
	var b bytes.Buffer
	err := rfc5322.Write(&b, one)
	return b.Bytes(), err
}
