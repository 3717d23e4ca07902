// Package sendgridapi checks requests against SendGrid's own description of its API, which is not
// part of this project.
package sendgridapi

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// variable is the environment variable with the path of SendGrid's own description of its API,
// version 3. The file is not part of this project.
const variable = "SENDGRID_OPENAPI"

// Named reports whether the environment names the description.
func Named() bool { return os.Getenv(variable) != "" }

// Check returns a check of the body of a request to /v3/mail/send, for sendgridsim.Options. It
// accepts everything if the environment does not name the description. If the file cannot be read,
// the test fails.
func Check(t testing.TB) func(body []byte) error {
	t.Helper()
	schema, err := load()
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return func(body []byte) error { return check(schema, body) }
}

var load = sync.OnceValues(func() (*openapi3.Schema, error) {
	path := os.Getenv(variable)
	if path == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	document, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, err
	}
	body := document.Components.RequestBodies["PostMailSend"]
	if body == nil || body.Value == nil || body.Value.Content.Get("application/json") == nil {
		return nil, fmt.Errorf("it does not describe the body of /v3/mail/send")
	}
	return body.Value.Content.Get("application/json").Schema.Value, nil
})

// check skips a mistake in the description: the top-level custom_args, whose type it gives as string.
func check(schema *openapi3.Schema, body []byte) error {
	if schema == nil {
		return nil
	}
	var value map[string]any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	delete(value, "custom_args")
	return schema.VisitJSON(value)
}
