package setting

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"time"
)

// CheckSettings returns an error if a value cannot hold the settings of a type of provider: it
// must be a pointer to a struct whose fields have tags and are of the types that the package
// comment lists.
func CheckSettings(settings any) error {
	v := reflect.ValueOf(settings)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("the func Settings returned %s, and must return a pointer to a struct", shown(settings))
	}
	if _, checks := settings.(Checks); !checks && v.MethodByName("Check").IsValid() { // it would never be called
		return fmt.Errorf("the method Check of %T must be a func() setting.Mistakes", settings)
	}
	return checkFields(v.Elem().Type(), map[string]bool{"type": true}) // as in type: stripe
}

func shown(settings any) string {
	if v := reflect.ValueOf(settings); v.Kind() == reflect.Pointer && v.IsNil() {
		return fmt.Sprintf("a nil %T", settings)
	}
	return fmt.Sprintf("a %T", settings)
}

// checkFields checks the fields of a struct. keys are those that are taken.
func checkFields(of reflect.Type, keys map[string]bool) error {
	for i := range of.NumField() {
		f := of.Field(i)
		key := f.Tag.Get("config")
		switch {
		case key == "-":
			continue
		case key == "" || !f.IsExported():
			return fmt.Errorf(`the field %s of %s must be exported and have a tag such as config:"api_key", or config:"-"`, f.Name, of)
		case keys[key]:
			return fmt.Errorf("the field %s of %s has the key %s, which is taken", f.Name, of, key)
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[Secret]():
			if err := checkFields(f.Type, make(map[string]bool)); err != nil {
				return err
			}
		case !single(f.Type) && !several(f.Type):
			return fmt.Errorf("the field %s of %s has the type %s, and a setting cannot: see the comment of package config/setting", f.Name, of, f.Type)
		}
		keys[key] = true
	}
	return nil
}

// several reports whether a setting of a type has several values: a list, or a map by names.
func several(t reflect.Type) bool {
	list := t.Kind() == reflect.Slice
	byName := t.Kind() == reflect.Map && t.Key().Kind() == reflect.String
	return (list || byName) && single(t.Elem())
}

// single reports whether a single text can be decoded into a type.
func single(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[Secret](), reflect.TypeFor[time.Duration](), reflect.TypeFor[netip.Prefix]():
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int:
		return true
	case reflect.Struct, reflect.Pointer, reflect.Interface:
		return false
	default:
		return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	}
}
