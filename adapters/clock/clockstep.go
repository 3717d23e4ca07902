//go:build clockstep

package clock

import (
	"os"
	"strings"
	"time"
)

// OffsetFile is the environment variable that names a file with a duration, which a program
// built with the tag clockstep adds to the time. The file is read each time the clock is.
// Timers are not affected, as when a machine's clock is set.
const OffsetFile = "PATCHBAY_TEST_CLOCK_OFFSET"

var offsetPath = os.Getenv(OffsetFile)

func now() time.Time { return time.Now().Round(0).Add(offset()) }

// offset returns 0 if there is no file.
func offset() time.Duration {
	raw, err := os.ReadFile(offsetPath)
	if err != nil {
		return 0
	}
	d, err := time.ParseDuration(strings.TrimSpace(string(raw)))
	if err != nil {
		panic(err) // a test wrote it
	}
	return d
}
