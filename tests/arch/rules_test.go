package arch

// Sets of our own packages, for the table. Names are separated by blanks; "x/..." is x and all
// packages below it.
const (
	base     = "core/fault core/guard core/idempotency core/money"
	types    = base + " core/email core/event core/payment core/suppression core/template core/user core/webhook"
	useCases = "core/apikeys core/emails core/events core/payments core/personaldata core/retention core/spool core/suppressions core/users core/webhooks"
	kept     = types + " ports core/record" // what use cases and stores keep records by
	outbound = types + " ports adapters/httpclient"
	provider = outbound + " adapters/provider config/setting"
	mail     = provider + " adapters/mail/refusal adapters/mail/rfc5322 adapters/mail/labels adapters/mail/signed"

	simulators = types + " adapters/simulators/faultserver adapters/simulators/mailbox adapters/simulators/notify"
	reporting  = " adapters/mail/testaddress"                                   // what a simulator of a mail provider reports by
	templated  = " adapters/mail/rfc5322 adapters/handlebars adapters/htmltext" // what a simulator of a mail provider writes mail with
)

// fx is imported by app alone: everything else has plain constructors.
const fx = "go.uber.org/fx"

// A rule says what a package may import besides the standard library: which of our own packages,
// and which others. A name of others includes the packages below it.
type rule struct{ pkg, ours, others string }

