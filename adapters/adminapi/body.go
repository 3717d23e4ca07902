package adminapi

import (
	"io"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"
)

// decode reads the body as one JSON value without unknown or duplicate members. wrong is
// the error message for any other body. Package wire limits the body's length.
func decode(f *fiber.Ctx, into any, wrong string) error {
	body := f.Context().RequestBodyStream()
	if body == nil {
		return fiber.NewError(fiber.StatusBadRequest, wrong)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into, json.RejectUnknownMembers(true)); err != nil {
		return fiber.NewError(fiber.StatusBadRequest, wrong)
	}
	return nil
}
