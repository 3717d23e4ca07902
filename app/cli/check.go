package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"patchbay/app"
	"patchbay/config"
	"patchbay/config/setting"
)

func check(load loader) *cobra.Command {
	return load.command("check", "Read the configuration, and name every mistake in it", func(cmd *cobra.Command, c *config.Config, _ []string) error {
		if err := app.CheckTemplates(c.Mail.Templates); err != nil {
			return err
		}
		templates, err := readTemplates(c)
		if err != nil {
			return err
		}
		to := c.Mask.Writer(cmd.OutOrStdout())
		fmt.Fprintln(to, "the configuration is right")
		for _, line := range summary(c, len(templates)) {
			fmt.Fprintf(to, "  %-9s %s\n", line[0], line[1])
		}
		return nil
	})
}

// summary returns what an operator wants to see before a start: what it is about, and what the configuration says.
func summary(c *config.Config, templates int) (lines [][2]string) {
	add := func(about, format string, args ...any) {
		lines = append(lines, [2]string{about, fmt.Sprintf(format, args...)})
	}
	add("API", "%s, %s", c.Server.Address, keys(c.KeysRequired()))
	add("console", "%s", c.Server.AdminAddress)
	if in := c.Mail.SMTP; in.Address != "" {
		add("SMTP", "%s, %s, %s", in.Address, map[bool]string{true: "STARTTLS", false: "no TLS"}[in.TLS.CertFile != ""], keys(c.SMTPKeysRequired()))
	}
	add("payments", "%s", inOrder(c, c.Payments.Providers))
	add("mail", "%s, from %s", inOrder(c, c.Mail.Providers), c.Mail.From)
	for _, line := range staging(c) {
		add("staging", "%s", line)
	}
	if templates > 0 {
		add("templates", "%s, %s", c.Mail.Templates.Directory, count(templates))
	}
	for _, name := range slices.Concat(c.Payments.Providers, c.Mail.Providers) {
		if changes := c.Provider[name].Changes(); changes != nil {
			add("policy", "%s: %s", name, strings.Join(changes, ", "))
		}
	}
	store := c.Provider[c.Storage.Provider]
	add("storage", "%s (%s): %s", store.Name, store.Type.Name, app.StorePlace(c))
	if changes := store.Changes(); changes != nil {
		add("policy", "%s: %s", store.Name, strings.Join(changes, ", "))
	}
	if standby, ok := c.Provider[c.Storage.Standby]; ok {
		add("standby", "%s (%s): %s", standby.Name, standby.Type.Name, app.StoreName(standby))
	}
	return lines
}

func keys(required bool) string {
	if required {
		return "keys required"
	}
	return "keys not required"
}

// staging says what keeps mail away from its recipients.
func staging(c *config.Config) (lines []string) {
	if c.Mail.Sandbox {
		lines = append(lines, "mail.sandbox: no provider is called")
	}
	if c.Mail.RedirectTo != "" {
		lines = append(lines, "mail.redirect_to: all mail goes to "+c.Mail.RedirectTo)
	}
	if list := c.Mail.AllowedRecipients; len(list) > 0 && c.Mail.RedirectTo == "" {
		lines = append(lines, "mail.allowed_recipients: only "+strings.Join(list, ", "))
	}
	return lines
}

// inOrder describes providers in the order in which they are asked.
func inOrder(c *config.Config, names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = app.Describe(c.Provider[name]) + unheard(c.Provider[name])
	}
	return strings.Join(all, ", then ")
}

// unheard says that a provider's webhooks would be refused, since nothing verifies them.
func unheard(p config.Provider) string {
	signs, ok := p.Settings.(setting.Signs)
	if !ok || p.Type.Simulated {
		return ""
	}
	if _, secrets := signs.Signing(); len(secrets) > 0 {
		return ""
	}
	return " without webhooks"
}
