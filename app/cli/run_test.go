package cli

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheFirstSignalStopsAndTheSecondExits(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]bool{"with a word": false, "though nobody reads it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				signals, release := make(chan os.Signal), make(chan struct{})
				stopped, said, code := false, "", 0
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					handleSignals(signals, func() { stopped = true }, func(text string) {
						if hangs {
							<-release
						}
						said = text
					}, func(c int) { code = c })
				}()
				signals <- syscall.SIGTERM
				synctest.Wait()
				if !stopped || code != 0 {
					t.Errorf("after one signal: stopped = %t, exit code = %d, want true and no exit", stopped, code)
				}
				begun := time.Now()
				signals <- syscall.SIGTERM
				<-ended
				if code != 1 || time.Since(begun) > time.Second || !hangs && said == "" {
					t.Errorf("after two signals: exit code = %d after %s, message = %q, want 1 within a second, and a message", code, time.Since(begun), said)
				}
				close(release)
			})
		})
	}
}
