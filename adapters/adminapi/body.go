package adminapi

import (
	"io"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"
)

// readBody reads the whole body, which may be empty. Package wire limits its length.
func readBody(f *fiber.Ctx) ([]byte, error) {
	if body := f.Context().RequestBodyStream(); body != nil {
		return io.ReadAll(body)
	}
	return nil, nil
}

// decode reads the body as one JSON value without unknown or duplicate members. wrong is
// the error message for any other body.
func decode(f *fiber.Ctx, into any, wrong string) error {
	raw, err := readBody(f)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into, json.RejectUnknownMembers(true)); err != nil {
		return fiber.NewError(fiber.StatusBadRequest, wrong)
	}
	return nil
}
