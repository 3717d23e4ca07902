package emails_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// Available implements ports.Availability.
func (l *line) Available() error {
	if l.down == nil {
		return nil
	}
	return l.down()
}

// The messages of a batch may wait for different providers: all of these are woken.
func TestEachProviderOfANewBatchBeginsAtOnce(t *testing.T) {
	var asked atomic.Int64
	first, second := merging("first", nil), merging("second", nil)
	first.down = func() error {
		if asked.Add(1) == 2 { // for the second message of the batch
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	withBatches(t, []*line{first, second}, func(t *testing.T, o *batchRig) {
		asked.Store(0)
		o.send(t, batchOf(150), idempotency.Key{})
		synctest.Wait()
		equal(t, "calls at once", len(first.calls)+len(second.calls), 2)
	})
}
