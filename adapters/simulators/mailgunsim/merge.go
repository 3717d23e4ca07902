package mailgunsim

import (
	"encoding/json"
	"regexp"
	"strings"

	"patchbay/core/email"
)

// undecoded keeps escapes of the form \u0026 in JSON from being decoded: Mailgun leaves them in
// recipient-variables as they are (https://github.com/jeffreykemp/mailgun-plsql-api/issues/42).
var undecoded = strings.NewReplacer(`\\`, `\\`, `\u`, `\\u`)

// found matches the addresses for which Mailgun finds the variables. For one with a + it has been
// seen to replace nothing: https://github.com/mailgun/mailgun.js/issues/413.
var found = regexp.MustCompile(`^[A-Za-z0-9._-]+@`)

// variable matches %recipient.name% and the variables that Mailgun itself has.
var variable = regexp.MustCompile(`%(recipient\.[^%]+|recipient|recipient_\w+|\w*unsubscribe_\w+)%`)

// merge returns a function that replaces the variables in a text of a batch by those of a recipient.
// own is the JSON object of the recipient's variables, or nil. Mailgun does not say whether it looks
// into the values, too; the simulator does so once, which shows who relies on either.
func merge(one email.Address, own json.RawMessage) func(string) string {
	var variables map[string]any
	if found.MatchString(one.Email) {
		_ = json.Unmarshal([]byte(undecoded.Replace(string(own))), &variables) // other JSON has no variables
	}
	value := func(name string) string {
		name = strings.Trim(name, "%")
		key, isOwn := strings.CutPrefix(name, "recipient.")
		own, known := variables[key]
		switch {
		case isOwn && known:
			return text(own)
		case isOwn:
			return "%" + name + "%"
		case name == "recipient_email":
			return one.Email
		case strings.HasPrefix(name, "recipient"):
			return one.Name
		}
		return "https://mailgun.example/u/" + one.Email
	}
	return func(s string) string {
		return variable.ReplaceAllStringFunc(variable.ReplaceAllStringFunc(s, value), value)
	}
}

// text returns a value of JSON as Mailgun prints it.
func text(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	raw, _ := json.Marshal(value) // it comes from JSON
	return string(raw)
}
