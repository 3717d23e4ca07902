// Package canary puts a mark into every text of a value and later reports where marks remain. A
// test uses it to show that all texts are removed from a value, also those in fields that are added
// to its type later.
package canary

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

const mark = "canary"

// Fill sets every text in the value that v points to, to a mark. Slices and maps get one element,
// and pointers get a new value.
func Fill(v any) { fill(reflect.ValueOf(v).Elem(), "") }

func fill(v reflect.Value, path string) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(mark + "@" + path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(mark))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, path)
		fill(element, path)
		v.SetMapIndex(key, element)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), join(path, v.Type().Field(i).Name))
		}
	case reflect.Bool, reflect.Int, reflect.Int64:
	default:
		panic(fmt.Sprintf("canary: %s is a %s, and nobody knows whether that holds a text", path, v.Kind()))
	}
}

// Left returns the paths of the fields that still contain a mark in the value that v points to,
// sorted.
func Left(v any) []string {
	var found []string
	left(reflect.ValueOf(v).Elem(), "", &found)
	slices.Sort(found)
	return slices.Compact(found)
}

func left(v reflect.Value, path string, found *[]string) {
	switch v.Kind() {
	case reflect.String:
		if strings.Contains(v.String(), mark) {
			*found = append(*found, path)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			left(v.Elem(), path, found)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			left(reflect.ValueOf(string(v.Bytes())), path, found)
			return
		}
		for i := range v.Len() {
			left(v.Index(i), path, found)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			left(key, path, found)
			left(v.MapIndex(key), path, found)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			left(v.Field(i), join(path, v.Type().Field(i).Name), found)
		}
	default:
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
