// Signs as Stripe does, by Stripe's own library.
import Stripe from "stripe";

const stripe = new Stripe("sk_test_none"); // it calls nobody: only the signing is used

/** The Stripe-Signature header of a payload; timestamp in seconds. */
export function sign(payload, secret, timestamp) {
  return stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
}

/** An event of Stripe's about a payment intent, as text. */
export function event(id, intent = {}, indent = undefined) {
  return JSON.stringify(
    {
      id,
      object: "event",
      api_version: "2023-10-16",
      created: 1700000000,
      type: "payment_intent.succeeded",
      data: {
        object: {
          id: "pi_of_somebody_else",
          object: "payment_intent",
          status: "succeeded",
          amount: 1999,
          amount_received: 1999,
          currency: "usd",
          metadata: {},
          ...intent,
        },
      },
    },
    null,
    indent,
  );
}
