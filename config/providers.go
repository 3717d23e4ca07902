package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"patchbay/config/setting"
)

// Provider is a configured provider.
type Provider struct {
	Name     string
	Type     setting.Type
	From     setting.Described // what describes Type, as it was passed to Load
	Settings any               // the filled value from Type.Settings
	Policy   Policy            // for all providers but a store on this machine
}

// Mode says whether a provider's operations have an effect in the real world.
type Mode string

// The modes of providers. The providers of one list are all live, or none is.
const (
	Simulated Mode = "simulated"
	Test      Mode = "test" // a test account, or a simulator on this machine: see setting.Tests
	Live      Mode = "live"
)

// Mode returns the provider's mode.
func (p Provider) Mode() Mode {
	if p.Type.Simulated {
		return Simulated
	}
	if tests, ok := p.Settings.(setting.Tests); ok && tests.Test() {
		return Test
	}
	return Live
}

// local reports whether live credentials are sent to this machine.
func (p Provider) local() bool {
	l, ok := p.Settings.(setting.Local)
	return ok && l.Local()
}

// checkProviders reads every configured provider, and checks the lists that use them.
func (s *source) checkProviders(c *Config, written map[string]any, types []setting.Described) {
	all := make(map[string]any)
	for name, kind := range builtin {
		all[name] = map[string]any{"type": kind}
	}
	for name, settings := range written {
		if m, ok := settings.(map[string]any); ok && m["type"] == nil && builtin[name] != "" {
			m["type"] = builtin[name]
		}
		all[name] = settings
	}
	kinds, right := make(map[string]setting.Type, len(all)), make(map[string]Provider, len(all))
	for name, settings := range all {
		before := len(s.mistakes)
		p, ok := s.provider(name, settings, types)
		kinds[name] = p.Type
		if ok && len(s.mistakes) == before { // else its settings may not say
			right[name] = p
		}
		if ok {
			c.Provider[name] = p
		}
		if p.Type.Sort == setting.ForStorage {
			c.Stores[name] = p
		}
	}
	s.checkList("payments.providers", setting.ForPayments, c.Payments.Providers, kinds)
	s.checkList("mail.providers", setting.ForMail, c.Mail.Providers, kinds)
	s.checkList("storage.provider", setting.ForStorage, []string{c.Storage.Provider}, kinds)
	s.checkStandby(c, kinds)
	if !c.Payments.AllowMixed {
		s.checkModes("payments", c.Payments.Providers, right)
	}
	if !c.Mail.AllowMixed {
		s.checkModes("mail", c.Mail.Providers, right)
	}
	used := slices.Concat(c.Payments.Providers, c.Mail.Providers, []string{c.Storage.Provider, c.Storage.Standby})
	maps.DeleteFunc(c.Provider, func(name string, _ Provider) bool { return !slices.Contains(used, name) })
	s.checkWebhooks(c)
}

func (s *source) provider(name string, written any, types []setting.Described) (Provider, bool) {
	path := "providers." + name
	if !setting.ValidName(name) || reserved(name) {
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
	i := slices.IndexFunc(types, func(t setting.Described) bool { return t.Description().Name == kind })
	if i < 0 {
		s.mistake(join(path, "type"), "%q is not a type of provider; there is %s", kind, typeNames(types))
		return Provider{}, false
	}
	p := Provider{Name: name, Type: types[i].Description(), From: types[i]}
	p.Settings = p.Type.Settings()
	settings := maps.Clone(m)
	delete(settings, "type")
	s.decode(path, settings, reflect.ValueOf(p.Settings).Elem())
	if c, ok := p.Settings.(setting.Checks); ok {
		for _, wrong := range c.Check() {
			unread := slices.ContainsFunc(wrong.With, func(at string) bool { return s.unread[join(path, at)] })
			s.require(unread, join(path, wrong.Path), "%s", wrong.Text)
		}
	}
	return p, true
}

func typeNames(types []setting.Described) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.Description().Name
	}
	return strings.Join(names, ", ")
}

// checkList checks a list of providers that replace each other on failure.
func (s *source) checkList(path string, sort setting.Sort, names []string, kinds map[string]setting.Type) {
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
// operations meant for one kind could reach the other. The same holds for live credentials
// that are sent to this machine, where a simulator may answer, beside those that are not.
func (s *source) checkModes(path string, names []string, right map[string]Provider) {
	var live, local, other string
	for _, name := range names {
		p, ok := right[name]
		switch {
		case !ok:
		case p.Mode() != Live:
			other = name
		case p.local():
			local = name
		default:
			live = name
		}
	}
	const consequence = "what is meant for one would go to the other; for tests, write %s.allow_mixed: true"
	switch first := cmp.Or(live, local); {
	case first != "" && other != "":
		s.mistake(path+".providers", "%q is live and %q is not (%s): "+consequence, first, other, right[other].Mode(), path)
	case live != "" && local != "":
		s.mistake(path+".providers", "%q and %q are live, but the address of %q is of this machine: "+consequence, live, local, local, path)
	}
}

// checkWebhooks refuses a secret that two providers share: an event signed with it would be
// valid for both.
func (s *source) checkWebhooks(c *Config) {
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Provider)) {
		signs, ok := c.Provider[name].Settings.(setting.Signs)
		if !ok {
			continue
		}
		key, secrets := signs.Signing()
		for i, secret := range secrets {
			if secret.Reveal() == "" { // a missing secret is reported elsewhere
				continue
			}
			if other, taken := owner[secret.Reveal()]; taken && other != name {
				s.mistake(fmt.Sprintf("providers.%s.%s[%d]", name, key, i),
					"is a secret of %q too: an event must speak for one account", other)
			}
			owner[secret.Reveal()] = name
		}
	}
}
