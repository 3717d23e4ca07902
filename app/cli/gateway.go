package cli

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

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/app"
	"patchbay/config"
)

// proofLimit is how long the program that listens at the admin address may take to prove
// that it is the gateway.
const proofLimit = 5 * time.Second

// gateway is the gateway of the configuration, reached through its admin listener if it
// runs. Commands reach a gateway in no other way.
type gateway struct {
	cmd      *cobra.Command
	config   *config.Config
	address  string // of the admin listener
	identity adminapi.Identity
	client   *http.Client
	named    bool // the command has printed which store it works on
}

// gateway loads the configuration of a command, and returns its gateway.
func (load loader) gateway(cmd *cobra.Command) (*gateway, error) {
	c, err := load(cmd)
	if err != nil {
		return nil, err
	}
	return gatewayOf(cmd, c)
}

// gatewayOf returns the gateway of a configuration. It fails if the installation does not
// exist yet: without secrets the gateway's proof cannot be checked, and no secrets are
// created.
func gatewayOf(cmd *cobra.Command, c *config.Config) (*gateway, error) {
	secrets, err := app.Secrets(c)
	if err != nil {
		return nil, err
	}
	g := &gateway{cmd: cmd, config: c, address: c.Server.AdminAddress, identity: app.Identity(c, secrets)}
	// The secret is sent only on connections made by dial, after the gateway has proved its
	// identity. Redirects are not followed.
	g.client = &http.Client{
		Transport:     &http.Transport{DialContext: g.dial, MaxConnsPerHost: 1, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return g, nil
}

// dial connects to the gateway and checks its proof that it belongs to this installation
// and serves the store that the command is meant for. Another program, or the gateway of
// another installation, may listen at the address.
func (g *gateway) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", g.address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, proofLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // a time in the past
	err = g.challenge(ctx, conn)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	g.name("asked of the gateway at " + g.address)
	return conn, nil
}

// challenge requests the proof on a connection, which can then be used for the command's
// own requests.
func (g *gateway) challenge(ctx context.Context, conn net.Conn) error {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	nonce := hex.EncodeToString(secret)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.address+adminapi.ProofPath+"?nonce="+nonce, nil)
	if err != nil {
		return err
	}
	if err := req.Write(conn); err != nil {
		return g.stranger()
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, req)
	if err != nil {
		return g.stranger()
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	var proof adminapi.Proof
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil || resp.StatusCode != http.StatusOK || resp.Close || json.Unmarshal(raw, &proof) != nil || in.Buffered() > 0 {
		return g.stranger()
	}
	switch installation, store := proof.Same(g.identity.Prove(nonce, conn.RemoteAddr().String())); {
	case !installation:
		return g.stranger()
	case !store:
		return fmt.Errorf("the gateway at %s serves another store than %s, which this configuration names; nothing was asked of it", g.address, g.identity.Store)
	}
	return nil
}

// stranger reports that the listening program is not the gateway.
func (g *gateway) stranger() error {
	return fmt.Errorf("what listens at %s has not proved to be the gateway of this installation, whose store is %s; nothing was asked of it: "+
		"it may be another installation's, another program, or a gateway of an earlier version, which must be started again", g.address, g.identity.Store)
}

// name prints, once, which store the command works on.
func (g *gateway) name(how string) {
	if !g.named {
		g.cmd.PrintErrf("store: %s, %s\n", g.identity.Store, how)
		g.named = true
	}
}

// or does the work without the gateway if none could be asked because nothing listens at
// its address.
func (g *gateway) or(asked error, alone func() error) error {
	if !absent(asked) {
		return asked
	}
	g.name("opened by this command, since no gateway runs at " + g.address)
	return alone()
}

// absent reports whether nothing listens at the address of the gateway.
func absent(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// send sends a request, and returns the response. A response with status 300 or higher is
// an error.
func (g *gateway) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+g.address+path, &body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+g.identity.Token)
	req.Header.Set(adminapi.OperatorHeader, account())
	resp, err := g.client.Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return nil, failed.Err // the rest is the address, which this error already names
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		defer resp.Body.Close() //nolint:errcheck // only read
		return nil, refusal(resp, g.address)
	}
	return resp, nil
}

// account returns the system account that runs the command, for the gateway's log.
func account() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// ask sends a request that is answered at once.
func (g *gateway) ask(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, err := g.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if out == nil {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("what the gateway at %s answers is not understood: it is of another version", g.address)
	}
	return nil
}

// follow sends a request for work that may take long, and calls each for every line of the
// response up to the last.
func follow[Line any](ctx context.Context, g *gateway, method, path string, in any, each func(Line) (last bool, err error)) error {
	resp, err := g.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	lines := json.NewDecoder(resp.Body)
	for {
		var line Line
		if err := lines.Decode(&line); err != nil {
			return fmt.Errorf("the gateway at %s ended before it was done: %w", g.address, err)
		}
		if last, err := each(line); last || err != nil {
			return err
		}
	}
}

// fetch downloads a response that may be large and take long. A response shorter than its
// Content-Length is an error.
func (g *gateway) fetch(ctx context.Context, path string, to io.Writer) error {
	resp, err := g.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.ContentLength < 0 {
		return fmt.Errorf("the gateway at %s does not say how long it is", g.address)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}

func refusal(resp *http.Response, address string) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	var failed struct{ Error struct{ Message string } }
	_ = json.Unmarshal(raw, &failed) // the response to a panic has no message
	return fmt.Errorf("the gateway at %s refused: %s", address, strings.TrimSpace(resp.Status+" "+failed.Error.Message))
}
