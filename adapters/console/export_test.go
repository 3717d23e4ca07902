package console

import "github.com/gofiber/fiber/v2"

// Routes lists what the listener answers to, but for what goes before all routes.
func (c *Console) Routes() (all []fiber.Route) { return c.app.GetRoutes(true) }

// NewLink and NewSession make a token, and LinkOpens and SessionHolds say whether it is
// good.
func (c *Console) NewLink() string { token, _ := c.links.add(Operator); return token }

func (c *Console) NewSession() string { token, _ := c.sessions.add(Operator); return token }

func (c *Console) LinkOpens(token string) bool { _, ok := c.links.take(token); return ok }

func (c *Console) SessionHolds(token string) bool { _, ok := c.sessions.of(token); return ok }
