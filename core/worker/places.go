package worker

// Places limits how much work may be in progress for each of several providers. It is for work
// that begins without a claim of a Worker, which has a limit of its own.
type Places map[string]chan struct{}

// NewPlaces returns n places for each provider.
func NewPlaces(providers []string, n int) Places {
	p := make(Places)
	for _, provider := range providers {
		p[provider] = make(chan struct{}, n)
	}
	return p
}

// Take takes a place at a provider if one is free. A provider that was not given to NewPlaces has
// none.
func (p Places) Take(provider string) bool {
	select {
	case p[provider] <- struct{}{}:
		return true
	default:
		return false
	}
}

// Release frees a place that was taken.
func (p Places) Release(provider string) { <-p[provider] }
