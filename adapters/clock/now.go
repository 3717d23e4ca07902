//go:build !clockstep

package clock

import "time"

func now() time.Time { return time.Now() }
