package httpclient_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// A client of a JSON API: its base URL comes from API_BASE_URL, its bearer token
// from the API's token endpoint. A token that is refused is replaced once, and a
// call that failed is made again where that is safe.
func Example() {
	api := httptest.NewServer(api())
	defer api.Close()
	_ = os.Setenv("API_BASE_URL", api.URL+"/v1")

	// The endpoint that gives the tokens needs none.
	auth, err := httpclient.New(httpclient.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens := httpclient.NewTokens(func(ctx context.Context) (httpclient.Token, error) {
		var t struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   int    `json:"expires_in"` // in seconds
		}
		err := auth.Do(ctx, httpclient.Request{Method: http.MethodPost, Path: "/token", Out: &t})
		return httpclient.Token{Value: t.AccessToken, Expires: time.Now().Add(time.Duration(t.ExpiresIn) * time.Second)}, err
	})
	client, err := httpclient.New(httpclient.Options{Tokens: tokens})
	if err != nil {
		fmt.Println(err)
		return
	}

	var order struct {
		ID string `json:"id"`
	}
	err = client.Do(context.Background(), httpclient.Request{
		Method: http.MethodPost,
		Path:   "/orders",
		Header: http.Header{httpclient.IdempotencyKey: {"order-1"}}, // so that it may be repeated
		In:     map[string]any{"article": "pen", "quantity": 2},
		Out:    &order,
	})
	fmt.Println(order.ID, err)

	err = client.Do(context.Background(), httpclient.Request{Path: "/orders/none"})
	fmt.Println(fault.Is(err, fault.NotFound), err)

	// Output:
	// token 1 issued
	// token 1 refused
	// token 2 issued
	// order-1: out of order
	// order-1: made
	// ord_1 <nil>
	// true httpclient.get: not_found: the answer is 404 Not Found
}

// api is an API that has withdrawn its first token, and fails once.
func api() http.Handler {
	tokens, orders := 0, 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/token", func(w http.ResponseWriter, _ *http.Request) {
		tokens++
		fmt.Println("token", tokens, "issued")
		fmt.Fprintf(w, `{"access_token": "token %d", "expires_in": 3600}`, tokens)
	})
	mux.HandleFunc("POST /v1/orders", func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token != "Bearer token 2" {
			fmt.Println(token[len("Bearer "):], "refused")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		key := r.Header.Get(httpclient.IdempotencyKey)
		if orders++; orders == 1 {
			fmt.Println(key + ": out of order")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Println(key + ": made")
		fmt.Fprint(w, `{"id": "ord_1"}`)
	})
	return mux
}
