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
		d := t.Description()
		made, format, reads := parts(t)
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
		names[d.Name] = true
		if reads {
			readers[format] = d.Sort
		}
	}
	for _, t := range types {
		d := t.Description()
		if _, format, _ := parts(t); format != "" && readers[format] != d.Sort {
			return fmt.Errorf("the type of provider %q: no type of provider for %s reads webhooks of the format %q", d.Name, d.Sort, format)
		}
	}
	return nil
}

// parts returns whether a type can make a provider, the format of its webhooks, and whether
// it reads them.
func parts(t setting.Described) (made bool, format string, reads bool) {
	switch t := t.(type) {
	case Payment:
		return t.New != nil, t.Webhooks.Format, t.Webhooks.New != nil
	case Mail:
		return t.New != nil, t.Webhooks.Format, t.Webhooks.New != nil
	case Storage:
		return t.New != nil, "", false
	}
	return false, "", false
}
