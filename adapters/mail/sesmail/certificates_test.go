package sesmail_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/mail/sesmail"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/sessim"
	"patchbay/core/fault"
)

// A certificate counts only if it comes from SNS in the region of the topic.
func TestACertificateFromElsewhereIsNotFetched(t *testing.T) {
	t.Parallel()
	const host, path = "sns.eu-west-1.amazonaws.com", "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
	for _, url := range []string{
		"", "x", path, "http://" + host + path, "ftp://" + host + path, "//" + host + path, "https:" + path,
		"https://evil.example" + path,
		"https://" + host + ".evil.example" + path,
		"https://evil.example/" + host + path,
		"https://evil.example?" + host + path,
		"https://evil.example#" + host + path,
		"https://" + host + "@evil.example" + path,
		"https://evil.example@" + host + path,
		"https://user:word@" + host + path,
		"https://" + host + ":443" + path,
		"https://" + host + ":8443" + path,
		"https://" + host + "." + path,
		"https://SNS.eu-west-1.amazonaws.com" + path,
		"https://sns.us-east-1.amazonaws.com" + path,
		"https://snsxeu-west-1.amazonaws.com" + path,
		"https://evil.sns.eu-west-1.amazonaws.com" + path,
		"https://s3.amazonaws.com/evil.pem",
		"https://sns.eu-west-1.amazonaws.com.cn" + path,
		"https://" + host + path + "?Action=Publish",
		"https://" + host + path + "?",
		"https://" + host + path + "#.pem",
		"https://" + host + "/a/../b.pem", "https://" + host + "/a%2fb.pem", "https://" + host + "/a/b.pem", "https://" + host + "/.pem",
		"https://" + host + "/a.txt", "https://" + host + "/fake.pem", "https://" + host + "/SimpleNotificationService-1.pem", "https://" + host + "/x" + path,
		"https://" + host + strings.Replace(path, "abcdef.", "abcdeg.", 1), "https://" + host + strings.Replace(path, "-0", "-00", 1),
		"https://" + host + strings.ToUpper(path), "https://" + host + "/", "https://" + host + "\\@evil.example" + path, " https://" + host + path, "https://" + host + path + "\n",
		"HTTPS://" + host + path,
	} {
		hook, s := hookOf(t, now)
		e := signedEnvelope(t, s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2"))
		e["SigningCertURL"] = url
		if _, err := verify(t, hook, sessim.Body(e)); fault.From(err).Code != "invalid_signature" {
			t.Errorf("%q: %v, want invalid_signature", url, err)
		}
		if len(s.urls) != 0 {
			t.Errorf("%q: fetched %v, want nothing", url, s.urls)
		}
	}
}

func TestACertificateIsFetchedOnce(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := verify(t, hook, s.topic.Sign(s.topic.Notification(fmt.Sprint(i), delivered(now), now), "2")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(s.urls) != 1 || s.urls[0] != s.topic.CertificateURL() {
		t.Errorf("fetched %v, want %s once", s.urls, s.topic.CertificateURL())
	}
}

// While a certificate cannot be had, SNS must send the events again.
func TestADeliveryIsAskedForAgainWithoutItsCertificate(t *testing.T) {
	t.Parallel()
	hook, s, at := hookAt(t)
	body := s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2")
	s.down = errors.New("no route")
	for range 50 { // all of them within the pause
		if _, err := verify(t, hook, body); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "no route") {
			t.Errorf("while SNS is down: %v, want unavailable", err)
		}
	}
	if len(s.urls) != 1 {
		t.Errorf("while SNS is down: %d calls, want 1", len(s.urls))
	}
	s.down = nil
	at.add(10 * time.Second)
	if events, err := verify(t, hook, body); err != nil || len(events) != 1 {
		t.Errorf("later: %+v, %v, want one event", events, err)
	}
	for _, at := range []time.Time{now.AddDate(0, 7, 0), now.AddDate(0, -7, 0)} { // beyond its certificate
		hook, s := hookOf(t, at)
		if _, err := verify(t, hook, s.topic.Sign(s.topic.Notification("1", delivered(at), at), "2")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("at %s: %v, want unavailable", at, err)
		}
	}
}

// forge lets a stranger, who knows a topic, name 50 certificates that are not there.
func forge(t *testing.T, hook *sesmail.Hook, region, topic string, at time.Time) {
	t.Helper()
	for i := range 50 {
		_, err := verify(t, hook, sessim.Body(sessim.Envelope{
			"Type": "Notification", "TopicArn": topic, "Timestamp": at.Format(time.RFC3339Nano), "SignatureVersion": "2", "Signature": "AAAA",
			"SigningCertURL": fmt.Sprintf("https://sns.%s.amazonaws.com/SimpleNotificationService-%032x.pem", region, i),
		}))
		if !fault.Is(err, fault.Unavailable) {
			t.Fatalf("a forged delivery: %v, want unavailable", err)
		}
	}
}

// Whoever knows a topic can name certificates that are not there, but not cause any number of calls.
func TestStrangersCauseFewCalls(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	forge(t, hook, "eu-west-1", s.topic.ARN, now)
	if len(s.urls) != 10 {
		t.Errorf("%d calls, want 10", len(s.urls))
	}
}

func TestForgedDeliveriesDoNotHoldBackGenuineOnes(t *testing.T) {
	t.Parallel()
	genuine := func(t *testing.T, hook *sesmail.Hook, s *sns, at time.Time) {
		t.Helper()
		if events, err := verify(t, hook, s.topic.Sign(s.topic.Notification("1", delivered(at), at), "2")); err != nil || len(events) != 1 {
			t.Errorf("a genuine delivery: %+v, %v, want one event", events, err)
		}
	}
	t.Run("that name what is no certificate of SNS", func(t *testing.T) {
		hook, s, _ := hookAt(t)
		for i := range 50 {
			_, err := verify(t, hook, sessim.Body(sessim.Envelope{
				"Type": "Notification", "TopicArn": s.topic.ARN, "Timestamp": now.Format(time.RFC3339Nano), "SignatureVersion": "1", "Signature": "AAAA",
				"SigningCertURL": fmt.Sprintf("https://sns.eu-west-1.amazonaws.com/x%dfake.pem", i),
			}))
			if fault.From(err).Code != "invalid_signature" {
				t.Fatalf("a forged delivery: %v, want invalid_signature", err)
			}
		}
		genuine(t, hook, s, now)
	})
	t.Run("of a topic in another region", func(t *testing.T) {
		const other = "arn:aws:sns:us-east-1:123456789012:ses-events"
		hook, s, _ := hookAt(t, other)
		forge(t, hook, "us-east-1", other, now)
		genuine(t, hook, s, now)
	})
	t.Run("whose certificate is known", func(t *testing.T) {
		hook, s, _ := hookAt(t)
		genuine(t, hook, s, now)
		forge(t, hook, "eu-west-1", s.topic.ARN, now)
		genuine(t, hook, s, now)
	})
	t.Run("for longer than a minute", func(t *testing.T) {
		hook, s, at := hookAt(t)
		forge(t, hook, "eu-west-1", s.topic.ARN, now)
		at.add(time.Minute)
		genuine(t, hook, s, at.Now())
	})
}

// A certificate that was had once is fetched again after its end, whatever strangers do, in case SNS has
// a new one in its place. That does not make calls without a bound either.
func TestAKnownCertificateIsFetchedAgainAfterItsEnd(t *testing.T) {
	t.Parallel()
	hook, s, at := hookAt(t)
	if _, err := verify(t, hook, s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2")); err != nil {
		t.Fatal(err)
	}
	at.ns.Store(now.AddDate(0, 7, 0).UnixNano())
	forge(t, hook, "eu-west-1", s.topic.ARN, at.Now())
	s.urls = nil
	for range 50 {
		if _, err := verify(t, hook, s.topic.Sign(s.topic.Notification("1", delivered(at.Now()), at.Now()), "2")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v, want unavailable", err)
		}
	}
	if len(s.urls) != 1 || s.urls[0] != s.topic.CertificateURL() {
		t.Errorf("fetched %v, want %s once", s.urls, s.topic.CertificateURL())
	}
}

// A fetch goes on for the others when whoever caused it hangs up.
func TestAFetchDoesNotEndWithTheRequest(t *testing.T) {
	t.Parallel()
	s := &sns{topic: topicOf()}
	ctx, cancel := context.WithCancel(t.Context())
	hook, err := sesmail.NewHookOver(fixed(now), func(ctx context.Context, url string) ([]byte, error) {
		cancel()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return s.fetch(ctx, url)
	}, provider.Account{Provider: "ses", Secrets: []string{s.topic.ARN}})
	if err != nil {
		t.Fatal(err)
	}
	body := s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2")
	if events, err := hook.Verify(ctx, body, none); err != nil || len(events) != 1 {
		t.Errorf("%+v, %v, want one event", events, err)
	}
}
