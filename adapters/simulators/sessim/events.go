package sessim

import (
	"time"

	"patchbay/adapters/simulators/mailbox"
)

// Event is an event that SES publishes.
type Event map[string]any

// EventOf returns an event about a delivered message for some of its recipients. more is added to the
// object that describes the event, such as bounce, and to each of its recipients.
func EventOf(m mailbox.Message, name string, recipients []string, at time.Time, more Event, each ...Event) Event {
	tags := map[string][]string{"ses:configuration-set": {"shop"}}
	for name, value := range m.Variables {
		tags[name] = []string{value}
	}
	e := Event{"eventType": name, "mail": Event{
		"timestamp": stamp(at), "messageId": m.Reference, "source": "shop@example.com", "destination": m.To, "tags": tags,
		"headers": []Event{{"name": "Subject", "value": "Order 17"}}, "commonHeaders": Event{"subject": "Order 17"},
	}}
	of, list := part(name)
	if of == "" {
		return e
	}
	object := Event{"timestamp": stamp(at)}
	for name, value := range more {
		object[name] = value
	}
	switch {
	case list == "recipients":
		object[list] = recipients
	case list != "":
		var all []Event
		for _, r := range recipients {
			one := Event{"emailAddress": r}
			for _, further := range each {
				for name, value := range further {
					one[name] = value
				}
			}
			all = append(all, one)
		}
		object[list] = all
	}
	e[of] = object
	return e
}

// part returns the object that describes an event, and the list of recipients in it.
func part(name string) (object, recipients string) {
	switch name {
	case "Bounce":
		return "bounce", "bouncedRecipients"
	case "Complaint":
		return "complaint", "complainedRecipients"
	case "Delivery":
		return "delivery", "recipients"
	case "DeliveryDelay":
		return "deliveryDelay", "delayedRecipients"
	case "Reject":
		return "reject", ""
	case "Rendering Failure":
		return "failure", ""
	case "Open":
		return "open", ""
	case "Click":
		return "click", ""
	case "Subscription":
		return "subscription", ""
	case "Send":
		return "send", ""
	}
	return "", ""
}
