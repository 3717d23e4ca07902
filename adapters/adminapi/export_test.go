package adminapi

import "github.com/gofiber/fiber/v2"

// Routes lists what the listener answers to, but for what goes before all routes.
func (c *Server) Routes() (all []fiber.Route) { return c.app.GetRoutes(true) }

// NewLink and NewSession make a token, and LinkOpens and SessionHolds say whether it is
// good.
func (c *Server) NewLink() string { token, _ := c.links.add(Operator); return token }

func (c *Server) NewSession() string { token, _ := c.sessions.add(Operator); return token }

func (c *Server) LinkOpens(token string) bool { _, ok := c.links.of(token, true); return ok }

func (c *Server) SessionHolds(token string) bool { _, ok := c.sessions.of(token, false); return ok }
