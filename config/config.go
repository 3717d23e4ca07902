// Package config reads the configuration file. It is strict, reports every mistake at once
// with its line, and holds secrets in a form that cannot be printed.
package config

import (
	"net/netip"
	"path/filepath"
	"time"

	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/core/money"
	"patchbay/core/template"
)

// Config is the whole configuration, after validation.
type Config struct {
	Server   Server              `config:"server"`
	Auth     Auth                `config:"auth"`
	Payments Payments            `config:"payments"`
	Mail     Mail                `config:"mail"`
	Storage  Storage             `config:"storage"`
	Log      Log                 `config:"log"`
	Provider map[string]Provider `config:"-"` // the providers in use, by name
	Stores   map[string]Provider `config:"-"` // all storage providers, in use or not; without policies
	Types    []setting.Described `config:"-"` // as they were passed to Load
	Mask     Mask                `config:"-"` // for any output that shows the configuration or errors
}

// Server holds the addresses and limits of the listeners.
type Server struct {
	Address      string `config:"address"`
	AdminAddress string `config:"admin_address"` // loopback only
	// PublicURL is where recipients of mail reach the API, for the links in it. It is empty if they do
	// not.
	PublicURL setting.BaseURL `config:"public_url"`
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is trusted.
	TrustedProxies []netip.Prefix `config:"trusted_proxies"`
	MaxConnections int            `config:"max_connections"` // 0 means what the limit on open files allows
	// MaxConnectionsPerAddress is the limit for one address. 0 means half of
	// MaxConnections.
	MaxConnectionsPerAddress int `config:"max_connections_per_address"`
	// Memory is the memory that the process should use in total, as far as it can control
	// that.
	Memory setting.Size `config:"memory"`
}

// Auth defines whether callers need a key: "auto" (unless the address is loopback),
// "required" or "off" (loopback only).
type Auth struct {
	Mode string `config:"mode"`
}

// Payments names the payment providers in order of preference.
type Payments struct {
	Providers  []string         `config:"providers"`
	Currencies []money.Currency `config:"currencies"`
	// SkipAfterRestore names providers that are not read after an older copy of the store
	// was restored. They need not be configured any more.
	SkipAfterRestore []string `config:"skip_after_restore"`
	// AllowMixed permits live providers together with others.
	AllowMixed bool `config:"allow_mixed"`
}

// Mail names the mail providers in order of preference.
type Mail struct {
	Providers []string       `config:"providers"`
	From      string         `config:"from"`     // if a message names none
	Delivery  email.Delivery `config:"delivery"` // if a message names none
	Templates Templates      `config:"templates"`
	SMTP      SMTP           `config:"smtp"`
	// Suppressions says what stops mail to an address.
	Suppressions Suppressions `config:"suppressions"`
	// FromDomains are the domains that a provider sends for, by its name. A provider that is not named
	// sends for all.
	FromDomains map[string][]string `config:"from_domains"`
	// Senders are the addresses, and domains as *@shop.example, that a tenant may send as, by its name.
	// A tenant that is not named may send as any.
	Senders map[string][]string `config:"senders"`
	// Sandbox accepts mail and calls no provider.
	Sandbox bool `config:"sandbox"`
	// RedirectTo gets all mail in place of its recipients; empty for nobody.
	RedirectTo string `config:"redirect_to"`
	// AllowedRecipients are the only addresses, and domains as *@example.com, that may get mail; empty
	// for all.
	AllowedRecipients []string `config:"allowed_recipients"`
	// AllowMixed permits live providers together with others.
	AllowMixed bool `config:"allow_mixed"`
}

// DefaultTemplates is the directory of templates where none is configured. It need not be there.
const DefaultTemplates = "data/templates"

// SMTP is the way in by SMTP.
type SMTP struct {
	Address string      `config:"address"` // empty for none
	TLS     Certificate `config:"tls"`
}

