package config

import (
	"context"
	"fmt"
	"maps"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"patchbay/core/email"
	"patchbay/core/idempotency"
	"patchbay/core/money"
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
	Name string
	Sort Sort
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

// Provider is a configured provider.
type Provider struct {
	Name     string
	Type     Type
	Settings any    // the filled value from Type.Settings
	Policy   Policy // for all providers but a store on this machine
}

// Mode tells whether a provider's operations have an effect in the real world.
type Mode string

// The modes of providers. The providers of one list are all live, or none is.
const (
	Simulated Mode = "simulated"
	Test      Mode = "test" // a test account, or a simulator on this machine
	Live      Mode = "live"
)

// Mode returns the provider's mode.
func (p Provider) Mode() Mode {
	if p.Type.Simulated {
		return Simulated
	}
	if tests, ok := p.Settings.(Tests); ok && tests.Test() {
		return Test
	}
	return Live
}

// Load reads a file (none if path is empty) and the environment. The error is a Mistakes
// with all mistakes, or the error of reading the file.
func Load(path string, environ []string, types []Type) (*Config, error) {
	s, err := read(path, environ)
	if err != nil {
		return nil, err
	}
	c := &Config{Provider: map[string]Provider{}, Stores: map[string]Provider{}}
	written, _ := s.merged["providers"].(map[string]any)
	policies, _ := s.merged["policies"].(map[string]any)
	delete(s.merged, "providers")
	delete(s.merged, "policies")
	s.decode("", s.merged, reflect.ValueOf(c).Elem())
	s.checkSettings(c)
	s.checkProviders(c, written, types)
	s.checkPolicies(c, policies)
	c.Mask = s.mask()
	if len(s.mistakes) > 0 {
		return nil, s.mistakes.sorted().masked(c.Mask)
	}
	return c, nil
}

// minMemory leaves enough room for the largest email within one caller's share.
const minMemory = 256 * megabyte

func (s *source) checkSettings(c *Config) {
	s.checkAddress("server.address", c.Server.Address)
	s.checkAddress("server.admin_address", c.Server.AdminAddress)
	if addressed(c.Server.AdminAddress) && !Loopback(c.Server.AdminAddress) {
		s.mistake("server.admin_address", "must be a loopback address: it asks for no key")
	}
	if c.Server.AdminAddress == c.Server.Address && addressed(c.Server.Address) && !strings.HasSuffix(c.Server.Address, ":0") {
		s.mistake("server.admin_address", "must not be server.address: the two listen apart")
	}
	for path, n := range map[string]int{"server.max_connections": c.Server.MaxConnections, "server.max_connections_per_address": c.Server.MaxConnectionsPerAddress} {
		s.require(n >= 0, path, "%d must not be below 0", n)
	}
	s.require(c.Server.Memory >= minMemory, "server.memory", "%s is too little for the largest mail; it must be at least %s", c.Server.Memory, minMemory)
	s.oneOf("auth.mode", c.Auth.Mode, "auto", "required", "off")
	if c.Auth.Mode == "off" && addressed(c.Server.Address) && !Loopback(c.Server.Address) {
		s.mistake("auth.mode", "may be off only on a loopback address; write auto")
	}
	s.oneOf("mail.delivery", string(c.Mail.Delivery), "at_least_once", "at_most_once")
	s.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	s.oneOf("log.format", c.Log.Format, "text", "json")
	_, err := email.ParseAddress(c.Mail.From)
	s.require(err == nil, "mail.from", "%q is not an address such as shop@example.com", c.Mail.From)
	s.require(len(c.Payments.Currencies) > 0, "payments.currencies", "must name at least one currency")
	for i, currency := range c.Payments.Currencies {
		s.require(currency.Known(), fmt.Sprintf("payments.currencies[%d]", i), "%q is not a known currency; write for example %s", currency, money.Default[0])
	}
}

func (s *source) checkAddress(path, address string) {
	s.require(addressed(address), path, "%q is not an address such as 127.0.0.1:8080", address)
}

func addressed(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" { // without a port, any free port would be used
		return false
	}
	_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port) // from a table on this machine
	return err == nil
}

func (s *source) oneOf(path, value string, allowed ...string) {
	s.require(slices.Contains(allowed, value), path, "%q must be one of %s", value, strings.Join(allowed, ", "))
}

