//go:build !clockstep

package sys

import "time"

func now() time.Time { return time.Now() }
