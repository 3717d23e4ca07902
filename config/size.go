package config

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

func parseSize(text string) (Size, error) {
	for unit, bytes := range map[string]Size{"MB": megabyte, "GB": gigabyte} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseInt(number, 10, 32)
			if err != nil || n < 1 || Size(n) > maxSize/bytes {
				return 0, errors.New("not so many")
			}
			return Size(n) * bytes, nil
		}
	}
	return 0, errors.New("not a size")
}