// checkProviders reads every configured provider, and checks the lists that use them.
func (s *source) checkProviders(c *Config, written map[string]any, types []Type) {
	all := builtin()
	for name, settings := range written {
		if m, ok := settings.(map[string]any); ok && m["type"] == nil && all[name] != nil {
			m["type"] = all[name].(map[string]any)["type"]
		}
		all[name] = settings
	}
	kinds, modes := make(map[string]Type, len(all)), make(map[string]Mode, len(all))
	for name, settings := range all {
		before := len(s.mistakes)
		p, ok := s.provider(name, settings, types)
		kinds[name] = p.Type
		if ok && len(s.mistakes) == before { // else its settings may not say
			modes[name] = p.Mode()
		}
		if ok {
			c.Provider[name] = p
		}
		if p.Type.Sort == ForStorage {
			c.Stores[name] = p
		}
	}
	s.checkList("payments.providers", ForPayments, c.Payments.Providers, kinds)
	s.checkList("mail.providers", ForMail, c.Mail.Providers, kinds)
	s.checkList("storage.provider", ForStorage, []string{c.Storage.Provider}, kinds)
	s.checkStandby(c, kinds)
	if !c.Payments.AllowMixed {
		s.checkModes("payments", c.Payments.Providers, modes)
	}
	if !c.Mail.AllowMixed {
		s.checkModes("mail", c.Mail.Providers, modes)
	}
	used := slices.Concat(c.Payments.Providers, c.Mail.Providers, []string{c.Storage.Provider, c.Storage.Standby})
	maps.DeleteFunc(c.Provider, func(name string, _ Provider) bool { return !slices.Contains(used, name) })
	s.checkWebhooks(c)
}

// checkStandby checks the fallback of the store.
func (s *source) checkStandby(c *Config, kinds map[string]Type) {
	if name := c.Storage.Standby; name != "" {
		s.checkList("storage.standby", ForStorage, []string{name}, kinds)
		if name == c.Storage.Provider {
			s.mistake("storage.standby", "%q is storage.provider too: name another store", name)
		}
	}
	r := time.Duration(c.Storage.Retention)
	s.require(c.Storage.StandbyMaxLag >= time.Second, "storage.standby_max_lag", "must be at least 1s")
	s.require(r == 0 || r >= idempotency.Kept, "storage.retention", "must be at least 72h, for as long as idempotency keys are kept, or off")
	s.require(c.Storage.Spool != "", "storage.spool", "must name a file, such as data/spool.db, or be off")
}

// providerName matches names that can also be part of a variable's name. A name has no
// "__", because that separates names there.
var providerName = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

func (s *source) provider(name string, written any, types []Type) (Provider, bool) {
	path := "providers." + name
	if !providerName.MatchString(name) || reserved(name) {
		s.mistake(path, "%q is not a name for a provider; write for example stripe-eu", name)
	}
	m, ok := written.(map[string]any)
	if !ok {
		s.mistake(path, "must be a mapping with a type")
		return Provider{}, false
	}
	kind, single := m["type"].(string)
	if !single {
		s.mistake(join(path, "type"), "must say one of %s", typeNames(types))
		return Provider{}, false
	}
	i := slices.IndexFunc(types, func(t Type) bool { return t.Name == kind })
	if i < 0 {
		s.mistake(join(path, "type"), "%q is not a type of provider; there is %s", kind, typeNames(types))
		return Provider{}, false
	}
	settings := types[i].Settings()
	rest := maps.Clone(m)
	delete(rest, "type")
	before := len(s.mistakes)
	s.decode(path, rest, reflect.ValueOf(settings).Elem())
	if c, ok := settings.(interface{ Check() (path, text string) }); ok && len(s.mistakes) == before {
		if at, text := c.Check(); text != "" {
			s.mistake(join(path, at), "%s", text)
		}
	}
	return Provider{Name: name, Type: types[i], Settings: settings}, true
}

func typeNames(types []Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.Name
	}
	return strings.Join(names, ", ")
}

// checkList checks a list of providers that replace each other on failure.
func (s *source) checkList(path string, sort Sort, names []string, kinds map[string]Type) {
	s.require(len(names) > 0, path, "must name at least one provider")
	seen := map[string]bool{}
	for i, name := range names {
		if s.unread[fmt.Sprintf("%s[%d]", path, i)] || s.unread[path] {
			continue
		}
		kind, there := kinds[name]
		switch {
		case !there:
			s.mistake(path, "there is no provider %q; add it under providers", name)
		case seen[name]:
			s.mistake(path, "names %q twice", name)
		case kind.Name != "" && kind.Sort != sort:
			s.mistake(path, "%q is a provider for %s", name, kind.Sort)
		}
		seen[name] = true
	}
}

// checkModes checks that the providers of a list are all live, or none is. Otherwise
// operations meant for one kind could reach the other.
func (s *source) checkModes(path string, names []string, modes map[string]Mode) {
	var live, other string
	for _, name := range names {
		switch modes[name] {
		case Live:
			live = name
		case Simulated, Test:
			other = name
		}
	}
	if live != "" && other != "" {
		s.mistake(path+".providers", "%q is live and %q is not (%s): what is meant for one would go to the other; for tests, write %s.allow_mixed: true",
			live, other, modes[other], path)
	}
}
