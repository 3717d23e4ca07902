package app

import (
	"fmt"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/provider"
	"patchbay/config"
	"patchbay/config/setting"
)

// TemplateTarget is a mail provider that stores a template.
type TemplateTarget struct {
	Provider string   // as configured
	ID       string   // of the template there
	Helpers  []string // that a template may use there

	configured config.Provider
}

// TemplateTargets returns the configured mail providers that store a template.
func TemplateTargets(c *config.Config, template string) (targets []TemplateTarget) {
	for _, name := range c.Mail.Providers {
		p := c.Provider[name]
		stores, ok := p.Settings.(setting.StoresTemplates)
		if !ok {
			continue
		}
		if id := stores.TemplateIDs()[template]; id != "" {
			targets = append(targets, TemplateTarget{Provider: name, ID: id, Helpers: p.From.(provider.Mail).TemplateHelpers, configured: p})
		}
	}
	return targets
}

// Store returns the provider's API for the templates that it stores, or nil if it has none. It makes
// no call.
func (t TemplateTarget) Store() (provider.TemplateStore, error) {
	p := t.configured
	mailer, err := built(p.From.(provider.Mail).New(provider.Environment{
		Name: p.Name, Settings: p.Settings, Clock: clock.System{}, IDs: ids.UUIDs{}, Log: discard.Logger,
		Timeout: p.Policy.Timeout, MaxConns: p.Policy.Bulkhead,
	}))
	if err != nil {
		return nil, fmt.Errorf("mail provider %q: %w", p.Name, err)
	}
	store, _ := mailer.(provider.TemplateStore)
	return store, nil
}
