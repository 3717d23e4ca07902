package provider

import (
	"context"

	"patchbay/core/template"
)

// TemplateStore is implemented by the mailers of providers that have an API for the templates that
// they store. id is that of the template at the provider.
//
// Each method returns NotFound if the provider stores no such template, Invalid with the provider's
// words if it refuses the source, and otherwise the Kinds of httpclient.Client.Do.
type TemplateStore interface {
	// ActiveVersion returns the name of the version that is sent, empty if there is none.
	ActiveVersion(ctx context.Context, id string) (string, error)
	// Push stores a source as the version that is sent, by its VersionName. It replaces the version
	// that an earlier Push stored, and no other.
	Push(ctx context.Context, id string, s template.Source) error
}

// pushed begins the name of each version that was stored by Push.
const pushed = "patchbay-"

// VersionName is the name under which a source is stored: its digest, of which half tells any two
// sources apart, and which the providers have room for.
func VersionName(s template.Source) string { return pushed + s.Digest()[:32] }

// IsPushed reports whether a version of this name was stored by Push.
func IsPushed(version string) bool {
	return len(version) == len(pushed)+32 && version[:len(pushed)] == pushed
}
