package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"patchbay/config/setting"
	"patchbay/core/spelling"
)

// decode fills a struct from the written settings. Every key must be that of a field, and
// every value of the field's type.
func (s *source) decode(path string, written any, into reflect.Value) {
	m, ok := written.(map[string]any)
	if !ok {
		s.unreadable(path, "must be a mapping")
		return
	}
	fields := make(map[string]reflect.Value)
	for i := range into.NumField() {
		if name := into.Type().Field(i).Tag.Get("config"); name != "-" {
			fields[name] = into.Field(i)
		}
	}
	for key, value := range m {
		at := join(path, key)
		field, known := fields[key]
		switch {
		case !known:
			meant := spelling.Nearest(key, slices.Sorted(maps.Keys(fields)))
			s.mistake(at, "is not a setting%s", suggestion(meant, fields))
			if _, written := m[meant]; meant != "" && !written {
				s.unread[join(path, meant)] = true // its value is in the wrong line, and not missing
			}
		case field.Kind() == reflect.Struct && field.Type() != reflect.TypeFor[setting.Secret]():
			s.decode(at, value, field)
		default:
			s.set(at, value, field)
		}
	}
}

// set sets one field.
func (s *source) set(path string, written any, into reflect.Value) {
	if into.Kind() == reflect.Slice {
		s.setList(path, written, into)
		return
	}
	if into.Kind() == reflect.Map {
		s.setMap(path, written, into)
		return
	}
	raw, ok := written.(string)
	if !ok {
		s.unreadable(path, "must be a single value")
		return
	}
	_, secret := into.Interface().(setting.Secret)
	text, ok := s.expand(path, raw, secret)
	if !ok {
		return
	}
	if secret {
		switch {
		case !s.fromEnv[path] && !whole.MatchString(raw):
			s.unreadable(path, "is a secret and must not be in the file; write ${NAME} or ${file:/path}")
		case text == "":
			s.unreadable(path, "is empty")
		default:
			into.Set(reflect.ValueOf(setting.NewSecret(text)))
		}
		return
	}
	value, wrong, err := parse(text, into)
	if err != nil {
		s.unreadable(path, "%q %s", text, wrong)
		return
	}
	into.Set(reflect.ValueOf(value).Convert(into.Type()))
}

// parse returns the value of a text for a setting. If the text has none, err is not nil, and wrong
// is the message for it.
func parse(text string, field reflect.Value) (value any, wrong string, err error) {
	switch field.Interface().(type) {
	case netip.Prefix:
		value, err = parseNetwork(text)
		return value, "is neither an address nor a network such as 10.0.0.0/8", err
	case time.Duration:
		duration, err := time.ParseDuration(text)
		if err == nil && duration < 0 {
			err = errors.New("below zero")
		}
		return duration, "is not a duration; write for example 10s or 72h", err
	}
	if own, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		err = own.UnmarshalText([]byte(text))
		return field.Interface(), fmt.Sprint(err), err
	}
	switch field.Kind() {
	case reflect.String:
		return text, "", nil
	case reflect.Bool:
		if text != "true" && text != "false" {
			err = errors.New("not a boolean")
		}
		return text == "true", "must be true or false", err
	case reflect.Int:
		value, err = strconv.Atoi(text)
		return value, "is not a whole number", err
	default:
		panic(fmt.Sprintf("config: a setting of type %s", field.Type())) // a programming error, found by any test
	}
}

// parseNetwork parses a network, or an address as the network of this address only.
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil || network.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("not a network")
	}
	return network.Masked(), nil
}

// setMap sets a map. In the environment each of its keys is a variable.
func (s *source) setMap(path string, written any, into reflect.Value) {
	entries, ok := written.(map[string]any)
	if !ok {
		s.unreadable(path, "must be a map such as {name: value}")
		return
	}
	into.Set(reflect.MakeMapWithSize(into.Type(), len(entries)))
	for key, value := range entries {
		entry := reflect.New(into.Type().Elem()).Elem()
		s.set(join(path, key), value, entry)
		into.SetMapIndex(reflect.ValueOf(key), entry)
	}
}

// setList sets a list. In the environment its items are separated by commas.
func (s *source) setList(path string, written any, into reflect.Value) {
	items, ok := written.([]any)
	if text, single := written.(string); single && s.fromEnv[path] {
		ok = true
		for item := range strings.SplitSeq(text, ",") {
			items = append(items, strings.TrimSpace(item))
		}
	}
	if !ok {
		s.unreadable(path, "must be a list such as [a, b]")
		return
	}
	list := reflect.MakeSlice(into.Type(), len(items), len(items))
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		s.fromEnv[at] = s.fromEnv[path]
		s.set(at, item, list.Index(i))
	}
	into.Set(list)
}

var (
	reference = regexp.MustCompile(`\$\{([^}]*)\}`)
	whole     = regexp.MustCompile(`^\$\{[^}]*\}$`)
)

// filePrefix marks a reference to a file rather than a variable.
const filePrefix = "file:"

// expand replaces ${NAME} by the value of the environment variable and ${file:/path} by the
// file's text without trailing line ends. secret means that the setting is a secret.
func (s *source) expand(path, raw string, secret bool) (text string, ok bool) {
	ok = true
	text = reference.ReplaceAllStringFunc(raw, func(ref string) string {
		name := ref[2 : len(ref)-1]
		value, mistake := s.referred(name)
		if mistake != "" {
			s.unreadable(path, "%s", mistake)
			ok = false
		}
		s.used = append(s.used, used{name, value, secret})
		return value
	})
	return text, ok
}

// referred returns the value of a reference.
func (s *source) referred(name string) (value, mistake string) {
	if file, isFile := strings.CutPrefix(name, filePrefix); isFile {
		content, err := os.ReadFile(file) //nolint:gosec // the operator's own file
		if err != nil {
			return "", fmt.Sprintf("the file of ${%s} cannot be read", name)
		}
		return strings.TrimRight(string(content), "\r\n"), ""
	}
	value, set := Variable(s.environ, name)
	if !set {
		return "", "the environment has no " + name
	}
	return value, ""
}

// suggestion names the setting that was probably meant, or lists all.
func suggestion(meant string, fields map[string]reflect.Value) string {
	if meant != "" {
		return fmt.Sprintf("; did you mean %s?", meant)
	}
	return "; there is " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
}
