package adminapi

import (
	"log/slog"
	"regexp"
	"strings"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/wire"
	"patchbay/core/logging"
)

const (
	// Operator is the name of an operator if nothing more is known.
	Operator = "operator"

	// OperatorHeader names the system account that runs a command. The gateway does not
	// verify it.
	OperatorHeader = "Patchbay-Operator"

	operatorValue = "patchbay.operator"
)

const (
	howBrowser = "; `patchbay console` prints a link that signs a browser in"
	howProgram = "; a program sends the installation's secret, as the commands do"
)

// refusal is the answer to a client that is not authorized: why it was refused, and how to
// get access.
type refusal struct {
	status         int
	code, why, how string
}

func (r *refusal) Error() string { return r.code + ": " + r.text() }

func (r *refusal) text() string { return r.why + r.how }

// guard accepts only requests made on this machine for itself: it refuses requests with
// another host name (DNS rebinding), from another site's page, or through a proxy.
func (c *Server) guard(f *fiber.Ctx) error {
	f.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	f.Set(fiber.HeaderXFrameOptions, "DENY")
	f.Set(fiber.HeaderCacheControl, "no-store")
	f.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	f.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'")
	if why := wire.NotLocal(&f.Request().Header); why != "" {
		return &refusal{fiber.StatusForbidden, "not_local", "at the admin listener, " + why, ""}
	}
	return f.Next()
}

// operatorsOnly lets only operators through. Routes registered after it are for operators.
func (c *Server) operatorsOnly(f *fiber.Ctx) error {
	operator, err := c.identify(f)
	if err != nil {
		f.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="patchbay admin"`)
		return err
	}
	f.Locals(operatorValue, operator)
	return f.Next()
}

// identify returns the operator, identified by the installation's secret or by the cookie
// of a signed-in browser.
func (c *Server) identify(f *fiber.Ctx) (operator string, err error) {
	if header := f.Get(fiber.HeaderAuthorization); header != "" {
		token, bearer := strings.CutPrefix(header, "Bearer ")
		if !bearer || c.Identity.Token == "" || !equal(token, c.Identity.Token) {
			return "", &refusal{fiber.StatusUnauthorized, "invalid_secret", "this is not the secret of the installation", howBrowser + howProgram}
		}
		return operatorName(f.Get(OperatorHeader)), nil
	}
	if cookie := f.Cookies(cookieName(f)); cookie != "" {
		if operator, ok := c.sessions.of(cookie, false); ok {
			return operator, nil
		}
		return "", &refusal{fiber.StatusUnauthorized, "signed_out", "this browser is not signed in any more", howBrowser}
	}
	return "", &refusal{fiber.StatusUnauthorized, "not_signed_in", "this is for the operator", howBrowser + howProgram}
}

// accountName matches the names of system accounts that are logged.
var accountName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)

// operatorName returns the name of an operator for the log.
func operatorName(account string) string {
	if accountName.MatchString(account) {
		return Operator + ":" + account
	}
	return Operator
}

// act is one action of an operator. It is logged however it ends.
type act struct {
	*Server
	name   string // a short name, such as key.revoke
	by     string
	object []slog.Attr // what it acts on
	later  bool        // it ends after its handler has returned
}

// addObject adds to what an act is about.
func (a *act) addObject(name, id string) {
	if id != "" {
		a.object = append(a.object, slog.String(name, id))
	}
}

// describe adds what a request or an answer says about an act.
func (a *act) describe(v any) {
	if d, ok := v.(interface{ describe(a *act) }); ok {
		d.describe(a)
	}
}

func (a *act) end(err error) { logging.Act(a.running, a.Log, a.name, a.by, err, a.object...) }

// handle registers a route for operators. Each request to it is an act.
func (c *Server) handle(r route, serve func(*fiber.Ctx, *act) error) {
	c.app.Add(r.method, r.path, func(f *fiber.Ctx) error {
		operator, _ := f.Locals(operatorValue).(string)
		a := &act{Server: c, name: r.action, by: operator}
		err := serve(f, a)
		if err != nil || !a.later {
			a.end(err)
		}
		return err
	})
}
