package adminapi

import (
	"context"
	_ "embed"
	"html/template"
	"time"

	"github.com/gofiber/fiber/v2"
)

//go:embed pages.html
var pages string

var templates = template.Must(template.New("pages").Parse(pages))

const maxListed = 200 // messages on the page

func render(c *fiber.Ctx, name string, data any) error {
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return templates.ExecuteTemplate(c, name, data)
}

func (c *Server) index(f *fiber.Ctx) error {
	return render(f, "index", c.Options)
}

func (c *Server) mailbox(f *fiber.Ctx) error {
	if c.Mailbox == nil {
		return fiber.NewError(fiber.StatusNotFound, "no mail catcher is configured")
	}
	caught, err := c.Mailbox.List(maxListed)
	if err != nil {
		return err
	}
	return render(f, "catcher", map[string]any{"Messages": caught, "Limit": maxListed})
}

// mail shows a message as plain text, because its content must not run here.
func (c *Server) mail(f *fiber.Ctx) error {
	if c.Mailbox == nil {
		return fiber.NewError(fiber.StatusNotFound, "no mail catcher is configured")
	}
	raw, err := c.Mailbox.Read(f.Params("name"))
	if err != nil {
		return err
	}
	f.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
	return f.Send(raw)
}

// charge is an entry of the mock's book.
type charge struct {
	Provider  string            `json:"provider"`
	Reference string            `json:"reference"`
	Key       string            `json:"key"`
	Amount    int64             `json:"amount"`
	Currency  string            `json:"currency"`
	Status    string            `json:"status"`
	Captured  int64             `json:"captured"`
	Refunded  int64             `json:"refunded"`
	Metadata  map[string]string `json:"metadata"`
	CreatedAt time.Time         `json:"createdAt"`
}

func (c *Server) charges(f *fiber.Ctx) error {
	if c.Book == nil {
		return fiber.NewError(fiber.StatusNotFound, "no mock payment provider is configured")
	}
	page, err := c.Book.Book(context.Background(), f.Query("cursor"), 100)
	if err != nil {
		return err
	}
	data := make([]charge, len(page.Entries))
	for i, e := range page.Entries {
		data[i] = charge{
			Provider: e.Provider, Reference: e.Reference, Key: e.Key, Amount: e.Amount, Currency: string(e.Currency),
			Status: string(e.Status), Captured: e.Captured, Refunded: e.Refunded, Metadata: e.Metadata, CreatedAt: e.CreatedAt,
		}
	}
	return f.JSON(fiber.Map{"data": data, "nextCursor": page.Next})
}
