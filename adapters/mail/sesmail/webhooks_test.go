package sesmail_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/sesmail"
	"patchbay/adapters/simulators/sessim"
	"patchbay/core/fault"
	"patchbay/tests/contract/webhooktest"
)

// verifierContract runs the suite for what verifies webhooks.
func verifierContract(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	webhooktest.Run(t, webhooktest.Harness{
		Verifier: hook, Now: now, Tolerance: sesmail.Tolerance, CoversBody: false, // a blank after the JSON changes nothing
		Sign: func(at time.Time) ([]byte, map[string]string) {
			e := s.topic.Notification("1", delivered(at), at)
			return s.topic.Sign(e, "2"), s.topic.Headers(e)
		},
	})
}

func TestADeliveryCountsInBothVersionsOfTheSignature(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2"} {
		for _, subject := range []bool{true, false} {
			hook, s := hookOf(t, now)
			e := s.topic.Notification("1", delivered(now), now)
			if !subject {
				delete(e, "Subject")
			}
			events, err := verify(t, hook, s.topic.Sign(e, version))
			if err != nil || len(events) != 1 || events[0].Provider != "ses" || events[0].Type != "Delivery" {
				t.Errorf("version %s, with a subject: %t: %+v, %v, want a delivery at ses", version, subject, events, err)
			}
		}
	}
}

// Each field that is signed is changed once.
func TestADeliveryThatWasChangedIsRefused(t *testing.T) {
	t.Parallel()
	other := sessim.NewTopic("eu-west-1", now)
	for name, change := range map[string]func(e sessim.Envelope){
		"another message":       func(e sessim.Envelope) { e["Message"] = strings.Replace(e["Message"], "ada@", "eve@", 1) },
		"another id":            func(e sessim.Envelope) { e["MessageId"] = "2" },
		"another subject":       func(e sessim.Envelope) { e["Subject"] = "x" },
		"no subject":            func(e sessim.Envelope) { delete(e, "Subject") },
		"another time":          func(e sessim.Envelope) { e["Timestamp"] = "2026-03-01T12:00:01.000Z" },
		"no time":               func(e sessim.Envelope) { delete(e, "Timestamp") },
		"another type":          func(e sessim.Envelope) { e["Type"] = "SubscriptionConfirmation" },
		"another topic":         func(e sessim.Envelope) { e["TopicArn"] += "2" },
		"no topic":              func(e sessim.Envelope) { delete(e, "TopicArn") },
		"another version":       func(e sessim.Envelope) { e["SignatureVersion"] = "1" },
		"a version that is not": func(e sessim.Envelope) { e["SignatureVersion"] = "3" },
		"no signature":          func(e sessim.Envelope) { e["Signature"] = "" },
		"no base64":             func(e sessim.Envelope) { e["Signature"] = "?" },
		"the signature of another key": func(e sessim.Envelope) {
			e["Signature"] = signatureIn(t, other.Sign(e, "2"))
		},
	} {
		hook, s := hookOf(t, now)
		e := signedEnvelope(t, s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2"))
		change(e)
		if events, err := verify(t, hook, sessim.Body(e)); fault.From(err).Code != "invalid_signature" {
			t.Errorf("%s: %+v, %v, want invalid_signature", name, events, err)
		}
	}
}

func TestTheHeadersOfAnotherTopicAndOfRawDeliveryAreRefused(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	for name, c := range map[string]struct {
		header map[string]string
		code   string
	}{
		"the topic":     {map[string]string{"X-Amz-Sns-Topic-Arn": s.topic.ARN}, ""},
		"no header":     {nil, ""},
		"another topic": {map[string]string{"X-Amz-Sns-Topic-Arn": s.topic.ARN + "2"}, "invalid_signature"},
		"raw delivery":  {map[string]string{"X-Amz-Sns-Topic-Arn": s.topic.ARN, "X-Amz-Sns-Rawdelivery": "true"}, "invalid_signature"},
	} {
		if err := hook.CheckHeaders(getter(c.header)); err != nil != (c.code != "") || err != nil && fault.From(err).Code != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

func FuzzVerify(f *testing.F) {
	hook, s := hookOf(f, now)
	other := sessim.NewTopic("eu-west-1", now)
	for _, version := range []string{"1", "2"} {
		f.Add(string(other.Sign(s.topic.Notification("1", delivered(now), now), version)))
	}
	f.Add(string(sessim.Body(s.topic.Notification("1", delivered(now), now))))
	f.Add(`{"Type":"SubscriptionConfirmation"}`)
	f.Fuzz(func(t *testing.T, body string) {
		if events, err := hook.Verify(t.Context(), []byte(body), none); err == nil {
			t.Errorf("accepted %q: %+v, want it refused: nobody has signed it", body, events)
		}
	})
}
