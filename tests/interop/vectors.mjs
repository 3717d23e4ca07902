// Prints webhooks signed by Stripe's own library, for the Go tests of
// adapters/payments/stripepay. Times are fixed, so that the output is too.
import { event, sign } from "./sign.mjs";

const at = 1772366400; // 2026-03-01 12:00:00 UTC
const secret = "whsec_interop";
const vector = (name, payload, { key = secret, timestamp = at } = {}) => ({
  name,
  secret: key,
  timestamp,
  payload,
  header: sign(payload, key, timestamp),
});

const plain = event("evt_vector_1");
// While a secret is rolled, Stripe signs with both, in one header.
const v1 = (key) => sign(plain, key, at).split(",").find((part) => part.startsWith("v1="));
const rolled = `t=${at},${v1("whsec_before")},${v1("whsec_after")}`;

const vectors = [
  vector("an event", plain),
  vector("another time", event("evt_vector_2"), { timestamp: 1700000000 }),
  vector("a secret that does not begin with whsec_", event("evt_vector_3"), { key: "ключ ☃" }),
  { ...vector("two secrets, the first is ours", plain, { key: "whsec_before" }), header: rolled },
  { ...vector("two secrets, the second is ours", plain, { key: "whsec_after" }), header: rolled },
  vector("a body beyond ASCII", event("evt_vector_4", { description: "Füße 10 € 😀 \u2028" })),
  vector("a body with CR LF", event("evt_vector_5", {}, 2).replaceAll("\n", "\r\n") + "\r\n"),
];
console.log(JSON.stringify(vectors, null, 2));
