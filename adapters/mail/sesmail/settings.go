package sesmail

import (
	"fmt"
	"regexp"
	"strings"

	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/ports"
)

// Provider registers the type ses.
var Provider = provider.Mail{
	Type: setting.Type{Name: "ses", Settings: func() any { return new(Settings) }},
	New: func(e provider.Environment) (ports.Mailer, error) {
		s := e.Settings.(*Settings)
		tracking, _ := email.AccountTracking(s.Tracking) // Check has validated it
		return New(Options{
			Name: e.Name, Region: s.Region, AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey.Reveal(), SessionToken: s.SessionToken.Reveal(),
			ConfigurationSet: s.ConfigurationSet, FromARN: s.FromARN, Templates: s.Templates, Tracking: tracking, Clock: e.Clock, HTTP: e.HTTP(s.BaseURL),
		})
	},
	Webhooks:        provider.Webhooks[provider.MailHook]{Format: "ses", New: NewHook},
	TemplateHelpers: templateHelpers,
}

// Settings are those of an account at Amazon SES.
type Settings struct {
	Region           string            `config:"region"`
	AccessKeyID      string            `config:"access_key_id"`
	SecretAccessKey  setting.Secret    `config:"secret_access_key"`
	SessionToken     setting.Secret    `config:"session_token"`
	ConfigurationSet string            `config:"configuration_set"`
	FromARN          string            `config:"from_arn"`
	Templates        map[string]string `config:"templates"`      // names at SES by name
	WebhookTopics    []string          `config:"webhook_topics"` // ARNs of topics of SNS
	Tracking         string            `config:"tracking"`       // what the configuration set does; see email.AccountTracking
	BaseURL          setting.BaseURL   `config:"base_url"`       // empty for that of the region
}

var (
	regionName = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$`)
	setName    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) // of a configuration set, and of a template
	identity   = regexp.MustCompile(`^arn:aws[a-z-]*:ses:[a-z0-9-]+:[0-9]{12}:identity/\S+$`)
)

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	all.Require(regionName.MatchString(s.Region), "region", "must be a region, such as eu-west-1")
	all.Require(s.AccessKeyID != "", "access_key_id", "is required")
	all.Require(s.SecretAccessKey.Reveal() != "", "secret_access_key", "is required")
	all.Require(s.ConfigurationSet == "" || setName.MatchString(s.ConfigurationSet), "configuration_set", "must be the name of a configuration set: letters, digits, _ and -")
	all.Require(s.FromARN == "" || identity.MatchString(s.FromARN), "from_arn", "must be the ARN of an identity, such as arn:aws:ses:eu-west-1:123456789012:identity/example.com")
	for name, there := range s.Templates {
		all.Require(setName.MatchString(there), "templates."+name, "must be the name of a template at SES: letters, digits, _ and -")
	}
	for i, arn := range s.WebhookTopics {
		path := fmt.Sprintf("webhook_topics[%d]", i)
		all.Require(!strings.HasSuffix(arn, ".fifo"), path, "must be a standard topic: SES does not publish to a FIFO topic")
		_, ok := regionOf(arn)
		all.Require(ok, path, "must be the ARN of a topic of SNS, such as arn:aws:sns:eu-west-1:123456789012:ses-events")
	}
	if _, err := email.AccountTracking(s.Tracking); err != nil {
		all.Add("tracking", "must be on or off, as the configuration set does")
	}
	if s.BaseURL != "" {
		all.Add("base_url", s.BaseURL.Check())
	}
	return all
}

// TemplateIDs implements setting.StoresTemplates. The id of a template at SES is its name.
func (s *Settings) TemplateIDs() map[string]string { return s.Templates }

// Test implements setting.Tests.
func (s *Settings) Test() bool { return s.BaseURL.Local() }

// Signing implements setting.Signs. What signs is a key of SNS; what tells the accounts apart is the
// topic, which the signature covers.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	for _, arn := range s.WebhookTopics {
		secrets = append(secrets, setting.NewSecret(arn))
	}
	return "webhook_topics", secrets
}
