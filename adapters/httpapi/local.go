package httpapi

import (
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/wire"
)

// makeKey is the end of each refusal of a caller without a key.
const makeKey = "; make an API key with `patchbay keys create --name NAME` and send it as Authorization: Bearer"

// checkLocal refuses a caller without an API key that is not on this machine, or that may
// act for somebody else. If no key is required, the gateway listens on loopback only.
func (r *request) checkLocal() error {
	if why := wire.NotLocal(&r.Request().Header); why != "" {
		return refuse(fiber.StatusForbidden, "api_key_needed", "without an API key, "+why+makeKey)
	}
	return nil
}
