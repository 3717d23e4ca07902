package email

import "patchbay/core/fault"

// Tracking says whether the provider is to track who opens a message and clicks its links, for which it
// changes the links and adds a picture. Empty means as the provider's account does.
type Tracking string

// The settings of Tracking.
const (
	TrackingOn  Tracking = "on"
	TrackingOff Tracking = "off"
)

// EachTracking are the settings of a provider where it can be set for each message.
func EachTracking() []Tracking { return []Tracking{TrackingOn, TrackingOff} }

// AccountTracking returns the settings of a provider that tracks what its account says, from its
// configuration: on, off, or empty if that is not known. Invalid.
func AccountTracking(configured string) ([]Tracking, error) {
	switch t := Tracking(configured); t {
	case "":
		return nil, nil
	case TrackingOn, TrackingOff:
		return []Tracking{t}, nil
	}
	return nil, fault.New(fault.Invalid, "invalid_setting", "must be on or off")
}
