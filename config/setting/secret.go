package setting

import "log/slog"

// Secret is a value that no formatter prints. Reveal returns it.
//
// The value is behind a pointer: fmt calls no method of an unexported field, nor for a verb
// such as %d, and prints the field's content.
type Secret struct{ value *string }

// Hidden is what is printed in place of a secret.
const Hidden = "[secret]"

// NewSecret returns a Secret with a value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the value, or "" if there is none.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String implements fmt.Stringer.
func (Secret) String() string { return Hidden }

// GoString implements fmt.GoStringer, for %#v.
func (Secret) GoString() string { return Hidden }

// MarshalText implements encoding.TextMarshaler, which JSON and YAML use too.
func (Secret) MarshalText() ([]byte, error) { return []byte(Hidden), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(Hidden) }
