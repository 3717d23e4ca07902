package httpclient_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/httpclient"
)

var errDown = errors.New("the token endpoint is down")

// issuer is a token endpoint. It issues t1, t2 and so on.
type issuer struct {
	fetches atomic.Int64
	life    time.Duration // 0 for tokens without an end
	takes   time.Duration
	down    atomic.Bool
	empty   atomic.Bool
}

func (i *issuer) fetch(ctx context.Context) (httpclient.Token, error) {
	n := i.fetches.Add(1)
	select {
	case <-time.After(i.takes):
	case <-ctx.Done():
		return httpclient.Token{}, ctx.Err()
	}
	switch {
	case i.down.Load():
		return httpclient.Token{}, errDown
	case i.empty.Load():
		return httpclient.Token{}, nil
	case i.life == 0:
		return httpclient.Token{Value: fmt.Sprint("t", n)}, nil
	}
	return httpclient.Token{Value: fmt.Sprint("t", n), Expires: time.Now().Add(i.life)}, nil
}

// issued runs a test of Tokens on virtual time.
func issued(t *testing.T, i *issuer, test func(t *testing.T, tokens *httpclient.Tokens)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		test(t, httpclient.NewTokens(i.fetch))
		<-time.After(time.Minute) // until all fetches have ended
	})
}

func hasToken(t *testing.T, tokens *httpclient.Tokens, want string) {
	t.Helper()
	if got, err := tokens.Token(t.Context()); got != want || err != nil {
		t.Fatalf("Token() = %q, %v, want %q", got, err, want)
	}
}

func TestTokenIsKept(t *testing.T) {
	i := &issuer{}
	issued(t, i, func(t *testing.T, tokens *httpclient.Tokens) {
		for range 3 {
			hasToken(t, tokens, "t1")
			<-time.After(1000 * time.Hour)
		}
	})
	if i.fetches.Load() != 1 {
		t.Fatalf("got %d fetches, want 1", i.fetches.Load())
	}
}

func TestTokenIsFetchedOnceForAll(t *testing.T) {
	for name, refused := range map[string]bool{"if there is none": false, "if it was refused": true} {
		t.Run(name, func(t *testing.T) {
			i := &issuer{takes: time.Second}
			issued(t, i, func(t *testing.T, tokens *httpclient.Tokens) {
				want := "t1"
				if refused {
					hasToken(t, tokens, "t1")
					want = "t2"
				}
				var all sync.WaitGroup
				for range 100 {
					all.Go(func() {
						got, err := tokens.Token(t.Context())
						if refused {
							got, err = tokens.Refresh(t.Context(), "t1")
						}
						if got != want || err != nil {
							t.Errorf("token = %q, %v, want %q", got, err, want)
						}
					})
				}
				all.Wait()
				if got, err := tokens.Refresh(t.Context(), "t0"); got != want || err != nil {
					t.Errorf("Refresh() of an older token = %q, %v, want %q", got, err, want)
				}
				if n := fmt.Sprint("t", i.fetches.Load()); n != want {
					t.Errorf("last fetched token = %q, want %q", n, want)
				}
			})
		})
	}
}

// A late report that an earlier token was refused must not keep a caller whose current token was
// refused from getting a new one.
func TestARefusedTokenIsNotUsedAgain(t *testing.T) {
	i := &issuer{}
	issued(t, i, func(t *testing.T, tokens *httpclient.Tokens) {
		hasToken(t, tokens, "t1")
		for n := 1; n < 200; n++ {
			old, present := fmt.Sprint("t", n-1), fmt.Sprint("t", n)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { _, _ = tokens.Refresh(t.Context(), old) })
				all.Go(func() {
					if got, err := tokens.Refresh(t.Context(), present); got == present || err != nil {
						t.Errorf("got %q, error %v, want another token than %q", got, err, present)
					}
				})
			}
			all.Wait()
			<-time.After(httpclient.MinimumUse)
		}
	})
}

