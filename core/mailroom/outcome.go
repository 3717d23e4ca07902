package mailroom

import (
	"patchbay/core/fault"
	"patchbay/core/message"
)

// outcomes says how an attempt ended by the Kind of its error. A Kind that is
// not listed leaves it ambiguous.
var outcomes = map[fault.Kind]message.Outcome{
	fault.Invalid:       message.RejectedMessage,
	fault.NotFound:      message.ProviderUnusable, // the domain or the template
	fault.Unauthorized:  message.ProviderUnusable,
	fault.QuotaExceeded: message.ProviderUnusable,
	fault.Refused:       message.ProviderUnusable, // for a reason that somebody may mend there
	fault.Unsupported:   message.NotAccepted,
	fault.Unavailable:   message.NotAccepted,
	fault.RateLimited:   message.NotAccepted,
	fault.Overloaded:    message.NotAccepted,
	fault.Canceled:      message.NotAccepted,
}

func outcomeOf(err error) message.Outcome {
	if err == nil {
		return message.Accepted
	}
	f := fault.From(err)
	if f.Kind == fault.Refused && f.NoRetry {
		return message.RefusedHere
	}
	if o, ok := outcomes[f.Kind]; ok {
		return o
	}
	return message.Ambiguous
}

// errStranded is the failure of a message that could be carried when it was accepted.
var errStranded = fault.New(fault.Unsupported, "no_provider", "none of the configured providers can carry this message")

// carriable returns Unsupported unless one of the providers can carry the
// message. Nothing is ever dropped silently.
func (s *Service) carriable(m message.Message) error {
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
