package adminapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/user"
	"strings"
	"syscall"
	"time"
)

const (
	// proofLimit is how long the program that listens at the address may take to prove that
	// it is the gateway.
	proofLimit = 5 * time.Second
	// callLimit is how long a request that is answered at once may take.
	callLimit = 10 * time.Second
)

// Client sends requests to the admin listener of a running gateway. It sends the secret only on
// connections on which the gateway has proved its identity: another program, or the gateway of
// another installation, may listen at the address.
type Client struct {
	address   string
	identity  Identity
	connected func()
	http      *http.Client
}

// NewClient returns a Client of the gateway with this identity, whose admin listener has the
// address. It calls connected after each connection.
func NewClient(address string, of Identity, connected func()) *Client {
	c := &Client{address: address, identity: of, connected: connected}
	c.http = &http.Client{
		Transport:     &http.Transport{DialContext: c.dial, MaxConnsPerHost: 1, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// NotRunning reports whether a Client failed because nothing listens at its address.
func NotRunning(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// dial connects to the gateway, and checks its proof that it belongs to this installation and
// serves the same store.
func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, proofLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // a time in the past
	err = c.challenge(ctx, conn)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c.connected()
	return conn, nil
}

// challenge requests the proof on a connection, which can then be used for other requests.
func (c *Client) challenge(ctx context.Context, conn net.Conn) error {
	random := make([]byte, 32)
	rand.Read(random) // it never fails
	nonce := hex.EncodeToString(random)
	proof, err := c.proof(ctx, conn, nonce)
	if err != nil {
		return err
	}
	installation, store := proof.Same(c.identity.Prove(nonce, conn.RemoteAddr().String()))
	switch {
	case !installation:
		return fmt.Errorf("what listens at %s has not proved to be the gateway of this installation, whose store is %s; nothing was asked of it: "+
			"it may be another installation's, another program, or a gateway of an earlier version, which must be started again", c.address, c.identity.Store)
	case !store:
		return fmt.Errorf("the gateway at %s serves another store than %s, which this configuration names; nothing was asked of it", c.address, c.identity.Store)
	}
	return nil
}

// proof returns what the listening program answers to a nonce. It is the zero Proof if the
// program does not answer as a gateway does.
func (c *Client) proof(ctx context.Context, conn net.Conn, nonce string) (p Proof, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+ProofPath+"?nonce="+nonce, nil)
	if err != nil {
		return p, err
	}
	if req.Write(conn) != nil {
		return p, nil
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, req)
	if err != nil {
		return p, nil //nolint:nilerr // another protocol proves nothing
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil || resp.StatusCode != http.StatusOK || resp.Close || json.Unmarshal(raw, &p) != nil || in.Buffered() > 0 {
		return Proof{}, nil //nolint:nilerr // as above
	}
	return p, nil
}

// send sends a request, and returns the answer. An answer with status 300 or higher is an
// error.
func (c *Client) send(req *http.Request, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.identity.Token)
	if u, err := user.Current(); err == nil {
		req.Header.Set(OperatorHeader, u.Username)
	}
	resp, err := c.http.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return nil, failed.Err // the rest is the address, which this error already names
	}
	if err != nil || resp.StatusCode < http.StatusMultipleChoices {
		return resp, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	var failed struct{ Error struct{ Message string } }
	_ = json.Unmarshal(raw, &failed) // the response to a panic has no message
	return nil, fmt.Errorf("the gateway at %s refused: %s", c.address, strings.TrimSpace(resp.Status+" "+failed.Error.Message))
}

// request returns a request to a route, with a body if the route has one.
func (c *Client) request(ctx context.Context, r route, in any) (*http.Request, error) {
	path, body := r.path, new(bytes.Buffer)
	if named, ok := in.(interface{ id() *string }); ok {
		path = strings.Replace(path, ":id", url.PathEscape(*named.id()), 1)
	}
	if r.wrong != "" {
		if err := json.NewEncoder(body).Encode(in); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, "http://"+c.address+path, body)
	if err == nil && r.wrong != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// Call sends a request to a running gateway.
func (e Endpoint[In, Out]) Call(ctx context.Context, c *Client, in In) (out Out, err error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	resp, err := c.send(c.request(ctx, e.route, &in))
	if err != nil {
		return out, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if e.status == http.StatusNoContent {
		return out, nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return out, err
	}
	if json.Unmarshal(raw, &out) != nil {
		return out, fmt.Errorf("what the gateway at %s answers is not understood: it is of another version", c.address)
	}
	return out, nil
}

// Call sends a request to a running gateway, and calls each for every line of the answer.
func (e Stream[In, L]) Call(ctx context.Context, c *Client, in In, each func(L) error) error {
	resp, err := c.send(c.request(ctx, e.route, &in))
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	lines := json.NewDecoder(resp.Body)
	for {
		var l L
		if err := lines.Decode(&l); err != nil {
			return fmt.Errorf("the gateway at %s ended before it was done: %w", c.address, err)
		}
		if text := l.failure(); text != "" {
			return errors.New(text)
		}
		if err := each(l); err != nil || l.last() {
			return err
		}
	}
}
