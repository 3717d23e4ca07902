package sendgridsim

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

// Judge is SendGrid's own API description. A nil Judge accepts every request.
type Judge struct{ schema *openapi3.Schema }

// TheJudge returns the description that the environment variable names, or nil if it is not set. If
// the file cannot be read, the test fails.
func TheJudge(t testing.TB) *Judge {
	t.Helper()
	judge, err := load()
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return judge
}

var load = sync.OnceValues(func() (*Judge, error) {
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
	return &Judge{body.Value.Content.Get("application/json").Schema.Value}, nil
})

// Request checks the body of a request to /v3/mail/send against the description. It skips a mistake
// in the description: the top-level custom_args, whose type it gives as string.
func (j *Judge) Request(body []byte) error {
	if j == nil {
		return nil
	}
	var value map[string]any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	delete(value, "custom_args")
	return j.schema.VisitJSON(value)
}
