package smtpmail

import "time"

// KeepIdle sets how long a connection is kept without a message.
func (m *Mailer) KeepIdle(limit time.Duration) { m.pool.idle = limit }

// Reference is reference.
var Reference = reference
