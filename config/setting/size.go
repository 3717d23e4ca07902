package setting

import (
	"errors"
	"strconv"
	"strings"
)

// Size is a number of bytes, written in megabytes or gigabytes: 256MB, 1GB. One megabyte
// is 1024 × 1024 bytes.
type Size int64

const (
	megabyte Size = 1 << 20
	gigabyte      = megabyte << 10
	maxSize       = 1024 * gigabyte
)

// String returns the size as it is written in the configuration.
func (s Size) String() string {
	if s%gigabyte == 0 && s > 0 {
		return strconv.FormatInt(int64(s/gigabyte), 10) + "GB"
	}
	return strconv.FormatInt(int64(s/megabyte), 10) + "MB"
}

var errSize = errors.New("is not a size; write for example 256MB or 1GB")

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	for unit, bytes := range map[string]Size{"MB": megabyte, "GB": gigabyte} {
		if number, ok := strings.CutSuffix(string(text), unit); ok {
			n, err := strconv.ParseInt(number, 10, 32)
			if err != nil || n < 1 || Size(n) > maxSize/bytes {
				return errSize
			}
			*s = Size(n) * bytes
			return nil
		}
	}
	return errSize
}
