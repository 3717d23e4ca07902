package sesmail_test

import (
	"testing"

	"patchbay/adapters/mail/sesmail"
	"patchbay/config/setting"
	"patchbay/core/fault"
)

func TestAMistakeInSettingsIsNamed(t *testing.T) {
	t.Parallel()
	right := sesmail.Settings{Region: "eu-west-1", AccessKeyID: "AKIA", SecretAccessKey: setting.NewSecret("s")}
	for name, c := range map[string]struct {
		change     func(*sesmail.Settings)
		path, text string // nothing where it is right
	}{
		"the least":                        {func(*sesmail.Settings) {}, "", ""},
		"a region of the US government":    {func(s *sesmail.Settings) { s.Region = "us-gov-west-1" }, "", ""},
		"an address":                       {func(s *sesmail.Settings) { s.BaseURL = "https://email.example.com" }, "", ""},
		"an ARN of China":                  {func(s *sesmail.Settings) { s.FromARN = "arn:aws-cn:ses:cn-north-1:123456789012:identity/a@example.com" }, "", ""},
		"no region":                        {func(s *sesmail.Settings) { s.Region = "" }, "region", "must be a region, such as eu-west-1"},
		"a host in place of a region":      {func(s *sesmail.Settings) { s.Region = "eu-west-1.evil.example/" }, "region", "must be a region, such as eu-west-1"},
		"no key":                           {func(s *sesmail.Settings) { s.AccessKeyID = "" }, "access_key_id", "is required"},
		"no secret":                        {func(s *sesmail.Settings) { s.SecretAccessKey = setting.Secret{} }, "secret_access_key", "is required"},
		"what is no configuration set":     {func(s *sesmail.Settings) { s.ConfigurationSet = "my set" }, "configuration_set", "must be the name of a configuration set: letters, digits, _ and -"},
		"what is no ARN of an identity":    {func(s *sesmail.Settings) { s.FromARN = "example.com" }, "from_arn", "must be the ARN of an identity, such as arn:aws:ses:eu-west-1:123456789012:identity/example.com"},
		"what is no name of a template":    {func(s *sesmail.Settings) { s.Templates = map[string]string{"a": "b c"} }, "templates.a", "must be the name of a template at SES: letters, digits, _ and -"},
		"a topic":                          {func(s *sesmail.Settings) { s.WebhookTopics = []string{"arn:aws:sns:eu-west-1:123456789012:ses-events"} }, "", ""},
		"what is no topic":                 {func(s *sesmail.Settings) { s.WebhookTopics = []string{"ses-events"} }, "webhook_topics[0]", "must be the ARN of a topic of SNS, such as arn:aws:sns:eu-west-1:123456789012:ses-events"},
		"a FIFO topic":                     {func(s *sesmail.Settings) { s.WebhookTopics = []string{"arn:aws:sns:eu-west-1:123456789012:ses.fifo"} }, "webhook_topics[0]", "must be a standard topic: SES does not publish to a FIFO topic"},
		"what is no setting of tracking":   {func(s *sesmail.Settings) { s.Tracking = "no" }, "tracking", "must be on or off, as the configuration set does"},
		"what is no address":               {func(s *sesmail.Settings) { s.BaseURL = "email.example.com" }, "base_url", "must be an https URL, such as https://api.example.com"},
		"an address that is not encrypted": {func(s *sesmail.Settings) { s.BaseURL = "http://email.example.com" }, "base_url", "must be an https URL, such as https://api.example.com"},
	} {
		s := right
		c.change(&s)
		want := ""
		if c.text != "" {
			want = c.path + ": " + c.text
		}
		if got := s.Check().String(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAnAccountNeedsARegionAndAKey(t *testing.T) {
	t.Parallel()
	right := sesmail.Options{Name: "ses", Region: "eu-west-1", AccessKeyID: "AKIA", SecretAccessKey: "s", Clock: fixed(now)}
	if _, err := sesmail.New(right); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*sesmail.Options){
		func(o *sesmail.Options) { o.Name = "" }, func(o *sesmail.Options) { o.Region = "" }, func(o *sesmail.Options) { o.AccessKeyID = "" },
		func(o *sesmail.Options) { o.SecretAccessKey = "" }, func(o *sesmail.Options) { o.Clock = nil },
	} {
		o := right
		change(&o)
		if _, err := sesmail.New(o); fault.From(err).Code != "missing_setting" {
			t.Errorf("%+v: %v, want missing_setting", o, err)
		}
	}
}
