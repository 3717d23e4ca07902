// Package setting holds what the settings of a provider are made of: secrets, ages, sizes,
// URLs, and the description of a type of provider. It imports the standard library only, so
// that adapters may import it.
//
// Settings are a pointer to a struct. The tag of a field is its key in the configuration:
//
//	type Settings struct {
//		APIKey  setting.Secret  `config:"api_key"`
//		BaseURL setting.BaseURL `config:"base_url"`
//	}
//
// A field is a string, a bool, an int, a time.Duration, a struct, a type of this package,
// another type that is no struct and implements [encoding.TextUnmarshaler], or a list of one
// of them, or a map of them by names. A field with the tag "-" is not a setting.
package setting

import (
	"net"
	"regexp"
)

// Sort is the purpose of a provider.
type Sort string

// The sorts of providers.
const (
	ForPayments Sort = "payments"
	ForMail     Sort = "mail"
	ForStorage  Sort = "storage"
)

// Type describes a type of provider.
type Type struct {
	Name string // as in the configuration: type: stripe
	Sort Sort   // set by package adapters/provider
	// Simulated providers have no effect outside the gateway.
	Simulated bool
	// Server means a store on a server, which may become unavailable while the gateway
	// runs.
	Server bool
	// Dump is the server's own backup program. It is empty if the gateway makes backups.
	Dump string
	// Settings returns the type's settings with their defaults, to be filled.
	Settings func() any
}

// Described is a type of provider, such as those of package adapters/provider.
type Described interface{ Description() Type }

// Description implements Described.
func (t Type) Description() Type { return t }

// StoresTemplates is implemented by settings of mail providers that store templates.
type StoresTemplates interface {
	// TemplateIDs returns the ids that templates have at the provider, by name.
	TemplateIDs() map[string]string
}

// Checks is implemented by settings that may be wrong although each of them can be read. Check
// returns everything that is wrong. It is called although a setting could not be read, which then
// has its default: what it says of such a setting, or of one with it, is not reported.
type Checks interface{ Check() Mistakes }

// Tests is implemented by settings that may be those of a test account. Where the credentials
// do not tell, a simulator on this machine is one: see BaseURL.Local.
type Tests interface{ Test() bool }

// Local is implemented by settings whose credentials tell a live account wherever the requests
// go. Local reports whether they go to this machine.
type Local interface{ Local() bool }

// Signs is implemented by the settings of providers that sign their webhooks. Signing
// returns the secrets, any of which may have signed a webhook, and the key of the setting.
type Signs interface {
	Signing() (key string, secrets []Secret)
}

// Identifies is implemented by settings that identify the account at a provider: the same
// Credential always means the same account. It is secret.
type Identifies interface{ Credential() string }

// Placed is implemented by the settings of a provider that keeps its data in a file or a
// directory of this machine. Place returns its path.
type Placed interface{ Place() string }

// Addressed is implemented by the settings of a store on a server. Address returns where it
// is: host:port/database.
type Addressed interface{ Address() string }

// ValidName reports whether a name can be that of a provider, a type or a format: words of small
// letters and digits, joined by single hyphens or underscores. It can then be part of the name
// of a variable, where "__" separates names.
func ValidName(name string) bool { return validName.MatchString(name) }

var validName = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

// Loopback reports whether an address, host:port, can be reached from this machine only. What
// is in doubt is not loopback.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
