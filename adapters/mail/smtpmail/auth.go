package smtpmail

import (
	"slices"
	"strings"

	"github.com/wneessen/go-mail/smtp"

	"patchbay/adapters/mail/refusal"
)

// auto chooses the first of mechanisms that the server offers.
const auto = "auto"

// mechanisms are the mechanisms of AUTH, in the order in which auto prefers them. Credentials leave
// only over TLS, or to this machine: see Settings.Check. So PLAIN is fine, and CRAM-MD5, for which
// the server must know the password itself, comes last.
var mechanisms = []string{"scram-sha-256", "scram-sha-1", "plain", "login", "cram-md5"}

func names() string {
	last := len(mechanisms) - 1
	return strings.Join(mechanisms[:last], ", ") + " or " + mechanisms[last]
}

// mechanism returns how to make the client's side of a mechanism, or nil if there is none of this
// name.
func mechanism(name string) func(user, password, host string) smtp.Auth {
	switch name {
	case "scram-sha-256":
		return func(user, password, _ string) smtp.Auth { return smtp.ScramSHA256Auth(user, password) }
	case "scram-sha-1":
		return func(user, password, _ string) smtp.Auth { return smtp.ScramSHA1Auth(user, password) }
	case "plain":
		return func(user, password, host string) smtp.Auth { return smtp.PlainAuth("", user, password, host, true) }
	case "login":
		return func(user, password, host string) smtp.Auth { return smtp.LoginAuth(user, password, host, true) }
	case "cram-md5":
		return func(user, password, _ string) smtp.Auth { return smtp.CRAMMD5Auth(user, password) }
	}
	return nil
}

// authenticate shows the server the credentials. It returns Unauthorized if the server does not
// offer the mechanism.
func (m *Mailer) authenticate(s *session) error {
	_, offered := s.smtp.Extension("AUTH")
	known := strings.Fields(strings.ToLower(offered))
	candidates := []string{m.settings.Auth}
	if m.settings.Auth == auto {
		candidates = mechanisms
	}
	i := slices.IndexFunc(candidates, func(name string) bool { return slices.Contains(known, name) })
	if i < 0 {
		return unanswered(noMechanism, nil)
	}
	auth := mechanism(candidates[i])(m.settings.Username, m.settings.Password.Reveal(), m.settings.Host)
	return s.smtp.Auth(auth)
}

var noMechanism = refusal.Meaning{
	Kind: refusal.Credentials.Kind, Code: refusal.Credentials.Code, Message: "the server does not offer a mechanism by which the gateway can authenticate",
}
