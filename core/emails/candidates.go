package emails

import (
	"slices"

	"patchbay/core/email"
	"patchbay/ports"
)

// candidates lists the providers to try, without those before the one to which the message has
// failed over.
func (s *Service) candidates(m email.Message) []ports.Mailer {
	from := slices.IndexFunc(s.Mailers, func(p ports.Mailer) bool { return p.Name() == m.Next })
	if rest := available(m, s.Mailers[max(from, 0):]); len(rest) > 0 {
		return rest
	}
	return available(m, s.Mailers)
}

// eligible lists the providers that can carry the message and have not refused it.
func eligible(m email.Message, mailers []ports.Mailer) []ports.Mailer {
	return slices.DeleteFunc(slices.Clone(mailers), func(p ports.Mailer) bool {
		return carry(p.Features(), m) != nil || m.RefusedBy(p.Name())
	})
}

// refusedEverywhere reports whether every provider that can carry the message has refused it, so
// that waiting is pointless.
func refusedEverywhere(m email.Message, mailers []ports.Mailer) bool {
	refused := slices.ContainsFunc(mailers, func(p ports.Mailer) bool { return m.RefusedBy(p.Name()) })
	return refused && len(eligible(m, mailers)) == 0
}

// available lists the willing providers that are available, or all willing ones if none is.
func available(m email.Message, mailers []ports.Mailer) []ports.Mailer {
	able := eligible(m, mailers)
	ready := slices.DeleteFunc(slices.Clone(able), func(p ports.Mailer) bool { return ports.Available(p) != nil })
	if len(ready) == 0 {
		return able
	}
	return ready
}

// firstProvider returns the name of the provider to ask first, "" if none can carry the message.
func (s *Service) firstProvider(m email.Message) string {
	able := available(m, s.Mailers)
	roomy, _, _ := s.withRoom(m, able)
	switch {
	case len(roomy) > 0:
		return roomy[0].Name()
	case len(able) > 0:
		return able[0].Name()
	}
	return ""
}
