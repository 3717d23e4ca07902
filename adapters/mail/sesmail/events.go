package sesmail

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"patchbay/adapters/mail/labels"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/webhook"
)

// published is the part of an event, as SES publishes it, that is used here. EventType is of a
// configuration set, NotificationType of an identity, whose events have no tags.
type published struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"`
	Mail             struct {
		Timestamp   time.Time           `json:"timestamp"`
		MessageID   string              `json:"messageId"`
		Destination []string            `json:"destination"`
		Tags        map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce struct {
		detail
		Type    string      `json:"bounceType"`
		SubType string      `json:"bounceSubType"`
		Of      []recipient `json:"bouncedRecipients"`
	} `json:"bounce"`
	Complaint struct {
		detail
		SubType  string      `json:"complaintSubType"`
		Feedback string      `json:"complaintFeedbackType"`
		Of       []recipient `json:"complainedRecipients"`
	} `json:"complaint"`
	Delivery struct {
		detail
		Of       []string `json:"recipients"`
		Response string   `json:"smtpResponse"`
	} `json:"delivery"`
	Delay struct {
		detail
		Type string      `json:"delayType"`
		Of   []recipient `json:"delayedRecipients"`
	} `json:"deliveryDelay"`
	Reject struct {
		Reason string `json:"reason"`
	} `json:"reject"`
	Failure struct {
		Message string `json:"errorMessage"`
	} `json:"failure"`
	Open  detail `json:"open"`
	Click struct {
		detail
		Link string `json:"link"`
	} `json:"click"`
	Subscription struct {
		detail
		New struct {
			None bool `json:"unsubscribeAll"`
		} `json:"newTopicPreferences"`
	} `json:"subscription"`
}

type detail struct {
	Timestamp  time.Time `json:"timestamp"`
	FeedbackID string    `json:"feedbackId"`
}

type recipient struct {
	Address    string `json:"emailAddress"`
	Action     string `json:"action"`
	Status     string `json:"status"`
	Diagnostic string `json:"diagnosticCode"`
}

// happening is an event about one recipient, as it is stored: without headers, addresses of others, and
// whatever else SES tells. One that is not understood has its type and its marks.
type happening struct {
	Type      string            `json:"eventType"`
	At        time.Time         `json:"timestamp"`
	Reference string            `json:"messageId"` // SES's id of the message
	Tags      map[string]string `json:"tags,omitempty"`
	Recipient string            `json:"recipient,omitempty"`  // empty if it is about all recipients
	Kind      string            `json:"kind,omitempty"`       // of a bounce, a complaint or a delay
	SubKind   string            `json:"subKind,omitempty"`    // of a bounce or a complaint
	Action    string            `json:"action,omitempty"`     // of a bounce, as in a delivery status notification
	Status    string            `json:"status,omitempty"`     // 5.1.1
	Words     string            `json:"diagnostic,omitempty"` // of the recipient's server, or of SES
}

// validated begins the message that SES publishes when a topic is chosen for its events.
const validated = "Successfully validated SNS topic"

// parse returns the events in a delivery, one for each recipient that it is about.
func parse(provider string, e envelope, at time.Time) ([]webhook.Event, error) {
	if strings.HasPrefix(e.Message, validated) {
		return nil, nil
	}
	var kind struct {
		EventType        string `json:"eventType"`
		NotificationType string `json:"notificationType"`
	}
	if err := json.Unmarshal([]byte(e.Message), &kind); err != nil || kind.EventType+kind.NotificationType == "" {
		return nil, errPayload
	}
	event := webhook.Event{
		Provider: provider, ID: e.MessageID, Type: cmp.Or(kind.EventType, kind.NotificationType), Created: at.Truncate(time.Second),
	}
	var p published
	if err := json.Unmarshal([]byte(e.Message), &p); err != nil || names[event.Type] == "" {
		event.Object, err = json.Marshal(happening{Type: event.Type, Tags: marksIn(e.Message)})
		return []webhook.Event{event}, err // one that cannot be read has no reference, and is refused when it is applied
	}
	var events []webhook.Event
	for _, one := range p.happenings(event.Type) {
		one.At = cmp.Or(one.At, p.Mail.Timestamp, at).UTC()
		object, err := json.Marshal(one)
		if err != nil {
			return nil, errPayload
		}
		told := event
		told.ID, told.Created, told.Object = one.id(p), one.At.Truncate(time.Second), object
		events = append(events, told)
	}
	return events, nil
}

