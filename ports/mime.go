package ports

import "patchbay/core/email"

// MIMEReader reads messages in the format of Internet mail (RFC 5322, MIME).
type MIMEReader interface {
	// Read takes a message apart. What the fields cannot hold is named in Loss, and is no error.
	//
	// Invalid: it is no message, or its headers cannot be read.
	Read(raw []byte) (email.Parts, error)
}
