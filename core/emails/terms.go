package emails

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"patchbay/core/email"
	"patchbay/ports"
)

// A message is found by terms of its record: keyed hashes of each mailbox that it was accepted for, of
// each tag and of each pair of its metadata. The store knows nothing else of them, and without the
// secret nobody can tell from a copy of the store who got mail.

// termBytes is how much of a hash is a term: 96 bits, so that two values of a tenant do not meet.
const termBytes = 12

// The fields that terms are made of. A value of one field never has the term of another.
const (
	fieldRecipient = "recipient"
	fieldTag       = "tag"
	fieldMetadata  = "metadata"
)

// term returns the term of a value of a field: base64url of the beginning of HMAC-SHA-256 over the
// tenant, the field and the value, on a line each. None of their parts has a line break.
func (s *Service) term(tenant, field string, value ...string) string {
	mac := hmac.New(sha256.New, s.TermSecret)
	for _, part := range append([]string{tenant, field}, value...) {
		_, _ = mac.Write([]byte(part + "\n")) // a hash never fails
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:termBytes])
}

// recipientTerm returns the term of a mailbox, which is the same however the address is written.
func (s *Service) recipientTerm(tenant, address string) string {
	return s.term(tenant, fieldRecipient, s.mailbox(address))
}

// terms returns what a message is found by, in a fixed order. No message that is accepted has more than
// ports.MaxTerms; one of an earlier version may, and is then not found by all of its recipients.
func (s *Service) terms(m *email.Message) []string {
	all := make([]string, 0, len(m.Tags)+len(m.Metadata)+len(m.Recipients))
	for _, tag := range m.Tags {
		all = append(all, s.term(m.Tenant, fieldTag, tag))
	}
	for key, value := range m.Metadata {
		all = append(all, s.term(m.Tenant, fieldMetadata, key, value))
	}
	for _, address := range m.RecipientAddresses() {
		all = append(all, s.recipientTerm(m.Tenant, address))
	}
	all = all[:min(len(all), ports.MaxTerms)]
	slices.Sort(all)
	return slices.Compact(all)
}

// setTerms lets the next save write the terms of a message, in place of those that are stored.
func (s *Service) setTerms(m *email.Message, r *ports.Record) {
	m.HasTerms, r.Terms = true, s.terms(m)
}
