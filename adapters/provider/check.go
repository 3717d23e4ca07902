package provider

import (
	"fmt"

	"patchbay/config/setting"
)

// Check returns an error if one of the types is not complete, or not unique. All types that
// a gateway knows are checked together.
func Check(types []setting.Described) error {
	names, readers := make(map[string]bool), make(map[string]setting.Sort)
	for _, t := range types {
		made, format, reads, known := parts(t)
		if !known {
			return fmt.Errorf("a type of provider is a %T, and must be a provider.Payment, provider.Mail or provider.Storage, no pointer to one", t)
		}
		d := t.Description()
		switch {
		case !setting.ValidName(d.Name):
			return fmt.Errorf("%q is not a name for a type of provider; write for example acme", d.Name)
		case names[d.Name]:
			return fmt.Errorf("there are two types of provider called %q", d.Name)
		case !made || d.Settings == nil:
			return fmt.Errorf("the type of provider %q must be a provider.Payment, provider.Mail or provider.Storage with Settings and New", d.Name)
		case (reads || format != "") && !setting.ValidName(format):
			return fmt.Errorf("the type of provider %q: %q is not a name for a format of webhooks", d.Name, format)
		case reads && readers[format] != "":
			return fmt.Errorf("the type of provider %q: another type reads webhooks of the format %q", d.Name, format)
		}
		if err := setting.CheckSettings(d.Settings()); err != nil {
			return fmt.Errorf("the type of provider %q: %w", d.Name, err)
		}
		names[d.Name] = true
		if reads {
			readers[format] = d.Sort
		}
	}
	for _, t := range types {
		d := t.Description()
		if _, format, _, _ := parts(t); format != "" && readers[format] != d.Sort {
			return fmt.Errorf("the type of provider %q: no type of provider for %s reads webhooks of the format %q", d.Name, d.Sort, format)
		}
	}
	return nil
}

// parts returns whether a type can make a provider, the format of its webhooks, whether it
// reads them, and whether it is one of the types of this package at all.
func parts(t setting.Described) (made bool, format string, reads, known bool) {
	switch t := t.(type) {
	case Payment:
		return t.New != nil, t.Webhooks.Format, t.Webhooks.New != nil, true
	case Mail:
		return t.New != nil, t.Webhooks.Format, t.Webhooks.New != nil, true
	case Storage:
		return t.New != nil, "", false, true
	case setting.Type: // described, and cannot be made
		return false, "", false, true
	}
	return false, "", false, false
}
