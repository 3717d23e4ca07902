package adminapi

import (
	"bufio"
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

	"patchbay/core/personaldata"
)

const (
	// proofLimit is how long the program that listens at the address may take to prove that
	// it is the gateway.
	proofLimit = 5 * time.Second
	// callLimit is how long a request that is answered at once may take.
	callLimit = 10 * time.Second
)

// Client implements Operations by requests to the admin listener of a running gateway.
//
// The secret is sent only on connections on which the gateway has proved its identity: another
// program, or the gateway of another installation, may listen at the address.
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
	nonce := make([]byte, 32)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	text := hex.EncodeToString(nonce)
	proof, err := c.proof(ctx, conn, text)
	if err != nil {
		return err
	}
	installation, store := proof.Same(c.identity.Prove(text, conn.RemoteAddr().String()))
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
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
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

// call sends a request that is answered at once.
func call[In, Out any](ctx context.Context, c *Client, e endpoint[In, Out], id string, in In) (out Out, err error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	resp, err := c.send(e.request(ctx, c.address, id, in))
	if err != nil {
		return out, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if empty(out) {
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

// line is a line of an answer that may take long.
type line interface {
	failure() string // why the work ended, if it failed
	last() bool
}

// follow sends a request for work that may take long, and calls each for every line of the
// answer up to the last.
func follow[In any, Line line](ctx context.Context, c *Client, e endpoint[In, Line], in In, each func(Line) error) error {
	resp, err := c.send(e.request(ctx, c.address, "", in))
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	lines := json.NewDecoder(resp.Body)
	for {
		var l Line
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

// SignInLink returns a link that signs a browser in to the console.
func (c *Client) SignInLink(ctx context.Context) (Link, error) {
	return call(ctx, c, linkEndpoint, "", none{})
}

// CreateKey implements Operations.
func (c *Client) CreateKey(ctx context.Context, n NewKey) (CreatedKey, error) {
	return call(ctx, c, createEndpoint, "", n)
}

// ListKeys implements Operations.
func (c *Client) ListKeys(ctx context.Context) ([]KeyView, error) {
	return call(ctx, c, listEndpoint, "", none{})
}

// RevokeKey implements Operations.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	_, err := call(ctx, c, revokeEndpoint, id, none{})
	return err
}

// ExportData implements Operations.
func (c *Client) ExportData(ctx context.Context, r DataRequest, tell func(personaldata.News) error) (personaldata.Report, error) {
	return c.followData(ctx, exportEndpoint, r, tell)
}

// EraseData implements Operations.
func (c *Client) EraseData(ctx context.Context, r DataRequest, tell func(personaldata.News) error) (personaldata.Report, error) {
	return c.followData(ctx, eraseEndpoint, r, tell)
}

func (c *Client) followData(ctx context.Context, e endpoint[DataRequest, DataLine], r DataRequest, tell func(personaldata.News) error) (report personaldata.Report, err error) {
	err = follow(ctx, c, e, r, func(l DataLine) error {
		if l.Report != nil {
			report = *l.Report
			return nil
		}
		return tell(l.News)
	})
	return report, err
}

// Reviews implements Operations.
func (c *Client) Reviews(ctx context.Context, tell func(ReviewLine) error) error {
	return follow(ctx, c, reviewEndpoint, none{}, tell)
}

// ResolvePayment implements Operations.
func (c *Client) ResolvePayment(ctx context.Context, id string, v Verdict) (Settled, error) {
	return call(ctx, c, resolveEndpoint, id, v)
}

// StorageStatus implements Operations.
func (c *Client) StorageStatus(ctx context.Context) (Storage, error) {
	return call(ctx, c, statusEndpoint, "", none{})
}

// PutBackRecord implements Operations.
func (c *Client) PutBackRecord(ctx context.Context, record string) error {
	_, err := call(ctx, c, putBackEndpoint, "", PutBack{Record: record})
	return err
}

// WriteBackup implements Operations. An answer that is shorter than its Content-Length is an
// error.
func (c *Client) WriteBackup(ctx context.Context, to io.Writer) error {
	resp, err := c.send(backupEndpoint.request(ctx, c.address, "", none{}))
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.ContentLength < 0 {
		return fmt.Errorf("the gateway at %s does not say how long it is", c.address)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}