func TestTokenIsRenewedBeforeItsEnd(t *testing.T) {
	tests := []struct {
		name       string
		life, from time.Duration
	}{
		{"half a minute before the end of a long life", time.Hour, time.Hour - httpclient.RenewBefore},
		{"a tenth of a short life before its end", time.Minute, 54 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := &issuer{life: tt.life, takes: time.Second}
			issued(t, i, func(t *testing.T, tokens *httpclient.Tokens) {
				hasToken(t, tokens, "t1")
				<-time.After(tt.from - time.Millisecond)
				hasToken(t, tokens, "t1")
				if i.fetches.Load() != 1 {
					t.Fatalf("%d fetches before it is due, want 1", i.fetches.Load())
				}
				<-time.After(time.Millisecond)
				start := time.Now()
				hasToken(t, tokens, "t1")
				hasToken(t, tokens, "t1")
				if time.Since(start) != 0 {
					t.Fatal("a caller waited while its token was valid, want no wait")
				}
				<-time.After(2 * time.Second)
				hasToken(t, tokens, "t2")
				if i.fetches.Load() != 2 {
					t.Fatalf("got %d fetches, want 2", i.fetches.Load())
				}
			})
		})
	}
}

func TestACurrentTokenIsUsedWhileTheEndpointIsDown(t *testing.T) {
	i := &issuer{life: time.Hour}
	issued(t, i, func(t *testing.T, tokens *httpclient.Tokens) {
		hasToken(t, tokens, "t1")
		i.down.Store(true)
		for range 3600 - 1 { // a caller a second
			<-time.After(time.Second)
			hasToken(t, tokens, "t1")
		}
		if n := i.fetches.Load(); n < 3 || n > 12 {
			t.Fatalf("%d fetches in the last half minute, want at least 3, at most 12", n)
		}
		before := i.fetches.Load()
		<-time.After(time.Second)
		for range 600 * 10 {
			<-time.After(100 * time.Millisecond)
			if got, err := tokens.Token(t.Context()); got != "" || !errors.Is(err, errDown) {
				t.Fatalf("Token() of an expired token = %q, %v, want error %v", got, err, errDown)
			}
		}
		if n := i.fetches.Load() - before; n < 600/5-2 || n > 600/5+2 {
			t.Fatalf("%d fetches in ten minutes, want at least %v, at most %v", n, 600/5-2, 600/5+2)
		}
		i.down.Store(false)
		<-time.After(httpclient.LastPause)
		if _, err := tokens.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		i.down.Store(true)
		<-time.After(time.Hour)
		_, _ = tokens.Token(t.Context())
		i.down.Store(false)
		<-time.After(httpclient.FirstPause) // it begins anew
		if _, err := tokens.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEmptyTokenIsAFailure(t *testing.T) {
	i := &issuer{}
	i.empty.Store(true)
	issued(t, i, func(t *testing.T, tokens *httpclient.Tokens) {
		if got, err := tokens.Token(t.Context()); err == nil {
			t.Fatalf("got %q, want an error", got)
		}
	})
}

// If every token is refused, fetching another one for each request does not help.
func TestRefusedTokensAreNotReplacedWithoutEnd(t *testing.T) {
	i := &issuer{}
	issued(t, i, func(t *testing.T, tokens *httpclient.Tokens) {
		token, _ := tokens.Token(t.Context())
		for range 100 {
			token, _ = tokens.Refresh(t.Context(), token)
			<-time.After(100 * time.Millisecond)
		}
		if n := i.fetches.Load(); n < 10 || n > 12 {
			t.Fatalf("%d fetches in 10 s, want at least 10, at most 12", n)
		}
	})
}

func TestACallerThatGivesUpDoesNotEndTheFetchForOthers(t *testing.T) {
	i := &issuer{takes: 3 * time.Second}
	issued(t, i, func(t *testing.T, tokens *httpclient.Tokens) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		var first sync.WaitGroup
		first.Go(func() {
			_, err := tokens.Token(ctx)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error = %v, want %v", err, context.DeadlineExceeded)
			}
			if took := time.Since(start); took != time.Second {
				t.Errorf("the caller waited %s, want its second", took)
			}
		})
		synctest.Wait() // it has begun the fetch
		hasToken(t, tokens, "t1")
		first.Wait()
		if n := i.fetches.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
		if took := time.Since(start); took != i.takes {
			t.Errorf("the token came after %s, want %s", took, i.takes)
		}
	})
}

func TestAFetchWithoutAnAnswerEndsAfterTenSeconds(t *testing.T) {
	i := &issuer{takes: time.Hour}
	issued(t, i, func(t *testing.T, tokens *httpclient.Tokens) {
		start := time.Now()
		if _, err := tokens.Token(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Fatalf("%v after %s, want error %v, after %v", err, time.Since(start), context.DeadlineExceeded, 10*time.Second)
		}
	})
}
