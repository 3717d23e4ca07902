package ports

// IDs makes identifiers: a prefix, an underscore, and 26 characters that sort by time of
// creation.
type IDs interface {
	New(prefix string) string
}
