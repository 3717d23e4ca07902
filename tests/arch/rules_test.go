package arch

// Sets of packages of our own, for the table. Names are separated by blanks;
// "x/..." is x and all below it.
const (
	base     = "core/fault core/guard core/idempotency core/money"
	types    = base + " core/email core/event core/payment core/user core/webhook"
	useCases = "core/apikeys core/emails core/events core/payments core/personaldata core/retention core/spool core/users core/webhooks"
	kept     = types + " ports core/record" // what use cases and stores keep records by
	outbound = types + " ports adapters/httpclient"

	simulators = types + " adapters/simulators/faultserver adapters/simulators/mailbox"
)

// fx is for app alone: everything else is built by plain constructors.
const fx = "go.uber.org/fx"

// A rule says what one package may import beside the standard library: which
// of our own, and which of others. A name of others covers what is below it.
type rule struct{ pkg, ours, others string }

// rules are those of the import rule in README.md, "How it is built". The first
// that matches a package is its rule; a package without one fails the test.
var rules = []rule{
	// The domain: the standard library only.
	{"core/fault", "", ""},
	{"core/idempotency", "core/fault", ""},
	{"core/money", "core/fault", ""},
	{"core/event", base, ""},
	{"core/email", base, ""},
	{"core/payment", base, ""},
	{"core/user", base, ""},
	{"core/webhook", base + " core/event", ""},
	{"core/guard", "core/fault", ""},
	{"core/logging", "core/fault core/guard", ""},
	{"ports", types, ""},
	{"core/record", types + " ports", ""},

	// Use cases know no other use case; core/worker is what they have in common.
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

	// Outbound adapters: the core's types, their port and their own SDK; no
	// use case, and no other adapter but the HTTP client they share, and how a
	// message is written, which those for mail share.
	{"adapters/httpclient", types + " ports", "github.com/failsafe-go/failsafe-go golang.org/x/sync"},
	{"adapters/resilience", outbound, "github.com/failsafe-go/failsafe-go"},
	{"adapters/mail/rfc5322", outbound, "github.com/wneessen/go-mail golang.org/x/net/idna"},
	{"adapters/mail/catchermail", outbound + " adapters/mail/rfc5322", ""},
	{"adapters/mail/refusal", types, ""},
	{"adapters/mail/mailgunmail", outbound + " adapters/mail/refusal adapters/mail/rfc5322", "github.com/mailgun/mailgun-go/v4"},
	{"adapters/mail/sendgridmail", outbound + " adapters/mail/refusal adapters/mail/rfc5322", "github.com/sendgrid/sendgrid-go github.com/sendgrid/rest"},
	{"adapters/payments/mockpay", outbound + " core/record", "github.com/stripe/stripe-go/v76/webhook"},
	{"adapters/payments/stripepay", outbound, "github.com/stripe/stripe-go/v76"},

	// Simulators of providers: for tests, for `patchbay simulate`, and for the mock.
	{"adapters/simulators/faultserver", "", ""},
	{"adapters/simulators/mailbox", "", ""},
	{"adapters/simulators/sendgridsim", simulators + " adapters/mail/rfc5322", "github.com/sendgrid/sendgrid-go/helpers/eventwebhook"},
	{"adapters/simulators/mailgunsim", simulators, ""},
	{"adapters/simulators/stripesim", simulators, "github.com/stripe/stripe-go/v76/webhook"},

	{"adapters/metrics", "", "github.com/prometheus/client_golang"},
	{"adapters/htmltext", outbound, "github.com/k3a/html2text"},
	{"adapters/storage/mongostore", outbound + " core/record", "go.mongodb.org/mongo-driver"},
	{"adapters/storage/pgstore", outbound + " core/record", "github.com/jackc/pgx/v5 github.com/pressly/goose/v3"},
	{"adapters/storage/sqlitestore", outbound + " core/record", "modernc.org/sqlite github.com/pressly/goose/v3 github.com/gofrs/flock golang.org/x/sync"},
	{"adapters/clock", outbound, ""},
	{"adapters/ids", outbound, "github.com/google/uuid"},
	{"adapters/webhooks/mailgunhook", outbound + " adapters/mail/refusal", "github.com/mailgun/mailgun-go/v4 github.com/go-json-experiment/json"},
	{"adapters/webhooks/sendgridhook", outbound + " adapters/mail/refusal", "github.com/sendgrid/sendgrid-go/helpers/eventwebhook github.com/go-json-experiment/json"},
	{"adapters/webhooks/stripehook", outbound, "github.com/stripe/stripe-go/v76/webhook"},

	// Inbound adapters: the core, and the connections that requests come on.
	{"adapters/wire", "core/fault core/guard", "github.com/valyala/fasthttp"},
	{"adapters/httpapi/api", "", "github.com/oapi-codegen/runtime github.com/go-json-experiment/json"},
	{
		"adapters/httpapi", types + " ports core/logging " + useCases + " adapters/httpapi/api adapters/wire",
		"github.com/gofiber/fiber/v2 github.com/valyala/fasthttp github.com/go-json-experiment/json go.yaml.in/yaml/v3 golang.org/x/sync",
	},
	{"adapters/adminapi", types + " ports core/logging " + useCases + " adapters/wire", "github.com/gofiber/fiber/v2 github.com/valyala/fasthttp github.com/go-json-experiment/json"},

	{"config", types, "github.com/knadh/koanf go.yaml.in/yaml/v3"},

	// Composition: whatever it takes.
	{"app/...", "core/... ports adapters/... config app/...", anything},

	// What tests are made of. A suite or a fake knows the port, not those who
	// implement it; whole programs know the gateway as its callers do.
	{"tests/contract/...", types + " ports tests/contract/...", ""},
	{"tests/memjournal", kept, ""},
	{"tests/...", "core/... ports adapters/... config app/... tests/...", anything},
}

// anything is every package of others, but for fx outside of app.
const anything = "*"

// inTests is what test files may import beside what their package may, and
// any package of others: the suites, and real neighbours in place of mocks, but
// not the composition.
const inTests = "core/... ports adapters/... config tests/..."

// badNames say nothing about what a package is for.
const badNames = "common helper helpers misc shared util utils"
