package email

import (
	"time"

	"patchbay/core/fault"
)

// Outcome is how an attempt ended.
type Outcome string

// The outcomes of an attempt. Only Attempting and Ambiguous leave open whether mail was sent.
const (
	Attempting       Outcome = "attempting" // durable before the call; the outcome is unknown after a crash
	Accepted         Outcome = "accepted"
	RejectedMessage  Outcome = "rejected_message"  // the message is refused permanently, at any provider
	RefusedHere      Outcome = "refused_here"      // this provider refuses this message permanently; another may accept it
	ProviderUnusable Outcome = "provider_unusable" // a problem of the account: credentials, quota, domain
	NotAccepted      Outcome = "not_accepted"      // proved: nothing was sent
	Ambiguous        Outcome = "ambiguous"
)

// Attempt is one attempt to send a message through one provider.
type Attempt struct {
	ID       string  `json:"id"`       // att_…
	Provider string  `json:"provider"` // empty if no provider could carry the message
	Outcome  Outcome `json:"outcome"`
	// Account is Features.Account of the provider when the attempt began; empty if the provider does not
	// remember attempts, and in attempts of an earlier version.
	Account   string `json:"account,omitempty"`
	Reference string `json:"reference,omitempty"` // the provider's id of the message
	Marked    bool   `json:"marked,omitempty"`    // the message carries the attempt's id; false for mail of an earlier version
	Code      string `json:"code,omitempty"`
	Message   string `json:"message,omitempty"` // without addresses and secrets
	// Answer is the provider's response, if there was one and it did not accept the message.
	Answer    *fault.Answer `json:"answer,omitempty"`
	StartedAt time.Time     `json:"startedAt"`
	EndedAt   time.Time     `json:"endedAt,omitzero"`
	// Repeats counts the repeats of the call while the outcome was unknown: see Features.KeyMemory. Code,
	// Message and Answer are then those of the last call, also while the attempt is still Attempting.
	Repeats int `json:"repeats,omitempty"`
	// Room says in which windows of the provider's rate the call, or its last repeat, is counted: by their length,
	// until when. It is empty once the attempt has ended.
	Room map[time.Duration]time.Time `json:"room,omitempty"`
}

// Receipt is a provider's response to a message that it has accepted.
type Receipt struct {
	Reference string // the provider's id of the message, empty if it gives none
}
