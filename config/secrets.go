package config

import (
	"reflect"

	"patchbay/config/setting"
)

// Secrets returns the secrets of all providers, so that they can be removed from texts
// written by others.
func (c *Config) Secrets() []string {
	var all []string
	for _, providers := range []map[string]Provider{c.Provider, c.Stores} {
		for _, p := range providers {
			all = secretsOf(reflect.ValueOf(p.Settings), all)
		}
	}
	return all
}

func secretsOf(v reflect.Value, all []string) []string {
	if v.IsValid() && v.CanInterface() {
		if s, ok := v.Interface().(setting.Secret); ok {
			if s.Reveal() != "" {
				all = append(all, s.Reveal())
			}
			return all
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			all = secretsOf(v.Elem(), all)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			all = secretsOf(v.Field(i), all)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			all = secretsOf(v.Index(i), all)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			all = secretsOf(v.MapIndex(key), all)
		}
	default:
	}
	return all
}
