package config

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/core/idempotency"
	"patchbay/core/money"
	"patchbay/core/template"
)

// Load reads a file (none if path is empty) and the environment. types are all types of
// providers that there are. The error is a Mistakes
// with all mistakes, or the error of reading the file.
func Load(path string, environ []string, types []setting.Described) (*Config, error) {
	s, err := read(path, environ)
	if err != nil {
		return nil, err
	}
	c := &Config{Provider: map[string]Provider{}, Stores: map[string]Provider{}, Types: types}
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
const minMemory setting.Size = 256 << 20

func (s *source) checkSettings(c *Config) {
	s.checkAddress("server.address", c.Server.Address)
	s.checkAddress("server.admin_address", c.Server.AdminAddress)
	if addressed(c.Server.AdminAddress) && !setting.Loopback(c.Server.AdminAddress) {
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
	if c.Auth.Mode == "off" && addressed(c.Server.Address) && !setting.Loopback(c.Server.Address) {
		s.mistake("auth.mode", "may be off only on a loopback address; write auto")
	}
	s.oneOf("mail.delivery", string(c.Mail.Delivery), "at_least_once", "at_most_once")
	s.oneOf("mail.templates.missing_key", string(c.Mail.Templates.MissingKey), string(template.MissingIsError), string(template.MissingIsEmpty))
	s.oneOf("mail.suppressions.complaints", c.Mail.Suppressions.Complaints, "marketing", "all")
	if c.Server.PublicURL != "" {
		text := c.Server.PublicURL.Check()
		s.require(text == "" && !strings.Contains(string(c.Server.PublicURL), "#"), "server.public_url", "must be an https URL, such as https://mail.example.com, or http on a loopback address")
	}
	s.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	s.oneOf("log.format", c.Log.Format, "text", "json")
	s.checkSMTP(c)
	_, err := email.ParseAddress(c.Mail.From)
	s.require(err == nil, "mail.from", "%q is not an address such as shop@example.com", c.Mail.From)
	_, err = email.ParseAddress(c.Mail.RedirectTo)
	s.require(err == nil || c.Mail.RedirectTo == "", "mail.redirect_to", "%q is not an address such as staging@example.com", c.Mail.RedirectTo)
	s.checkAddresses("mail.allowed_recipients", c.Mail.AllowedRecipients)
	for tenant, list := range c.Mail.Senders {
		s.checkAddresses("mail.senders."+tenant, list)
	}
	for name, domains := range c.Mail.FromDomains {
		path := "mail.from_domains." + name
		s.require(slices.Contains(c.Mail.Providers, name), path, "%q is not in mail.providers", name)
		for i, domain := range domains {
			s.require(plainAddress("any@"+domain), fmt.Sprintf("%s[%d]", path, i), "%q is not a domain such as shop.example, in ASCII", domain)
		}
	}
	s.require(len(c.Payments.Currencies) > 0, "payments.currencies", "must name at least one currency")
	for i, currency := range c.Payments.Currencies {
		s.require(currency.Known(), fmt.Sprintf("payments.currencies[%d]", i), "%q is not a known currency; write for example %s", currency, money.Default[0])
	}
}

// checkSMTP checks the way in by SMTP. A key is never taken before TLS, so that where keys are required
// there must be a certificate.
func (s *source) checkSMTP(c *Config) {
	in := c.Mail.SMTP
	files := in.TLS.CertFile != "" && in.TLS.KeyFile != ""
	switch {
	case (in.TLS.CertFile == "") != (in.TLS.KeyFile == ""):
		s.mistake("mail.smtp.tls.cert_file", "and key_file belong together")
	case in.Address == "":
		s.require(!files, "mail.smtp.tls.cert_file", "has no meaning without mail.smtp.address")
		return
	case files:
		if _, err := tls.LoadX509KeyPair(in.TLS.CertFile, in.TLS.KeyFile); err != nil {
			s.mistake("mail.smtp.tls.cert_file", "and key_file cannot be used: %v", err)
		}
	}
	s.checkAddress("mail.smtp.address", in.Address)
	if !addressed(in.Address) {
		return
	}
	for path, other := range map[string]string{"server.address": c.Server.Address, "server.admin_address": c.Server.AdminAddress} {
		if in.Address == other && !strings.HasSuffix(in.Address, ":0") {
			s.mistake("mail.smtp.address", "must not be %s: the two listen apart", path)
		}
	}
	if c.Auth.Mode == "off" && !setting.Loopback(in.Address) {
		s.mistake("auth.mode", "may be off only if mail.smtp.address is a loopback address as well; write auto")
	}
	if c.SMTPKeysRequired() && !files {
		s.mistake("mail.smtp.tls.cert_file", "and key_file are required where API keys are: no key is taken before TLS")
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

// checkStandby checks the fallback of the store.
func (s *source) checkStandby(c *Config, kinds map[string]setting.Type) {
	if name := c.Storage.Standby; name != "" {
		s.checkList("storage.standby", setting.ForStorage, []string{name}, kinds)
		if name == c.Storage.Provider {
			s.mistake("storage.standby", "%q is storage.provider too: name another store", name)
		}
	}
	r := time.Duration(c.Storage.Retention)
	s.require(c.Storage.StandbyMaxLag >= time.Second, "storage.standby_max_lag", "must be at least 1s")
	s.require(r == 0 || r >= idempotency.Kept, "storage.retention", "must be at least 72h, for as long as idempotency keys are kept, or off")
	s.require(c.Storage.Spool != "", "storage.spool", "must name a file, such as data/spool.db, or be off")
}

// checkAddresses checks a list of addresses, and of domains as *@example.com.
func (s *source) checkAddresses(path string, list []string) {
	for i, one := range list {
		address := one
		if domain, ok := strings.CutPrefix(one, "*@"); ok {
			address = "any@" + domain
		}
		domain := address[strings.LastIndexByte(address, '@')+1:]
		s.require(plainAddress(address) && !strings.Contains(domain, "*"), fmt.Sprintf("%s[%d]", path, i),
			"%q is neither an address such as ada@example.com nor a domain such as *@example.com, in ASCII", one)
	}
}

// plainAddress reports whether a text is an address in ASCII, without a name.
func plainAddress(text string) bool {
	a, err := email.ParseAddress(text)
	return err == nil && a.Email == text && !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}
