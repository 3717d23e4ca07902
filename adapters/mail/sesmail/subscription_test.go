package sesmail_test

import (
	"strings"
	"testing"

	"patchbay/adapters/mail/sesmail"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/sessim"
	"patchbay/core/fault"
)

func TestASubscriptionIsConfirmed(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	before := s.topic.Confirmed()
	events, err := verify(t, hook, s.topic.Sign(s.topic.Subscription(now), "1"))
	if err != nil || len(events) != 0 || s.topic.Confirmed() != before+1 {
		t.Errorf("%+v, %v, confirmed %d times, want no event and once", events, err, s.topic.Confirmed()-before)
	}
}

// What is confirmed is the subscription of a topic of ours, at SNS, and after the signature was checked.
func TestOnlyASignedSubscriptionAtSNSIsConfirmed(t *testing.T) {
	t.Parallel()
	const right = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t&TopicArn="
	for name, c := range map[string]struct {
		change func(e sessim.Envelope)
		forged bool
		code   string
	}{
		"not signed":       {nil, true, "invalid_signature"},
		"of another topic": {func(e sessim.Envelope) { e["TopicArn"] += "2" }, false, "invalid_signature"},
		"at another host": {func(e sessim.Envelope) {
			e["SubscribeURL"] = "https://evil.example/?Action=ConfirmSubscription&TopicArn=" + e["TopicArn"]
		}, false, "invalid_payload"},
		"at this machine": {func(e sessim.Envelope) {
			e["SubscribeURL"] = "http://127.0.0.1/?Action=ConfirmSubscription&TopicArn=" + e["TopicArn"]
		}, false, "invalid_payload"},
		"at a host with a user": {func(e sessim.Envelope) {
			e["SubscribeURL"] = "https://sns.eu-west-1.amazonaws.com@evil.example/?Action=ConfirmSubscription&TopicArn=" + e["TopicArn"]
		}, false, "invalid_payload"},
		"at another path": {func(e sessim.Envelope) { e["SubscribeURL"] = strings.Replace(right, "/?", "/a?", 1) + e["TopicArn"] }, false, "invalid_payload"},
		"another action": {func(e sessim.Envelope) {
			e["SubscribeURL"] = strings.Replace(right, "ConfirmSubscription", "DeleteTopic", 1) + e["TopicArn"]
		}, false, "invalid_payload"},
		"another topic in the URL": {func(e sessim.Envelope) { e["SubscribeURL"] = right + "arn:aws:sns:eu-west-1:999999999999:evil" }, false, "invalid_payload"},
		"of a token that is not":   {func(e sessim.Envelope) { e["SubscribeURL"] = right + e["TopicArn"] }, false, "subscription_unconfirmed"},
		"of a type of their own":   {func(e sessim.Envelope) { e["Type"] = "SomethingElse" }, false, "invalid_payload"},
	} {
		hook, s := hookOf(t, now)
		e := s.topic.Subscription(now)
		if c.change != nil {
			c.change(e)
		}
		body := s.topic.Sign(e, "2")
		if c.forged {
			body = sessim.NewTopic("eu-west-1", now).Sign(e, "2")
		}
		_, err := verify(t, hook, body)
		if fault.From(err).Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
		for _, url := range s.urls {
			if strings.Contains(url, "Action") && c.code != "subscription_unconfirmed" {
				t.Errorf("%s: fetched %s, want nothing but a certificate", name, url)
			}
		}
	}
}

func TestATopicIsAnARNOfSNSAndOfOneAccount(t *testing.T) {
	t.Parallel()
	const right = "arn:aws:sns:eu-west-1:123456789012:ses-events"
	for name, c := range map[string]struct {
		accounts []provider.Account
		code     string
	}{
		"one of two accounts": {[]provider.Account{{Provider: "a", Secrets: []string{right}}, {Provider: "b", Secrets: []string{right}}}, "shared_secret"},
		"an empty one":        {[]provider.Account{{Provider: "a", Secrets: []string{""}}}, "empty_secret"},
		"what is no topic":    {[]provider.Account{{Provider: "a", Secrets: []string{"ses-events"}}}, "invalid_topic"},
		"a FIFO topic":        {[]provider.Account{{Provider: "a", Secrets: []string{right + ".fifo"}}}, "invalid_topic"},
		"one of SQS":          {[]provider.Account{{Provider: "a", Secrets: []string{strings.Replace(right, "sns", "sqs", 1)}}}, "invalid_topic"},
		"a host as a region":  {[]provider.Account{{Provider: "a", Secrets: []string{strings.Replace(right, "eu-west-1", "evil.example", 1)}}}, "invalid_topic"},
	} {
		if _, err := sesmail.NewHook(fixed(now), c.accounts...); fault.From(err).Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}