// rules are the import rule of README.md, "How it is built". The first that matches a package
// applies; a package without a rule fails the test.
var rules = []rule{
	// The domain: the standard library only.
	{"core/fault", "", ""},
	{"core/idempotency", "core/fault", ""},
	{"core/money", "core/fault", ""},
	{"core/event", base, ""},
	{"core/email", base + " core/template", ""},
	{"core/payment", base, ""},
	{"core/template", "", ""},
	{"core/suppression", base + " core/email", ""},
	{"core/user", base, ""},
	{"core/webhook", base + " core/event", ""},
	{"core/guard", "core/fault", ""},
	{"core/logging", "core/fault core/guard", ""},
	{"core/spelling", "", ""},
	{"ports", types, ""},
	{"core/record", types + " ports", ""},

	// Use cases import no other use case; what they share is in core/worker.
	{"core/worker", kept, ""},
	{"core/apikeys", kept + " core/worker", ""},
	{"core/payments", kept + " core/worker", ""},
	{"core/storecopy", kept, ""},
	{"core/users", kept + " core/worker", ""},
	{"core/events", types + " ports core/worker", ""},
	{"core/webhooks", kept + " core/worker core/logging", ""},
	{"core/emails", kept + " core/worker", ""},
	{"core/personaldata", types + " ports core/worker", ""},
	{"core/retention", types + " ports core/worker", ""},
	{"core/spool", kept + " core/worker", ""},
	{"core/suppressions", kept, ""},

	// Outbound adapters import the core's types, their port and their own SDK, but no use case,
	// and no other adapter except the shared HTTP client and, for mail, the writing of messages.
	{"adapters/httpclient", types + " ports", "github.com/failsafe-go/failsafe-go golang.org/x/sync"},
	{"adapters/resilience", outbound, "github.com/failsafe-go/failsafe-go"},
	// Simulators of providers: for tests, for `patchbay simulate`, and for the mock.
	{"adapters/simulators/faultserver", "", ""},
	{"adapters/simulators/notify", "", ""},
	{"adapters/simulators/mailbox", "adapters/simulators/notify", ""},
	{"adapters/simulators/sendgridsim", simulators + templated + reporting, "github.com/sendgrid/sendgrid-go/helpers/eventwebhook"},
	{"adapters/simulators/mailgunsim", simulators + templated + reporting, ""},
	{"adapters/simulators/resendsim", simulators + " adapters/mail/rfc5322" + reporting, ""},
	{"adapters/simulators/sessim", simulators + " adapters/mail/rfc5322 adapters/handlebars", ""},
	{"adapters/simulators/smtpsim", simulators, "github.com/emersion/go-smtp github.com/emersion/go-sasl github.com/xdg-go/scram"},
	{"adapters/simulators/stripesim", simulators, "github.com/stripe/stripe-go/v76/webhook"},

	{"adapters/metrics", "", "github.com/prometheus/client_golang"},
	{"adapters/handlebars", outbound, "github.com/mailgun/raymond/v2/ast github.com/mailgun/raymond/v2/parser"},
	{"adapters/templatedir", outbound, ""},
	{"adapters/htmltext", outbound, "golang.org/x/net/html"},
	{"adapters/clock", outbound, ""},
	{"adapters/ids", outbound, "github.com/google/uuid"},
	{"adapters/provider", outbound + " config/setting", ""},

	// Providers. A new one needs no line: the last rule of its sort is for it.
	{"adapters/mail/rfc5322", outbound, "github.com/wneessen/go-mail golang.org/x/net/idna golang.org/x/text/unicode/norm"},
	{"adapters/mail/refusal", types, ""},
	{"adapters/mail/labels", types, ""},
	{"adapters/mail/testaddress", types, ""},
	{"adapters/mail/signed", types + " adapters/provider", "github.com/standard-webhooks/standard-webhooks/libraries/go"},
	{"adapters/mail/mimeread", types + " ports adapters/mail/rfc5322", "github.com/emersion/go-message"},
	{"adapters/mail/catchermail", mail + " core/guard adapters/mail/testaddress", "github.com/failsafe-go/failsafe-go github.com/standard-webhooks/standard-webhooks/libraries/go"},
	{"adapters/mail/mailgunmail", mail, "github.com/mailgun/mailgun-go/v4 github.com/go-json-experiment/json"},
	{"adapters/mail/sendgridmail", mail, "github.com/sendgrid/sendgrid-go github.com/sendgrid/rest github.com/go-json-experiment/json"},
	{"adapters/mail/sesmail", mail, "github.com/aws/aws-sdk-go-v2/aws"},
	{"adapters/mail/smtpmail", mail + " core/guard", "github.com/wneessen/go-mail/smtp"},
	{"adapters/mail/...", mail, unclaimed},
	{"adapters/payments/mockpay", provider + " core/record adapters/payments/stripepay adapters/simulators/stripesim", ""}, // the mock alone may import both
	{"adapters/payments/stripepay", provider, "github.com/stripe/stripe-go/v76"},
	{"adapters/payments/...", provider, unclaimed},
	{"adapters/storage/table", outbound + " core/record", "github.com/pressly/goose/v3"},
	{"adapters/storage/mongostore", provider + " core/record adapters/storage/table", "go.mongodb.org/mongo-driver"},
	{"adapters/storage/pgstore", provider + " core/record adapters/storage/table", "github.com/jackc/pgx/v5 github.com/pressly/goose/v3"},
	{"adapters/storage/sqlitestore", provider + " core/record adapters/storage/table", "modernc.org/sqlite github.com/pressly/goose/v3 github.com/gofrs/flock golang.org/x/sync"},
	{"adapters/storage/...", provider + " core/record adapters/storage/table", unclaimed},

	// Inbound adapters import the core, and the connections that requests come on.
	{"adapters/wire", "core/fault core/guard", "github.com/valyala/fasthttp"},
	{"adapters/httpapi/api", "", "github.com/oapi-codegen/runtime github.com/go-json-experiment/json"},
	{
		"adapters/httpapi", types + " ports core/logging core/spelling " + useCases + " adapters/httpapi/api adapters/wire",
		"github.com/gofiber/fiber/v2 github.com/valyala/fasthttp github.com/go-json-experiment/json go.yaml.in/yaml/v3 golang.org/x/sync",
	},
	{"adapters/smtpapi", types + " ports core/logging core/apikeys core/emails", "github.com/emersion/go-smtp github.com/emersion/go-sasl golang.org/x/sync"},
	{"adapters/adminapi", types + " ports core/logging " + useCases + " adapters/wire", "github.com/gofiber/fiber/v2 github.com/valyala/fasthttp github.com/go-json-experiment/json"},

	{"config/setting", "", ""},
	{"config", types + " config/setting core/spelling", "github.com/knadh/koanf go.yaml.in/yaml/v3"},

	// Composition may import everything.
	{"app/...", "core/... ports adapters/... config/... app/...", anything},

	// Test support. A suite or a double imports the port, not its implementations; tests of the
	// whole program import everything.
	{"tests/contract/...", types + " ports tests/contract/...", ""},
	{"tests/memjournal", kept, ""},
	{"tests/...", "core/... ports adapters/... config/... app/... tests/...", anything},
}

const (
	// anything is every package of others, except fx outside of app.
	anything = "*"
	// unclaimed is every package of others that no rule names: an SDK of a provider is that
	// provider's alone.
	unclaimed = "?"
)

// inTests is what test files may import besides what their package may and besides any package of
// others: the suites and real implementations, but not the composition.
const inTests = "core/... ports adapters/... config/... tests/..."

// badNames are package names that do not say what a package is for.
const badNames = "common helper helpers misc shared util utils"