// Certificate names the files of a certificate and its key, in PEM. Both are empty for none.
type Certificate struct {
	CertFile string `config:"cert_file"`
	KeyFile  string `config:"key_file"`
}

// Templates says where the sources of email templates are.
type Templates struct {
	Directory  string           `config:"directory"`
	MissingKey template.Missing `config:"missing_key"` // what becomes of a key that the data lack
}

// Suppressions says what stops mail to an address.
type Suppressions struct {
	Complaints string `config:"complaints"` // what they stop: marketing, or all
}

// Storage names the store, and the fallback for a database server that is not available.
type Storage struct {
	Provider      string        `config:"provider"`
	Standby       string        `config:"standby"` // a second store with a copy of the users; empty for none
	StandbyMaxLag time.Duration `config:"standby_max_lag"`
	Spool         string        `config:"spool"`     // a file on this machine, or off
	Retention     setting.Age   `config:"retention"` // of the texts and files of emails, and of webhooks
}

// Log defines what is logged: level debug, info, warn or error; format text or json.
type Log struct {
	Level    string `config:"level"`
	Format   string `config:"format"`
	Requests bool   `config:"requests"` // a line for each request
}

// KeysRequired reports whether callers need a key.
func (c *Config) KeysRequired() bool {
	return c.Auth.Mode == "required" || c.Auth.Mode == "auto" && !setting.Loopback(c.Server.Address)
}

// SMTPKeysRequired reports whether clients of the way in by SMTP need a key.
func (c *Config) SMTPKeysRequired() bool {
	return c.KeysRequired() || !setting.Loopback(c.Mail.SMTP.Address)
}

// Spool returns the file that stores webhooks and mail while the store is not available. It
// is empty if there is none: a store on this machine does not become unavailable while the
// gateway runs.
func (c *Config) Spool() string {
	if c.Storage.Spool == noSpool || !c.Provider[c.Storage.Provider].Type.Server {
		return ""
	}
	return c.Storage.Spool
}

const noSpool = "off"

// DataDir returns the directory of the installation's secrets: the directory of the
// database file.
func (c *Config) DataDir() string { return c.Provider[c.Storage.Provider].DataDir() }

// DataDir returns the directory of the secrets of an installation with this store.
func (p Provider) DataDir() string {
	if s, ok := p.Settings.(setting.Placed); ok {
		return filepath.Dir(s.Place())
	}
	return "data"
}

// defaults returns the default configuration in the form in which a file is read.
func defaults() map[string]any {
	return map[string]any{
		"server": map[string]any{
			"address": "127.0.0.1:8080", "admin_address": "127.0.0.1:8081", "public_url": "",
			"max_connections": "0", "max_connections_per_address": "0", "memory": "256MB",
		},
		"auth":     map[string]any{"mode": "auto"},
		"payments": map[string]any{"providers": []any{"mock"}, "currencies": []any{"usd", "eur", "gbp"}, "allow_mixed": "false"},
		"mail": map[string]any{
			"providers": []any{"catcher"}, "from": "patchbay@localhost.localdomain", "delivery": "at_least_once", "allow_mixed": "false",
			"smtp":    map[string]any{"address": "", "tls": map[string]any{"cert_file": "", "key_file": ""}},
			"sandbox": "false", "redirect_to": "",
			"templates": map[string]any{"directory": DefaultTemplates, "missing_key": "error"}, "suppressions": map[string]any{"complaints": "marketing"},
		},
		"storage": map[string]any{
			"provider": "local", "standby": "", "standby_max_lag": "1m0s", "spool": "data/spool.db", "retention": "90d",
		},
		"log": map[string]any{"level": "info", "format": "text", "requests": "true"},
	}
}

// builtin are the types of the providers that exist without being configured. A configured
// provider replaces the builtin one of its name, and has its type unless it specifies another.
var builtin = map[string]string{"mock": "mock", "catcher": "catcher", "local": "sqlite"}
