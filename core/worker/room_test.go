package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/worker"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

func TestAWorkerClaimsNoMoreThanThereIsRoomFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		journal, start := memjournal.New(clock.System{}), time.Now()
		var room, handled atomic.Int64
		w := &worker.Worker{
			Journal: journal, Queue: name, Owner: "one", Lease: lease, Idle: 24 * time.Hour, Limit: 16, Log: slog.New(slog.DiscardHandler),
			Room: func() (int, time.Duration) {
				if time.Since(start) >= time.Hour {
					return 16, 0
				}
				return int(room.Load()), time.Until(start.Add(time.Hour))
			},
			Claimed: func(n int) { room.Add(int64(-n)) },
			Handle: func(ctx context.Context, c ports.Claim) error {
				handled.Add(1)
				c.Queue, c.Owner, c.Due = "", "", time.Time{}
				return journal.Save(ctx, &c.Record)[0]
			},
		}
		for i := range 10 {
			r := &ports.Record{Tenant: "t", Kind: "job", ID: fmt.Sprint(i), Queue: name, Due: time.Now(), Body: []byte("{}")}
			if err := journal.Save(t.Context(), r)[0]; err != nil {
				t.Fatal(err)
			}
		}
		room.Store(3)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx) }()
		synctest.Wait()
		if got := handled.Load(); got != 3 {
			t.Errorf("%d records are handled, want 3: there is room for no more", got)
		}
		<-time.After(59 * time.Minute)
		if got := handled.Load(); got != 3 {
			t.Errorf("%d records are handled before there is room again, want 3", got)
		}
		<-time.After(2 * time.Minute)
		if got := handled.Load(); got != 10 {
			t.Errorf("%d records are handled once there is room, want 10", got)
		}
		stop()
		<-done
	})
}
