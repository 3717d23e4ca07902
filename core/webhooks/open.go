package webhooks

import "patchbay/ports"

// Flags of event records.
const (
	flagParked = "parked"    // it could not be applied, and is retried
	flagAside  = "set_aside" // it could not be applied, and is not retried
)

// ParkedSets selects the events that could not be applied and are retried.
func ParkedSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagParked}} }

// AsideSets selects the events that are set aside.
func AsideSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagAside}} }

// Queues lists the queues of events.
func (s *Service) Queues() []string { return s.queues.Queues() }
