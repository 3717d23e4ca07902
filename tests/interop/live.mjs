// Posts events signed by Stripe's own library to a running gateway, and prints
// what it did of each. Exits with 1 if anything is not as it must be.
import assert from "node:assert/strict";
import { event, sign } from "./sign.mjs";
import { start, until } from "./gateway.mjs";

const secret = "whsec_of_the_mock";
const now = () => Math.floor(Date.now() / 1000);
const gateway = await start(secret);

async function deliver(payload, header) {
  const response = await fetch(`${gateway.url}/api/webhooks/stripe`, {
    method: "POST",
    headers: { "Content-Type": "application/json; charset=utf-8", ...(header && { "Stripe-Signature": header }) },
    body: payload,
  });
  return { status: response.status, text: await response.text() };
}

async function accepted(payload, header) {
  const { status, text } = await deliver(payload, header);
  assert.ok(status >= 200 && status < 300, `${status} ${text}`);
}

async function refused(payload, header) {
  const { status, text } = await deliver(payload, header);
  assert.equal(status, 400, text);
  const { error } = JSON.parse(text);
  assert.equal(error.type, "validation_error", text);
  assert.equal(error.code, "invalid_signature", text);
  assert.ok(error.message && error.request_id, text);
}

async function call(method, path, body) {
  const response = await fetch(gateway.url + path, {
    method,
    headers: body && { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** All of the feed that is about one thing. */
async function feedOf(subject) {
  const found = [];
  for (let cursor = ""; ; ) {
    const page = await call("GET", `/api/events?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    found.push(...page.data.filter((e) => e.subject === subject));
    if (page.data.length === 0 || !page.nextCursor || page.nextCursor === cursor) return found;
    cursor = page.nextCursor;
  }
}

const cases = {
  "a signed event is accepted": () => {
    const body = event("evt_valid");
    return accepted(body, sign(body, secret, now()));
  },
  "an event of 200 s ago is accepted": () => {
    const body = event("evt_older");
    return accepted(body, sign(body, secret, now() - 200));
  },
  "an event signed with the old and the new secret is accepted": () => {
    const body = event("evt_rolled");
    const t = now();
    const v1 = (key) => sign(body, key, t).split(",")[1];
    return accepted(body, `t=${t},${v1("whsec_before")},${v1(secret)}`);
  },
  "a body beyond ASCII is accepted": () => {
    const body = event("evt_unicode", { description: "Füße 10 € 😀 \u2028" });
    return accepted(body, sign(body, secret, now()));
  },
  "a body with CR LF is accepted": () => {
    const body = event("evt_crlf", {}, 2).replaceAll("\n", "\r\n");
    return accepted(body, sign(body, secret, now()));
  },
  "a type that nobody knows is accepted": () => {
    const body = event("evt_unknown_type").replace("payment_intent.succeeded", "tax.rate.sneezed");
    return accepted(body, sign(body, secret, now()));
  },
  "a tampered body is refused": () => {
    const body = event("evt_tampered");
    return refused(body.replace("1999", "9999"), sign(body, secret, now()));
  },
  "a stale event is refused": () => {
    const body = event("evt_stale");
    return refused(body, sign(body, secret, now() - 310));
  },
  "an event from the future is refused": () => {
    const body = event("evt_future");
    return refused(body, sign(body, secret, now() + 310));
  },
  "a header without v1 is refused": () => {
    const body = event("evt_without_v1");
    return refused(body, sign(body, secret, now()).replace("v1=", "v0="));
  },
  "another secret is refused": () => {
    const body = event("evt_other_secret");
    return refused(body, sign(body, "whsec_of_somebody_else", now()));
  },
  "no header is refused": () => refused(event("evt_without_header")),
  "one event 200 times in parallel: 200 answers 2xx, one effect": async () => {
    const payment = await call("POST", "/api/payments", { amount: 1999, currency: "usd" });
    assert.notEqual(payment.status, "succeeded");
    const body = event("evt_parallel", { id: payment.providerReference });
    const header = sign(body, secret, now());
    await Promise.all(Array.from({ length: 200 }, () => accepted(body, header)));

    const succeeded = (e) => e.type === "payment.succeeded";
    await until("the event's effect", 10_000, async () => (await feedOf(payment.id)).some(succeeded));
    const paid = await call("GET", `/api/payments/${payment.id}`);
    assert.equal(paid.status, "succeeded");
    assert.equal((await feedOf(payment.id)).filter(succeeded).length, 1);
  },
};

let passed = 0;
let failed = 0;
try {
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run();
      passed++;
      console.log(`ok    ${name}`);
    } catch (err) {
      failed++;
      console.log(`FAIL  ${name}\n      ${err.message}`);
    }
  }
} finally {
  await gateway.stop();
}
if (failed > 0) console.log(gateway.log());
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
