package inbox

import "patchbay/ports"

// The flags of events' records.
const (
	flagParked = "parked"    // it could not be applied, and is tried again
	flagAside  = "set_aside" // it is not
)

// ParkedSets are the events that could not be applied, and are tried again.
func ParkedSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagParked}} }

// AsideSets are the events that are set aside.
func AsideSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagAside}} }

// Queues lists where events wait.
func (s *Service) Queues() []string { return s.queues.Queues() }