// id returns the id of an event, derived from what it tells: SES may publish the same event twice, and
// SNS then gives it another id.
func (h happening) id(p published) string {
	text, _ := json.Marshal([]any{
		h.Type, h.Reference, strings.ToLower(h.Recipient), h.At, h.Kind, h.SubKind, h.Status, p.Bounce.FeedbackID, p.Complaint.FeedbackID, p.Click.Link,
	}) // strings and a time
	sum := sha256.Sum256(text)
	return "ses_" + hex.EncodeToString(sum[:16])
}

// happenings returns what an event says of each recipient that it is about.
func (p published) happenings(kind string) (all []happening) {
	base := happening{Type: kind, Reference: p.Mail.MessageID, Tags: marks(p.Mail.Tags)}
	add := func(base happening, at time.Time, of ...recipient) {
		for _, r := range of {
			h := base
			h.At, h.Recipient, h.Action, h.Status = at, rfc5322.Bare(r.Address), r.Action, r.Status
			h.Words = cmp.Or(r.Diagnostic, base.Words)
			all = append(all, h)
		}
	}
	switch kind {
	case "Bounce":
		base.Kind, base.SubKind = p.Bounce.Type, p.Bounce.SubType
		add(base, p.Bounce.Timestamp, p.Bounce.Of...)
	case "Complaint":
		base.Kind, base.SubKind = p.Complaint.Feedback, p.Complaint.SubType
		add(base, p.Complaint.Timestamp, p.Complaint.Of...)
	case "DeliveryDelay":
		base.Kind = p.Delay.Type
		add(base, p.Delay.Timestamp, p.Delay.Of...)
	case "Delivery":
		base.Words = p.Delivery.Response
		add(base, p.Delivery.Timestamp, recipients(p.Delivery.Of)...)
	case "Subscription":
		if p.Subscription.New.None {
			base.Kind = unsubscribedAll
		}
		add(base, p.Subscription.Timestamp, p.whoever()...)
	case "Open":
		add(base, p.Open.Timestamp, p.whoever()...)
	case "Click":
		add(base, p.Click.Timestamp, p.whoever()...)
	default: // Send, Reject and Rendering Failure, which are about all
		base.Words = cmp.Or(p.Reject.Reason, p.Failure.Message)
		add(base, p.Mail.Timestamp, recipients(p.Mail.Destination)...)
	}
	if len(all) == 0 {
		add(base, p.Mail.Timestamp, recipient{})
	}
	return all
}

// unsubscribedAll is the kind of an event of a recipient who wants no mail of the account.
const unsubscribedAll = "unsubscribeAll"

// whoever returns the only recipient of a message. If there are several, SES does not say who of them
// did something: then it has no address.
func (p published) whoever() []recipient {
	if len(p.Mail.Destination) == 1 {
		return recipients(p.Mail.Destination)
	}
	return []recipient{{}}
}

func recipients(addresses []string) (all []recipient) {
	for _, a := range addresses {
		all = append(all, recipient{Address: a})
	}
	return all
}

// marksIn returns the marks in an event that cannot be read, or is of an unknown type, as far as it has them
// where others have them.
func marksIn(message string) map[string]string {
	var o struct {
		Mail struct {
			Tags map[string][]string `json:"tags"`
		} `json:"mail"`
	}
	if json.Unmarshal([]byte(message), &o) != nil {
		return nil
	}
	return marks(o.Mail.Tags)
}

// marks returns those tags that Patchbay recognizes the message by.
func marks(tags map[string][]string) map[string]string {
	all := map[string]string{}
	for name, values := range tags {
		if len(values) > 0 {
			all[name] = values[0]
		}
	}
	return labels.Marks(all)
}
