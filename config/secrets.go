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
			all = append(all, secretsOf(reflect.Indirect(reflect.ValueOf(p.Settings)))...)
		}
	}
	return all
}

// secretsOf returns the secrets in a setting, a list of settings or a struct of settings.
func secretsOf(v reflect.Value) (all []string) {
	switch s, ok := reflect.TypeAssert[setting.Secret](v); {
	case ok && s.Reveal() != "":
		all = []string{s.Reveal()}
	case ok:
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			all = append(all, secretsOf(v.Index(i))...)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanInterface() {
				all = append(all, secretsOf(v.Field(i))...)
			}
		}
	}
	return all
}
