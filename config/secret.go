package config

import "log/slog"

// Secret is a value that no formatter prints. Reveal gives it to whoever needs
// it.
type Secret struct{ value string }

const hidden = "[secret]"

// NewSecret hides a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value.
func (s Secret) Reveal() string { return s.value }

// String implements fmt.Stringer.
func (Secret) String() string { return hidden }

// GoString implements fmt.GoStringer, for %#v.
func (Secret) GoString() string { return hidden }

// MarshalText implements encoding.TextMarshaler, which JSON and YAML use too.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
