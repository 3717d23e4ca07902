package checkout

// Accounts tells which account a provider's name means.
type Accounts interface {
	// Account is the provider's own id of it, empty while it is not known.
	Account(provider string) string
}
