package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/gofiber/fiber/v2"
)

// decode reads the body, one JSON value without unknown fields. wrong is what is said of
// another. wire bounds its length.
func decode(f *fiber.Ctx, into any, wrong string) error {
	body := f.Context().RequestBodyStream()
	if body == nil {
		return fiber.NewError(fiber.StatusBadRequest, wrong)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fiber.NewError(fiber.StatusBadRequest, wrong)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) { // something more
		return fiber.NewError(fiber.StatusBadRequest, wrong)
	}
	return nil
}
