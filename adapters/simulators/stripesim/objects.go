package stripesim

import "patchbay/core/payment"

// object is a Stripe object, ready to be marshalled.
type object = map[string]any

// object returns an intent in Stripe's format. With expanded, it contains the latest charge instead
// of its id.
func (i *intent) object(expanded bool) object {
	methods := object{"enabled": true, "allow_redirects": "always"}
	if !i.redirects {
		methods["allow_redirects"] = "never"
	}
	o := object{
		"id": i.id, "object": "payment_intent", "amount": i.amount, "amount_capturable": i.capturable,
		"amount_received": i.received, "automatic_payment_methods": methods, "capture_method": i.captureMethod,
		"client_secret": i.secret, "confirmation_method": "automatic", "created": i.created.Unix(), "currency": i.currency,
		"customer": orNull(i.customer), "description": orNull(i.description), "last_payment_error": nil, "latest_charge": nil,
		"livemode": false, "metadata": i.metadata, "next_action": i.next(), "payment_method": orNull(i.method),
		"payment_method_types": []string{"card"}, "status": string(i.status),
	}
	if f := i.failure; f != nil {
		o["last_payment_error"] = f
	}
	switch {
	case i.charge == nil:
	case expanded:
		o["latest_charge"] = i.chargeObject()
	default:
		o["latest_charge"] = i.charge.id
	}
	return o
}

// next returns next_action: what the buyer must do.
func (i *intent) next() any {
	switch {
	case i.status != payment.RequiresAction:
		return nil
	case i.returnURL == "":
		return object{"type": "use_stripe_sdk", "use_stripe_sdk": object{"type": "three_d_secure_redirect"}}
	}
	return object{"type": "redirect_to_url", "redirect_to_url": object{
		"return_url": i.returnURL, "url": "https://hooks.stripe.com/3d_secure_2/" + i.id,
	}}
}

func (i *intent) chargeObject() object {
	var refunded int64
	for _, r := range i.refunds {
		if r.live() {
			refunded += r.amount
		}
	}
	status := "failed"
	if i.charge.paid {
		status = "succeeded"
	}
	return object{
		"id": i.charge.id, "object": "charge", "amount": i.amount, "amount_captured": i.received, "amount_refunded": refunded,
		"captured": i.charge.captured, "created": i.created.Unix(), "currency": i.currency, "customer": orNull(i.customer),
		"disputed": len(i.disputes) > 0, "livemode": false, "metadata": i.metadata, "paid": i.charge.paid, "payment_intent": i.id, "payment_method": orNull(i.method),
		"refunded": refunded == i.amount, "status": status,
	}
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
