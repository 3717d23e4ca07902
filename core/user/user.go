// Package user is the domain of users: their data, and the changes allowed to it.
package user

import (
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"patchbay/core/fault"
)

// User is one person or account of a tenant. Email is unique within the tenant, in the form of Mailbox. A
// user of an earlier version may have the form of NormalizeEmail.
type User struct {
	ID        string            `json:"id"` // usr_…
	Tenant    string            `json:"tenant"`
	Email     string            `json:"email"`
	Name      string            `json:"name,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Version   int64             `json:"version"` // 1 when created, one more for each change
	CreatedAt time.Time         `json:"createdAt"`
	UpdatedAt time.Time         `json:"updatedAt"`
}

// Size returns the approximate size of the user in memory, in bytes.
func (u User) Size() int {
	n := len(u.Email) + len(u.Name)
	for k, v := range u.Metadata {
		n += len(k) + len(v)
	}
	return n
}

// Patch is a partial change: nil leaves a field unchanged. An empty Name clears the name. A nil
// value in Metadata deletes that key, and other keys stay. ClearMetadata deletes all existing
// keys before Metadata is applied.
type Patch struct {
	Email         *string
	Name          *string
	Metadata      map[string]*string
	ClearMetadata bool
}

// Creation is a user as it was created under an idempotency key. Later changes do not alter it;
// after a deletion only Fingerprint and User.ID are left.
type Creation struct {
	User        User
	Fingerprint string
	Deleted     bool
}

// Page is one page of a list, newest first. Next is empty on the last page.
type Page struct {
	Users []User
	Next  string
}

// Limits of the fields, in characters for names and in entries for metadata.
const (
	MaxEmail         = 254 // RFC 5321 §4.5.3.1.3
	MaxName          = 200
	MaxMetadata      = 50
	MaxMetadataKey   = 40
	MaxMetadataValue = 500
)

// New returns a user made from what a caller sent. It returns Invalid, with the field.
func New(id, tenant, email, name string, metadata map[string]string, now time.Time) (User, error) {
	u := User{
		ID: id, Tenant: tenant, Email: NormalizeEmail(email), Name: strings.TrimSpace(name),
		Metadata: maps.Clone(metadata), Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	return u, u.check()
}

// Apply returns u with the patch applied and Version increased by one. It returns Invalid if the
// result is not a valid user. u itself is not changed.
func (u User) Apply(p Patch, now time.Time) (User, error) {
	if p.Email != nil {
		u.Email = NormalizeEmail(*p.Email)
	}
	if p.Name != nil {
		u.Name = strings.TrimSpace(*p.Name)
	}
	if p.ClearMetadata {
		u.Metadata = nil
	}
	if p.Metadata != nil {
		metadata := make(map[string]string, len(u.Metadata)+len(p.Metadata))
		maps.Copy(metadata, u.Metadata)
		for k, v := range p.Metadata {
			if v == nil {
				delete(metadata, k)
			} else {
				metadata[k] = *v
			}
		}
		u.Metadata = metadata
	}
	u.Version++
	u.UpdatedAt = now
	return u, u.check()
}

func (u User) check() error {
	if err := checkEmail(u.Email); err != nil {
		return err
	}
	if utf8.RuneCountInString(u.Name) > MaxName || strings.ContainsAny(u.Name, "\r\n\x00") {
		return fault.InvalidParam("name", "invalid_name", "name must be at most 200 characters on one line")
	}
	return checkMetadata(u.Metadata)
}

func checkEmail(email string) error {
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > MaxEmail || strings.ContainsFunc(email, invisible) {
		return fault.InvalidParam("email", "invalid_email", "email must be one bare address such as ada@example.com")
	}
	return nil
}

// invisible reports whether r cannot be seen in an address, so that two addresses would look the
// same, or replaces bytes that are not valid UTF-8.
func invisible(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }

// checkMetadata returns Invalid unless metadata is within the limits.
func checkMetadata(metadata map[string]string) error {
	if len(metadata) > MaxMetadata {
		return fault.InvalidParam("metadata", "too_many_keys", "metadata takes at most 50 keys")
	}
	for _, k := range slices.Sorted(maps.Keys(metadata)) {
		v := metadata[k]
		switch {
		case k == "" || utf8.RuneCountInString(k) > MaxMetadataKey || strings.Contains(k, "\x00"):
			return fault.InvalidEntry("metadata", k, "invalid_metadata", "metadata keys take 1 to 40 characters, none of them zero")
		case utf8.RuneCountInString(v) > MaxMetadataValue || strings.Contains(v, "\x00"):
			return fault.InvalidEntry("metadata", k, "invalid_metadata", "metadata values take at most 500 characters, none of them zero")
		}
	}
	return nil
}
