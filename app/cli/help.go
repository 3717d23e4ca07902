package cli

import "github.com/spf13/cobra"

// helpTexts has the description and an example of each command that has arguments, by its path.
var helpTexts = map[string]struct{ long, example string }{
	"patchbay keys create": {
		"Make an API key for a tenant, and print it once on standard output. --name is required.",
		"  patchbay keys create --name shop --scopes payments:write,payments:read --ttl 720h",
	},
	"patchbay keys revoke": {"End an API key at once. ID is in the list of keys.", "  patchbay keys revoke key_01k0000000000000000000000"},
	"patchbay storage put-back": {
		"Have a record handled again that was set aside. RECORD is TENANT/KIND/ID, as `patchbay storage status` shows it.",
		"  patchbay storage put-back default/message/msg_01k0000000000000000000000",
	},
	"patchbay storage copy": {
		"Copy everything in one store into another, and compare the two. Gateways then no longer serve from the first: see storage reopen.",
		"  patchbay storage copy --from local --to postgres",
	},
	"patchbay storage reopen": {
		"Let gateways serve again from a store that was copied to another. The copy is closed, so that they do not serve from both.",
		"  patchbay storage reopen --provider local",
	},
	"patchbay storage backup": {
		"Write a copy of a SQLite store into a file, whether the gateway runs or not.",
		"  patchbay storage backup --to /var/backups/patchbay.db",
	},
	"patchbay payments resolve": {
		"Settle a payment that needs a person with what you saw at its provider.",
		"  patchbay payments resolve pay_01k0000000000000000000000 --verdict executed --reference pi_1",
	},
	"patchbay emails retry": {
		"Queue emails again, the newest first, as POST /api/emails/retry does. It may be repeated: what is queued again has another status.",
		"  patchbay emails retry --status failed --provider sendgrid --code quota_exceeded --since 2026-03-01T12:00:00Z",
	},
	"patchbay suppressions list": {
		"List the addresses of a tenant that get no more mail or no more marketing, one line for each reason.",
		"  patchbay suppressions list --tenant default",
	},
	"patchbay suppressions add": {
		"Send no more mail to EMAIL, or with --reason unsubscribed no more marketing.",
		"  patchbay suppressions add ada@example.com --note 'asked for it by telephone'",
	},
	"patchbay suppressions remove": {
		"Let EMAIL get mail again. Events from before never bring it back. Remove it from the provider's own list too.",
		"  patchbay suppressions remove ada@example.com --reason bounced",
	},
	"patchbay templates check": {
		"Check the templates in mail.templates.directory: their syntax, and that each provider which stores one has its helpers, and has it as it is here.",
		"  patchbay templates check",
	},
	"patchbay templates push": {
		"Store each template in mail.templates.directory at the providers whose settings have an id for it, as the version that is sent.",
		"  patchbay templates push",
	},
	"patchbay templates render": {
		"Print what a template says with some data. NAME is that of its files: welcome for welcome.html.hbs.",
		"  echo '{\"name\":\"Ada\"}' | patchbay templates render welcome --data - --part text",
	},
	"patchbay data export": {
		"Print everything that is stored about a person, as JSON. Give --user or --email.",
		"  patchbay data export --email ada@example.com --to ada.json",
	},
	"patchbay data erase": {
		"Erase everything that is stored about a person. Without --yes it only shows what it would erase.",
		"  patchbay data erase --user usr_01k0000000000000000000000 --yes",
	},
	"patchbay simulate stripe": {
		"Serve a simulated account at Stripe until SIGINT or SIGTERM. It keeps nothing.",
		"  patchbay simulate stripe --address 127.0.0.1:12111 --webhooks http://127.0.0.1:8080/api/webhooks/stripe --webhook-secret whsec_1",
	},
	"patchbay simulate sendgrid": {
		"Serve a simulated account at SendGrid until SIGINT or SIGTERM. What it delivered is at /simulator/messages.",
		"  patchbay simulate sendgrid --address 127.0.0.1:12112",
	},
	"patchbay simulate mailgun": {
		"Serve a simulated domain at Mailgun until SIGINT or SIGTERM. What it delivered is at /simulator/messages.",
		"  patchbay simulate mailgun --address 127.0.0.1:12113",
	},
	"patchbay simulate resend": {
		"Serve a simulated account at Resend until SIGINT or SIGTERM. What it delivered is at /simulator/messages.",
		"  patchbay simulate resend --address 127.0.0.1:12114",
	},
	"patchbay simulate ses": {
		"Serve a simulated account at Amazon SES until SIGINT or SIGTERM. What it delivered is at /simulator/messages.",
		"  patchbay simulate ses --address 127.0.0.1:12115",
	},
}

// addHelp sets the help of a command and of those below it.
func addHelp(cmd *cobra.Command) {
	cmd.Long, cmd.Example = helpTexts[cmd.CommandPath()].long, helpTexts[cmd.CommandPath()].example
	for _, sub := range cmd.Commands() {
		addHelp(sub)
	}
}
