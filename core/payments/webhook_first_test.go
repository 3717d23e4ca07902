package payments_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"patchbay/core/payment"
	"patchbay/core/webhook"
)

// TestCreateEndedByWebhookIsAnsweredLikeItsRepeats lets the webhook of a create be applied before
// the create's own call has returned.
func TestCreateEndedByWebhookIsAnsweredLikeItsRepeats(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failAfter(func(ctx context.Context, _ payment.Action, _ int) error {
			<-time.After(time.Millisecond)
			_, err := r.ApplyWebhook(ctx, webhook.Event{Provider: "acme", ID: "pi_1", Type: string(payment.Succeeded)})
			<-time.After(time.Millisecond)
			return err
		})
		first, err := r.pay(t, "k")
		if err != nil || first.Payment.Status != payment.Succeeded {
			t.Fatalf("got %+v, %v, want it succeeded", first.Payment, err)
		}
		again, err := r.pay(t, "k")
		if got, want := visible(again.Payment), visible(first.Payment); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
}
