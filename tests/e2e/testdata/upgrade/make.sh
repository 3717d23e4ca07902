#!/bin/sh
# Makes the files in previous/: see README.md. The argument is the previous version's binary.
set -eu
binary=$(realpath "$1")
here=$(realpath "$(dirname "$0")")/previous
work=$(mktemp -d)
cd "$work"
mkdir data
# The secrets are not secret.
printf '{"pepper":"%s","mockWebhookSecret":"whsec_test_0123456789abcdef"}' \
	"$(printf 'for tests only, for tests only, for tests only' | base64)" > data/installation.json
chmod 600 data/installation.json
export PATCHBAY_SERVER__ADDRESS=127.0.0.1:18080 PATCHBAY_SERVER__ADMIN_ADDRESS=127.0.0.1:18081
export PATCHBAY_POLICIES__DEFAULT__BREAKER__MINIMUM_CALLS=1000 # no fault makes it leave the mock alone
api=http://127.0.0.1:18080
"$binary" serve 2> log &
gateway=$!
until curl -sf $api/readyz > ready; do sleep 0.1; done
date -u +%Y-%m-%dT%H:%M:%SZ > "$here/made"
: > asked

# post PATH KEY BODY puts the answer into a file, and prints its status.
post() {
	curl -s -o answer -w '%{http_code}' $api"$1" -H 'Content-Type: application/json' -H "Idempotency-Key: $2" -d "$3"
}

# ask PATH KEY BODY prints the answer's id. What was done is asked for twice: the answer to
# a repeat is what is kept.
ask() {
	status=$(post "$1" "$2" "$3")
	case $status in 200 | 201) post "$1" "$2" "$3" > again ;; esac
	jq -c --arg path "$1" --arg key "$2" --argjson body "$3" --argjson status "$status" --rawfile answer answer \
		'{path: $path, key: $key, body: $body, status: $status, id: .id, answer: $answer}' answer >> asked
	jq -r .id answer
}

# pay KEY METHOD MORE takes a payment, or holds it.
pay() {
	ask /api/payments "$1" "{\"amount\":1999,\"currency\":\"usd\",\"paymentMethod\":\"$2\",\"confirm\":true,\"metadata\":{\"order\":\"$1\"}$3}"
}

paid=$(pay paid pm_card_visa '')
ask "/api/payments/$paid/refunds" refund '{"amount":500}'
pay declined pm_card_chargeDeclinedInsufficientFunds ''
pay action pm_card_authenticationRequired ',"returnUrl":"https://shop.example/back"'
pay lost pm_mock_timeout_after_commit ''
pay broken pm_mock_500_committed ''
pay unavailable pm_mock_refused ''
held=$(pay held pm_card_visa ',"captureMethod":"manual"')
ask "/api/payments/$held/capture" capture '{"amount":1000}'
canceled=$(pay canceled pm_card_visa ',"captureMethod":"manual"')
ask "/api/payments/$canceled/cancel" cancel '{}'
unconfirmed=$(ask /api/payments unconfirmed '{"amount":700,"currency":"eur","confirmation":"server","metadata":{"order":"unconfirmed"}}')
ask "/api/payments/$unconfirmed/confirm" confirm '{"paymentMethod":"pm_card_visa"}'
pay waiting pm_card_visa ',"captureMethod":"manual"'
ask /api/users ada '{"email":"ada@example.com","name":"Ada"}'
ask /api/emails welcome '{"to":["ada@example.com"],"subject":"Welcome","text":"Hello"}'
ask /api/emails once '{"to":["ada@example.com"],"subject":"Once","text":"Hello","delivery":"at_most_once"}'
ask /api/emails later "{\"to\":[\"ada@example.com\"],\"subject\":\"Later\",\"text\":\"Hello\",\"sendAt\":\"$(date -u -d '+2 hours' +%Y-%m-%dT%H:%M:%SZ)\"}"
# What was lost is found out by itself, and the mail goes out.
until curl -s "$api/api/payments" | jq -e '[.data[] | select(.status == "processing")] == []' > ready; do sleep 0.2; done
until curl -s "$api/api/emails" | jq -e '[.data[] | select(.status == "sent")] | length == 2' > ready; do sleep 0.2; done
# These are under way when it is killed. The provider has done both.
returning=$(pay returning pm_mock_refund_hang '')
pay open pm_mock_hang '' &
first=$!
mv asked asked.before
status=$(curl -s -o refund -w '%{http_code}' "$api/api/payments/$returning/refunds" -H 'Content-Type: application/json' \
	-H 'Idempotency-Key: opening' -d '{"amount":300}')
wait $first
cat asked >> asked.before
jq -c --arg path "/api/payments/$returning/refunds" --argjson status "$status" --rawfile answer refund \
	'{path: $path, key: "opening", body: {amount: 300}, status: $status, id: .id, answer: $answer}' refund >> asked.before
kill -9 $gateway
wait $gateway || true
"$binary" storage backup --to copy.db
gzip -9nc copy.db > "$here/patchbay.db.gz"
cp data/installation.json "$here/"
jq -s . asked.before > "$here/asked.json"
rm -r "$work"
