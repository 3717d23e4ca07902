//go:build clockstep

package clock

import (
	"os"
	"strings"
	"time"
)

// OffsetFile names, in the environment, a file with a duration by which the clock of
// a program that is built with the tag clockstep is off. It is read at each look at
// the clock. Timers and time-outs go on as they were, as where a machine's clock is
// set.
const OffsetFile = "PATCHBAY_TEST_CLOCK_OFFSET"

var offsetPath = os.Getenv(OffsetFile)

func now() time.Time { return time.Now().Round(0).Add(offset()) }

// offset is 0 where there is no file.
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
