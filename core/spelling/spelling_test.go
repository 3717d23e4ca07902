package spelling_test

import (
	"strings"
	"testing"

	"patchbay/core/spelling"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	email := []string{"to", "from", "subject", "html", "text", "templateId", "templateData", "cc", "bcc", "replyTo", "sendAt"}
	for _, tt := range []struct {
		word  string
		names []string
		want  string
	}{
		{"template_id", email, "templateId"},
		{"TemplateID", email, "templateId"},
		{"template-data", email, "templateData"},
		{"templateDat", email, "templateData"},
		{"sned_at", email, "sendAt"},
		{"reply_to", email, "replyTo"},
		{"dynamic_template_data", email, "templateData"},
		{"templateData", []string{"to", "dynamic_template_data"}, "dynamic_template_data"},
		{"bc", email, "bcc"},
		{"txet", email, "text"},
		{"texts", []string{"tests", "text", "texts_2"}, "tests"}, // all are as near
		{"fom", email, "from"},
		{"x", email, ""},
		{"zz", email, ""},
		{"recipients", email, ""},
		{"addressedTo", email, ""},
		{"", email, ""},
		{"_", email, ""},
		{"template_id", nil, ""},
		{strings.Repeat("x", 1000) + "templateData", email, ""},
	} {
		if got := spelling.Nearest(tt.word, tt.names); got != tt.want {
			t.Errorf("Nearest(%.40q, %q) = %q, want %q", tt.word, tt.names, got, tt.want)
		}
	}
}
