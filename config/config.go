// Package config reads the one configuration file: strictly, with every mistake
// at once and its line, and with secrets that cannot be printed.
package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"patchbay/core/message"
	"patchbay/core/money"
)

// Config is the whole configuration, checked.
type Config struct {
	Server   Server              `config:"server"`
	Auth     Auth                `config:"auth"`
	Payments Payments            `config:"payments"`
	Mail     Mail                `config:"mail"`
	Storage  Storage             `config:"storage"`
	Log      Log                 `config:"log"`
	Provider map[string]Provider `config:"-"` // the providers in use, by name
	Stores   map[string]Provider `config:"-"` // all providers for storage, in use or not; without policies
	Mask     Mask                `config:"-"` // for whatever is shown of the configuration and of errors
}

// Server is where the gateway listens.
type Server struct {
	Address      string `config:"address"`
	AdminAddress string `config:"admin_address"` // loopback only
	// TrustedProxies say in X-Forwarded-For who their client is.
	TrustedProxies []netip.Prefix `config:"trusted_proxies"`
	MaxConnections int            `config:"max_connections"` // 0 for what the limit on open files allows
	// MaxConnectionsPerAddress is 0 for half of MaxConnections.
	MaxConnectionsPerAddress int `config:"max_connections_per_address"`
	// Memory is what the process is to take in all, as far as it has a say in it.
	Memory Size `config:"memory"`
}

// Auth says whether callers need a key: "auto" (unless the address is
// loopback), "required" or "off" (loopback only).
type Auth struct {
	Mode string `config:"mode"`
}

// Payments names the payment providers, the preferred first.
type Payments struct {
	Providers  []string         `config:"providers"`
	Currencies []money.Currency `config:"currencies"`
	// SkipAfterRestore names providers that are not read after an older copy of the store was
	// put back. They need not be configured any more.
	SkipAfterRestore []string `config:"skip_after_restore"`
}

// Mail names the mail providers, the preferred first.
type Mail struct {
	Providers []string         `config:"providers"`
	From      string           `config:"from"`     // where a message names none
	Delivery  message.Delivery `config:"delivery"` // where a message names none
}

// Storage names the store, and what stands in for a database server that is gone.
type Storage struct {
	Provider      string        `config:"provider"`
	Standby       string        `config:"standby"` // a second store with a copy of the users; empty for none
	StandbyMaxLag time.Duration `config:"standby_max_lag"`
	Spool         string        `config:"spool"`     // a file of this machine, or off
	Retention     Age           `config:"retention"` // of mail's texts and files, and of webhooks
}

// Log says what is logged: level debug, info, warn or error; format text or json.
type Log struct {
	Level    string `config:"level"`
	Format   string `config:"format"`
	Requests bool   `config:"requests"` // a line for each
}

// SQLite is a provider of type sqlite.
type SQLite struct {
	Path string `config:"path"`
}

// Mock is a payment provider of type mock.
type Mock struct {
	// Fault makes every new payment fail, for trying what follows: see
	// docs/configuration.md.
	Fault string `config:"fault"`
	// WebhookSecrets verify the mock's webhooks; it signs with the first. A
	// random one of this installation where none is given.
	WebhookSecrets []Secret `config:"webhook_secrets"`
}

// Catcher is a mail provider of type catcher.
type Catcher struct {
	Path string `config:"path"` // of the directory
	Keep int    `config:"keep"` // newest messages kept
}

// KeysRequired reports whether callers need a key.
func (c *Config) KeysRequired() bool {
	return c.Auth.Mode == "required" || c.Auth.Mode == "auto" && !Loopback(c.Server.Address)
}

// Spool is the file that keeps webhooks and mail while the store is gone, empty
// where there is none: a store on this machine is not gone while the gateway runs.
func (c *Config) Spool() string {
	if c.Storage.Spool == noSpool || !c.Provider[c.Storage.Provider].Type.Server {
		return ""
	}
	return c.Storage.Spool
}

const noSpool = "off"

// DataDir is where the installation keeps its secrets: beside the database.
func (c *Config) DataDir() string { return c.Provider[c.Storage.Provider].DataDir() }

// DataDir is where an installation on this store keeps its secrets.
func (p Provider) DataDir() string {
	if s, ok := p.Settings.(*SQLite); ok {
		return filepath.Dir(s.Path)
	}
	return "data"
}

// Loopback reports whether an address is reached from this machine only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// defaults is the configuration where nothing is configured, as if read from a
// file.
func defaults() map[string]any {
	return map[string]any{
		"server": map[string]any{
			"address": "127.0.0.1:8080", "admin_address": "127.0.0.1:8081",
			"max_connections": "0", "max_connections_per_address": "0", "memory": "256MB",
		},
		"auth":     map[string]any{"mode": "auto"},
		"payments": map[string]any{"providers": []any{"mock"}, "currencies": []any{"usd", "eur", "gbp"}},
		"mail": map[string]any{
			"providers": []any{"catcher"}, "from": "patchbay@localhost.localdomain", "delivery": "at_least_once",
		},
		"storage": map[string]any{
			"provider": "local", "standby": "", "standby_max_lag": "1m0s", "spool": "data/spool.db", "retention": "90d",
		},
		"log": map[string]any{"level": "info", "format": "text", "requests": "true"},
	}
}

// builtin are the providers that are there without being configured. One that
// is configured takes the place of the builtin one of that name, and is of its
// type unless it says otherwise.
func builtin() map[string]any {
	return map[string]any{
		"mock":    map[string]any{"type": "mock"},
		"catcher": map[string]any{"type": "catcher"},
		"local":   map[string]any{"type": "sqlite"},
	}
}
