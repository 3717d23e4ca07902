package httpapi_test

import (
	"html"
	"strings"
	"testing"
)

func TestThePageSaysWhatACallerNeeds(t *testing.T) {
	t.Parallel()
	page := html.UnescapeString(serve(t).do(t, "GET", "/docs", "").body)
	for fact, text := range map[string]string{
		"how to send an API key":            "<code>Authorization: Bearer KEY</code>",
		"bounds and default of limit":       "integer, 1 to 100, 20 by default",
		"bounds of a list":                  "Address[], 1 to 1000 items",
		"the two spellings of an address":   `string | Mailbox ada@example.com`,
		"the limit of all recipients":       "at most 1000 recipients together",
		"bounds of an amount":               "integer, 1 to 999999999999",
		"the longest text":                  "string, at most 255 characters",
		"the body of a request, once":       `Change a user in part <span class="quiet">with</span> <a href="#UserPatch">UserPatch</a></div>`,
		"that some lists are oldest first":  "Two are oldest first",
		"its introduction in paragraphs":    "<p>Lists are newest first",
		"the schema of a success":           "canceled since: <a href=\"#Payment\">",
		"statuses of errors before a link":  "500 503 <a href=\"#Error\">Error</a>",
		"no error where no status has any":  "200 yes: <a href=\"#Health\">Health</a><br>\n  </div>",
		"an operation without a body as is": "Delete a user and all personal data</div>",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not show %s: no %q in it", fact, text)
		}
	}
}
