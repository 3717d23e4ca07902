package app

import (
	"log/slog"
	"path/filepath"
	"strings"

	"patchbay/app/secrets"
	"patchbay/config"
	"patchbay/config/setting"
)

// announce logs the configuration in use: where data is stored, and which providers are
// used in which order.
func announce(c *config.Config, log *slog.Logger) {
	p := c.Provider[c.Storage.Provider]
	attrs := []any{"provider", p.Name, "type", p.Type.Name}
	if s, ok := p.Settings.(setting.Placed); ok {
		attrs = append(attrs, "path", absolute(s.Place()))
	}
	log.Info("data is kept in this store", attrs...)
	log.Info("secrets of this installation are kept here", "path", absolute(c.DataDir()))
	if secrets.Shared(c.DataDir()) {
		log.Warn("secrets of this installation can be read by others than their owner: each of them is the operator", "path", absolute(c.DataDir()))
	}
	if path := c.Spool(); path != "" {
		log.Info("webhooks and mail are kept here while the store is gone", "path", absolute(path))
	}
	if name := c.Storage.Standby; name != "" {
		log.Info("users are read from this store while the first is gone", "provider", name, "type", c.Provider[name].Type.Name)
	}
	log.Info("payments are made at these providers, in this order", "providers", modes(c, c.Payments.Providers))
	log.Info("mail is sent by these providers, in this order", "providers", modes(c, c.Mail.Providers))
	for _, name := range c.Payments.Providers {
		if c.Provider[name].Type.Simulated {
			log.Warn("payment provider is a mock: no money moves", "provider", name)
		}
	}
	for _, name := range c.Mail.Providers {
		if p := c.Provider[name]; p.Type.Simulated {
			attrs := []any{"provider", name}
			if s, ok := p.Settings.(setting.Placed); ok {
				attrs = append(attrs, "path", absolute(s.Place()))
			}
			log.Warn("mail is caught: nothing is sent", attrs...)
		}
	}
	if c.Mail.Sandbox {
		log.Warn("mail is in a sandbox: nothing is sent")
	}
	if c.Mail.RedirectTo != "" {
		log.Warn("mail is redirected: no recipient gets any")
	}
}

// modes describes providers as "stripe (stripe, test)".
func modes(c *config.Config, names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = Describe(c.Provider[name])
	}
	return strings.Join(all, ", ")
}

// Describe describes a provider as "stripe (stripe, test)".
func Describe(p config.Provider) string {
	return p.Name + " (" + p.Type.Name + ", " + string(p.Mode()) + ")"
}

// absolute returns the absolute form of path, or path itself if there is none.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
