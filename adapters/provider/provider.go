// Package provider holds the values by which adapters register. An adapter exports one of
// them: a [Payment], a [Mail] or a [Storage]. The catalogue in package app is the list of
// these values.
package provider

import (
	"context"
	"io"
	"log/slog"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/config/setting"
	"patchbay/core/fault"
	"patchbay/ports"
)

// Payment is a type of payment provider.
type Payment struct {
	setting.Type
	New      func(Environment) (ports.PaymentGateway, error)
	Webhooks Webhooks[PaymentHook]
}

// Mail is a type of mail provider.
type Mail struct {
	setting.Type
	New      func(Environment) (ports.Mailer, error)
	Webhooks Webhooks[MailHook]
	// TemplateHelpers are the helpers of Handlebars that the templates stored at the provider may use.
	TemplateHelpers []string
}

// Storage is a type of store.
type Storage struct {
	setting.Type
	New func(context.Context, Environment) (Store, error)
}

// Description implements setting.Described.
func (p Payment) Description() setting.Type { return sorted(p.Type, setting.ForPayments) }

// Description implements setting.Described.
func (m Mail) Description() setting.Type { return sorted(m.Type, setting.ForMail) }

// Description implements setting.Described.
func (s Storage) Description() setting.Type { return sorted(s.Type, setting.ForStorage) }

func sorted(t setting.Type, s setting.Sort) setting.Type {
	t.Sort = s
	return t
}

// Environment is what a provider is built with.
type Environment struct {
	Name     string // as configured
	Settings any    // the value of Type.Settings, filled and checked
	Clock    ports.Clock
	IDs      ports.IDs
	Log      *slog.Logger

	// Account is a digest, under this installation's secret, of what the settings identify the account by:
	// see setting.Identifies. It may be stored. It is empty if they do not identify it.
	Account string

	// Timeout and MaxConns are the limits of the policy, for providers over HTTP: see HTTP.
	Timeout  time.Duration
	MaxConns int

	// Existing means for a store that it must exist, and is not created.
	Existing bool

	// The rest is for providers that simulate one: the secrets of the webhooks, and the URL they are
	// sent to ("" before the API listens); for payment providers also the store, the URL of the page
	// on which a buyer approves a payment, and what is called when there are webhooks to send.
	Secrets  []setting.Secret
	Endpoint func() string
	Journal  ports.Journal
	Approval func(provider, reference string) string
	Wake     func()
}

// HTTP returns the options of the HTTP client for a provider. An attempt ends with the
// policy's timeout. The client keeps one connection for each concurrent call.
func (e Environment) HTTP(base setting.BaseURL) httpclient.Options {
	return httpclient.Options{BaseURL: string(base), Timeout: e.Timeout, MaxConns: e.MaxConns}
}

// Store is what a type of store supplies.
type Store struct {
	Journal   ports.Journal
	Users     ports.UserRepository
	Archive   ports.Archive
	Snapshots ports.Snapshots // nil if the store has none
	Aged      Aged            // nil if the store cannot tell its own age
	io.Closer
}

// Aged is a store that can detect that it is an older copy of itself that was put in its
// place.
type Aged interface {
	// Older reports whether the store is an older copy and Known has not been called since.
	Older(ctx context.Context) (bool, error)
	// Known records that the older copy has been noticed.
	Known(ctx context.Context) error
}

// Webhooks defines how the webhooks of a type of provider are verified and read. The zero
// value is for a type that sends none.
type Webhooks[Hook any] struct {
	// Format names the format, and is the last part of the path that receives it:
	// /api/webhooks/stripe.
	Format string
	// New returns the hook of all accounts. It is nil if another type has the same format.
	New func(clock ports.Clock, accounts ...Account) (Hook, error)
}

// PaymentHook verifies and reads the webhooks of a payment provider.
type PaymentHook interface {
	ports.Verifier
	ports.PaymentReader
}

// MailHook verifies and reads the webhooks of a mail provider.
type MailHook interface {
	ports.Verifier
	ports.MailReader
}

// Account is a configured provider with the secrets of its webhooks: two during a rotation.
type Account struct {
	Provider string // the configured name
	Secrets  []string
}

// BadSignature returns the error of a delivery without a valid signature: Invalid with code invalid_signature.
// why must not quote the delivery.
func BadSignature(why string) error { return fault.New(fault.Invalid, "invalid_signature", why) }

// Distinct returns Invalid if a secret is empty, or shared by two accounts: an event must be
// valid for one account only.
func Distinct(accounts ...Account) error {
	owner := make(map[string]string)
	for _, a := range accounts {
		for _, secret := range a.Secrets {
			if secret == "" {
				return fault.New(fault.Invalid, "empty_secret", "a webhook secret of "+a.Provider+" is empty")
			}
			if other, taken := owner[secret]; taken && other != a.Provider {
				return fault.New(fault.Invalid, "shared_secret", a.Provider+" and "+other+" have the same webhook secret")
			}
			owner[secret] = a.Provider
		}
	}
	return nil
}
