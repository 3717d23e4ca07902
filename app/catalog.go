package app

import (
	"errors"
	"reflect"

	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/mail/mailgunmail"
	"patchbay/adapters/mail/resendmail"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/adapters/mail/sesmail"
	"patchbay/adapters/mail/smtpmail"
	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/provider"
	"patchbay/adapters/storage/mongostore"
	"patchbay/adapters/storage/pgstore"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/config"
	"patchbay/config/setting"
)

// catalogue lists every type of provider.
var catalogue = []setting.Described{
	sqlitestore.Provider,
	pgstore.Provider,
	mongostore.Provider,
	mockpay.Provider,
	stripepay.Provider,
	catchermail.Provider,
	sendgridmail.Provider,
	mailgunmail.Provider,
	resendmail.Provider,
	sesmail.Provider,
	smtpmail.Provider,
}

// Load reads a configuration: see config.Load. further are types of providers beside those
// of this module, each a provider.Payment, provider.Mail or provider.Storage.
func Load(path string, environ []string, further ...setting.Described) (*config.Config, error) {
	if err := CheckTypes(further...); err != nil {
		return nil, err
	}
	return config.Load(path, environ, Types(further...))
}

// CheckTypes returns an error if one of the further types is not complete, or not unique.
func CheckTypes(further ...setting.Described) error { return provider.Check(Types(further...)) }

// Types returns all types of providers.
func Types(further ...setting.Described) []setting.Described {
	return append(catalogue[:len(catalogue):len(catalogue)], further...)
}

// Storage is what a storage provider supplies.
type Storage = provider.Store

var errNotBuilt = errors.New("the New of its type returned neither all of it nor an error")

// built returns what a New of a type returned, or an error if that is nil: the type may be of
// another module.
func built[P any](p P, err error) (P, error) {
	if v := reflect.ValueOf(p); err == nil && (!v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()) {
		err = errNotBuilt
	}
	return p, err
}

// environmentFor returns what a provider is built with.
func (s environment) environmentFor(p config.Provider) provider.Environment {
	return provider.Environment{
		Name: p.Name, Settings: p.Settings, Account: s.credential(p), Clock: s.clock, IDs: s.ids, Log: s.log, Timeout: p.Policy.Timeout, MaxConns: p.Policy.Bulkhead,
		Existing: s.existing, Journal: s.journal, Secrets: s.webhookSecrets(p), Endpoint: s.endpoint(webhookFormat(p)), Approval: s.approval, Wake: s.wake,
	}
}
