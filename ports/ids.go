package ports

// IDs makes identifiers: a prefix, an underscore, and 26 characters that sort
// by time of making.
type IDs interface {
	New(prefix string) string
}
