package adminapi

import (
	"crypto/rand"
	"crypto/sha256"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

const (
	// linkLife is how long a sign-in link is valid.
	linkLife = 15 * time.Minute
	// sessionLife is how long a browser stays signed in.
	sessionLife = 12 * time.Hour
	// maxLinks and maxSessions are the largest numbers that exist at once. The oldest are
	// removed first.
	maxLinks, maxSessions = 16, 64

	// signInOnce is the parameter of a link that holds its token.
	signInOnce = "sign_in_once"
)

// Link is a link that signs one browser in, once. Path is relative to the address of the
// admin listener.
type Link struct {
	Path      string    `json:"path"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// SignInLink creates a link for an operator.
func (c *Server) SignInLink(operator string) Link {
	token, until := c.links.add(operator)
	return Link{Path: "/?" + signInOnce + "=" + token, ExpiresAt: until}
}

// signIn accepts a link and identifies the browser by a cookie from then on. Scripts cannot
// read the cookie, and pages of other sites do not cause it to be sent.
func (c *Server) signIn(f *fiber.Ctx) error {
	operator, ok := c.links.of(f.Query(signInOnce), true)
	if _, signedIn := c.sessions.of(f.Cookies(cookieName(f)), false); !ok && signedIn {
		return f.Redirect("/", fiber.StatusSeeOther)
	}
	if !ok {
		return &refusal{fiber.StatusUnauthorized, "link_used", "the link was used already, or is too old", howBrowser}
	}
	token, until := c.sessions.add(operator)
	f.Cookie(&fiber.Cookie{
		Name: cookieName(f), Value: token, Path: "/", Expires: until, HTTPOnly: true, SameSite: fiber.CookieSameSiteStrictMode,
	})
	(&act{Server: c, name: "console.sign_in", by: operator}).end(nil)
	return f.Redirect("/", fiber.StatusSeeOther)
}

// cookieName includes the port, because a browser sends a cookie to all ports of a host.
func cookieName(f *fiber.Ctx) string {
	_, port, _ := net.SplitHostPort(f.Context().LocalAddr().String()) // the listener is TCP
	return "patchbay_console_" + port
}

// SignIn makes a SignInLink. Only a running gateway can.
var SignIn = Endpoint[None, Link]{route: route{method: fiber.MethodPost, path: "/admin/links", action: "console.link", status: fiber.StatusCreated}}

func (c *Server) makeLink(f *fiber.Ctx, a *act) error {
	return f.Status(SignIn.status).JSON(c.SignInLink(a.by))
}

// tokens identifies operators by tokens that are valid for a limited time. It stores
// digests only, so that reading the memory of the process grants no access.
type tokens struct {
	life time.Duration
	max  int

	mu  sync.Mutex
	all []grant // oldest first
}

type grant struct {
	digest   [sha256.Size]byte
	operator string
	until    time.Time
}

// add creates a token for an operator.
func (t *tokens) add(operator string) (token string, until time.Time) {
	token, until = rand.Text(), time.Now().Add(t.life)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) >= t.max {
		t.all = t.all[1:]
	}
	t.all = append(t.all, grant{sha256.Sum256([]byte(token)), operator, until})
	return token, until
}

// of returns the operator of a token. take means that the token is removed.
func (t *tokens) of(token string, take bool) (operator string, ok bool) {
	digest := sha256.Sum256([]byte(token))
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.all, func(g grant) bool { return g.digest == digest })
	if i < 0 || !time.Now().Before(t.all[i].until) {
		return "", false
	}
	operator = t.all[i].operator
	if take {
		t.all = slices.Delete(t.all, i, i+1)
	}
	return operator, true
}
