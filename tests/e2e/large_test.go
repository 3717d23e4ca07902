package e2e_test

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/tests/gateway"
)

// largest returns the most metadata that a payment may have, in the characters that take the most
// bytes.
func largest() map[string]string {
	m := map[string]string{}
	for n := range 45 {
		m[fmt.Sprintf("%02d", n)+strings.Repeat("<", 38)] = strings.Repeat("\u0001", 500)
	}
	return m
}

// maxRecord is the limit for the record of a payment: a MongoDB document has at most 16 MB.
const maxRecord = 4 << 20

// TestAHundredOperationsOnOnePaymentAreOneSmallRecord makes ninety-nine refunds of one payment and
// repeats each key, which gets the same response. The record stays small, so that no store refuses
// it after money has moved.
func TestAHundredOperationsOnOnePaymentAreOneSmallRecord(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]string{"sqlite": "{type: sqlite, path: data/patchbay.db}", "mongo": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if store == "" {
				store = gateway.OnMongo(t)
			}
			g := gateway.NewShop(t, gateway.ShopOptions{Database: store, Policies: []string{"storage: {timeout: 10s}"}}).Gateway
			g.Restart(t)
			request := pay("pm_card_visa", object{"amount": 100_000, "metadata": largest()})
			created := g.Do(t, "POST", "/api/payments", request, gateway.Key("create"))
			if created.Status != 201 {
				t.Fatalf("got %d %s, want 201", created.Status, created.Body)
			}
			path := "/api/payments/" + created.Text("id") + "/refunds"
			answers := map[string]gateway.Answer{}
			for n := range 99 {
				key := fmt.Sprint("refund", n)
				gateway.Eventually(t, time.Minute, key+" is known to have ended", func() bool { // a slow store is not waited for
					answers[key] = g.Do(t, "POST", path, object{"amount": 1 + n}, gateway.Key(key))
					return answers[key].Status == 201 && answers[key].Text("status") == "succeeded"
				})
			}
			if a := g.Do(t, "POST", path, object{"amount": 1}, gateway.Key("one more")); a.Status != 409 || a.Code() != "too_many_operations" {
				t.Errorf("one more: got %d %s, want 409, code too_many_operations", a.Status, a.Body)
			}
			if again := g.Do(t, "POST", "/api/payments", request, gateway.Key("create")); string(again.Body) != string(created.Body) {
				t.Errorf("the create was answered, want %v:\n%s\nand is\n%s", string(created.Body), created.Body, again.Body)
			}
			for n := range 99 {
				key := fmt.Sprint("refund", n)
				again := g.Do(t, "POST", path, object{"amount": 1 + n}, gateway.Key(key))
				if again.Header.Get("Idempotency-Replayed") != "true" || string(again.Body) != string(answers[key].Body) {
					t.Errorf("%s was answered, want Idempotency-Replayed true, body %v:\n%s\nand is\n%s", key, string(answers[key].Body), answers[key].Body, again.Body)
				}
			}
			if now := g.Do(t, "GET", "/api/payments/"+created.Text("id"), nil); now.Number("amountRefunded") != 99*100/2 {
				t.Errorf("%d was given back, want amountRefunded %v", now.Number("amountRefunded"), 99*100/2)
			}
			if err := g.Stop(); err != nil {
				t.Fatal(err)
			}
			if size := recordSize(t, g, store, created.Text("id")); size > maxRecord/4 {
				t.Errorf("its record has %d bytes, want at most %v", size, maxRecord/4)
			} else {
				t.Logf("its record has %d bytes", size)
			}
		})
	}
}

var ofMongo = regexp.MustCompile(`port: (\d+), database: (\w+)`)

// recordSize returns the size of a payment's record in bytes.
func recordSize(t *testing.T, g *gateway.Gateway, store, id string) int {
	t.Helper()
	if at := ofMongo.FindStringSubmatch(store); at != nil {
		return documentSize(t, "mongodb://127.0.0.1:"+at[1], at[2], "payment|default|"+id)
	}
	db, err := sql.Open("sqlite", g.Data("patchbay.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows := read(t, db, "SELECT body FROM record WHERE kind = 'payment'")
	if len(rows) != 1 {
		t.Fatalf("%d payments are kept, want 1 row", len(rows))
	}
	return len(rows[0][0])
}

// documentSize returns the size of a MongoDB document in bytes.
func documentSize(t *testing.T, uri, database, id string) int {
	t.Helper()
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context())
	db := client.Database(database)
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if raw, err := db.Collection(name).FindOne(t.Context(), bson.D{{Key: "_id", Value: id}}).Raw(); err == nil {
			return len(raw)
		}
	}
	t.Fatalf("got no document %s in %v, want one", id, names)
	return 0
}
