package email_test

import (
	"testing"

	"patchbay/core/email"
)

func TestTheStatusOfAMessageThatIsGivenUp(t *testing.T) {
	t.Parallel()
	left := email.Recipient{}
	suppressed, refused := email.Recipient{Suppressed: "bounced"}, email.Recipient{Refused: &email.Fate{Event: email.EventBounced}}
	nothing, inDoubt := []email.Outcome{email.NotAccepted}, []email.Outcome{email.Ambiguous, email.RejectedMessage}
	for name, tt := range map[string]struct {
		recipients []email.Recipient
		outcomes   []email.Outcome
		want       email.Status
	}{
		"nothing was sent":                              {[]email.Recipient{left, suppressed}, nothing, email.Failed},
		"it may have been sent":                         {[]email.Recipient{left, suppressed}, inDoubt, email.Unknown},
		"all are suppressed":                            {[]email.Recipient{suppressed}, nothing, email.Suppressed},
		"all are suppressed, and no attempt":            {[]email.Recipient{suppressed}, nil, email.Suppressed},
		"all are suppressed, and it may have been sent": {[]email.Recipient{suppressed}, inDoubt, email.Unknown},
		"all are refused":                               {[]email.Recipient{refused}, nothing, email.Failed},
		"all are refused, and it may have been sent":    {[]email.Recipient{refused}, inDoubt, email.Unknown},
		"nobody is left":                                {[]email.Recipient{refused, suppressed}, nothing, email.Failed},
		"nobody is left, and it may have been sent":     {[]email.Recipient{refused, suppressed}, inDoubt, email.Unknown},
		"an earlier version has written no recipients":  {nil, nothing, email.Failed},
	} {
		m := email.Message{Recipients: tt.recipients}
		for _, o := range tt.outcomes {
			m.Attempts = append(m.Attempts, email.Attempt{Outcome: o})
		}
		if got := m.GivenUp(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
