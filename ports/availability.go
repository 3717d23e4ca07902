package ports

// Availability is what a provider may have beside its port: it tells beforehand
// that it would refuse, so that another is asked at once.
type Availability interface {
	// Available returns nil, or Unavailable with the time after which to ask
	// again. It makes no call.
	Available() error
}

// Available asks a provider that can tell; any other is available.
func Available(provider any) error {
	if a, ok := provider.(Availability); ok {
		return a.Available()
	}
	return nil
}
