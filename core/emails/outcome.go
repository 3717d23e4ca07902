package emails

import (
	"patchbay/core/email"
	"patchbay/core/fault"
)

// outcomes maps the Kind of an attempt's error to the attempt's outcome. A Kind that is not
// listed means Ambiguous.
var outcomes = map[fault.Kind]email.Outcome{
	fault.Invalid:       email.RejectedMessage,
	fault.NotFound:      email.ProviderUnusable, // the domain or the template is missing
	fault.Unauthorized:  email.ProviderUnusable,
	fault.QuotaExceeded: email.ProviderUnusable,
	fault.Refused:       email.ProviderUnusable, // the reason can be fixed in the provider's account
	fault.Unsupported:   email.NotAccepted,
	fault.Unavailable:   email.NotAccepted,
	fault.RateLimited:   email.NotAccepted,
	fault.Overloaded:    email.NotAccepted,
	fault.Canceled:      email.NotAccepted,
}

func outcomeOf(err error) email.Outcome {
	if err == nil {
		return email.Accepted
	}
	f := fault.From(err)
	if f.Kind == fault.Refused && f.NoRetry {
		return email.RefusedHere
	}
	if o, ok := outcomes[f.Kind]; ok {
		return o
	}
	return email.Ambiguous
}

// errStranded is the failure of a message that no configured provider can carry any more.
var errStranded = fault.New(fault.Unsupported, "no_provider", "none of the configured providers can carry this message")

// carriable returns Unsupported unless one of the providers can carry the message. No part of a
// message is ever dropped silently.
func (s *Service) carriable(m email.Message) error {
	if len(s.Mailers) == 0 {
		return fault.New(fault.Unavailable, "no_mail_provider", "no mail provider is configured")
	}
	var first error
	for _, mailer := range s.Mailers {
		err := mailer.Features().Carry(m)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}
