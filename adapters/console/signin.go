package console

import (
	"crypto/rand"
	"crypto/sha256"
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

const (
	// linkLife is how long a link signs a browser in.
	linkLife = 15 * time.Minute
	// sessionLife is how long a browser stays signed in.
	sessionLife = 12 * time.Hour
	// openLinks and openSessions are how many there are at once. The oldest go first.
	openLinks, openSessions = 16, 64

	// signInOnce is the parameter of a link that holds its token.
	signInOnce = "sign_in_once"
)

// Link is a link that signs one browser in, once. Path is below the address of the admin
// listener.
type Link struct {
	Path      string    `json:"path"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// SignInLink makes a link for an operator.
func (c *Console) SignInLink(operator string) Link {
	token, until := c.links.add(operator)
	return Link{Path: "/?" + signInOnce + "=" + token, ExpiresAt: until}
}

// signIn takes a link, and keeps whose it was by a cookie: no script can read it, and no
// other site's page has it sent.
func (c *Console) signIn(f *fiber.Ctx) error {
	operator, ok := c.links.take(f.Query(signInOnce))
	if !ok {
		return &refusal{fiber.StatusUnauthorized, "link_used", "the link was used already, or is too old", howBrowser}
	}
	token, until := c.sessions.add(operator)
	f.Cookie(&fiber.Cookie{
		Name: cookieName(f), Value: token, Path: "/", Expires: until, HTTPOnly: true, SameSite: fiber.CookieSameSiteStrictMode,
	})
	(&act{Console: c, name: "console.sign_in", by: operator}).end(nil)
	return f.Redirect("/", fiber.StatusSeeOther)
}

// cookieName has the port: a browser sends a cookie to all ports of a host.
func cookieName(f *fiber.Ctx) string {
	_, port, _ := net.SplitHostPort(f.Context().LocalAddr().String()) // of a listener on TCP
	return "patchbay_console_" + port
}

func (c *Console) makeLink(f *fiber.Ctx, a *act) error {
	return f.Status(fiber.StatusCreated).JSON(c.SignInLink(a.by))
}

// tokens lets whoever shows a token be known, for a time. It keeps digests: whoever reads
// the memory of the process gets in nowhere by it.
type tokens struct {
	life time.Duration
	most int

	mu  sync.Mutex
	all []grant // the oldest first
}

type grant struct {
	digest   [sha256.Size]byte
	operator string
	until    time.Time
}

// add makes a token for an operator.
func (t *tokens) add(operator string) (token string, until time.Time) {
	token, until = rand.Text(), time.Now().Add(t.life)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) >= t.most {
		t.all = t.all[1:]
	}
	t.all = append(t.all, grant{sha256.Sum256([]byte(token)), operator, until})
	return token, until
}

// of tells whose a token is.
func (t *tokens) of(token string) (operator string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.find(token)
	if !ok {
		return "", false
	}
	return t.all[i].operator, true
}

// take is of, once.
func (t *tokens) take(token string) (operator string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.find(token)
	if !ok {
		return "", false
	}
	operator = t.all[i].operator
	t.all = append(t.all[:i:i], t.all[i+1:]...)
	return operator, true
}

func (t *tokens) find(token string) (i int, ok bool) {
	digest, now := sha256.Sum256([]byte(token)), time.Now()
	for i, g := range t.all {
		if g.digest == digest {
			return i, now.Before(g.until)
		}
	}
	return 0, false
}
