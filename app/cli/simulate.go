package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/notify"
	"patchbay/core/guard"
)

// simulation is a simulated provider: its handler, and what its users must know.
type simulation struct {
	http.Handler
	values [][2]string // name and value
	// notify sends its events in the background. It is nil if they are sent nowhere.
	notify func(ctx context.Context, refused notify.Refused)
}

// account is a simulated account: the provider's API, and the faults that people may ask for.
type account interface {
	http.Handler
	faultserver.ByName
}

// routes serves an account, and the faults that befall what is asked of it.
func routes(a account) *http.ServeMux {
	faults, all := new(faultserver.Faults), http.NewServeMux()
	all.Handle("/", faults.Before(a))
	all.Handle("/simulator/faults", faultserver.Control{Faults: faults, Named: a.FaultsByName()})
	return all
}

// mailing is a simulated mail provider, which shows what it has delivered.
func mailing(a account, messages func() []mailbox.Message, values ...[2]string) simulation {
	all := routes(a)
	all.HandleFunc("GET /simulator/messages", func(w http.ResponseWriter, _ *http.Request) {
		list := []object{}
		for _, m := range messages() {
			list = append(list, shown(m))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(object{"data": list}) // the client may have gone
	})
	return simulation{Handler: all, values: values}
}

type object map[string]any

// shown is what a simulator shows of a message.
func shown(m mailbox.Message) object {
	one := object{"to": m.To, "reference": m.Reference, "variables": m.Variables, "tags": append([]string{}, m.Tags...), "message": string(m.Raw)}
	if m.Tracking != "" {
		one["tracking"] = m.Tracking
	}
	if t := m.Template; t != nil {
		one["template"] = object{"name": t.Name, "version": t.Version, "variables": t.Variables}
	}
	if m.RecipientVariables != nil {
		one["recipientVariables"] = m.RecipientVariables
	}
	return one
}

// simulated is the command for a provider.
type simulated struct {
	name, short string
	// settings are those of the provider that can be chosen, so that a configuration for it can be written before
	// it starts.
	settings []string
	// secret says what is wrong with a secret that is to sign its events. It is nil for a provider without events.
	secret func(text string) error
	open   func(base string, chosen chosen) simulation
}

// chosen is what the flags of a command say.
type chosen struct {
	settings map[string]*string // by name
	url      string             // to which events are sent, "" if they are sent nowhere
	secret   string             // that signs them, "" if the simulator chooses one
}

// of returns the value that was chosen for a setting, "" if the simulator chooses one.
func (c chosen) of(setting string) string { return *c.settings[setting] }

func (s simulated) command() *cobra.Command {
	var address string
	chosen := chosen{settings: map[string]*string{}}
	cmd := &cobra.Command{
		Use: s.name, Short: s.short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(chosen); err != nil {
				return err
			}
			l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", address)
			if err != nil {
				return err
			}
			base := baseURL(l.Addr().(*net.TCPAddr))
			fmt.Fprintf(cmd.OutOrStdout(), "base_url %s\n", base)
			return s.open(base, chosen).serve(cmd.Context(), l, cmd)
		},
	}
	cmd.Flags().StringVar(&address, "address", "127.0.0.1:0", "address to listen on; with port 0, any free port")
	for _, one := range s.settings {
		chosen.settings[one] = cmd.Flags().String(strings.ReplaceAll(one, "_", "-"), "", "the "+one+"; printed if it is not given")
	}
	if s.secret != nil {
		cmd.Flags().StringVar(&chosen.url, "webhooks", "", "URL to which events are sent; none by default")
		cmd.Flags().StringVar(&chosen.secret, "webhook-secret", "", "secret that signs the events; any by default")
	}
	return cmd
}

// check refuses a URL that cannot be one, and a secret that cannot sign or has nothing to sign.
func (s simulated) check(c chosen) error {
	if u, err := url.Parse(c.url); c.url != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("--webhooks %q: it must be a URL such as http://127.0.0.1:8080/api/webhooks/%s", c.url, s.name)
	}
	if c.secret == "" {
		return nil
	}
	if c.url == "" {
		return errors.New("--webhook-secret signs events, which are sent with --webhooks alone")
	}
	return s.secret(c.secret)
}

// reason says why an event was not accepted.
func reason(status int, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("status %d", status)
}

// baseURL returns a URL at which a program on this machine reaches a listener.
func baseURL(a *net.TCPAddr) string {
	host := a.IP
	if host.IsUnspecified() {
		host = net.IPv4(127, 0, 0, 1)
	}
	return "http://" + net.JoinHostPort(host.String(), strconv.Itoa(a.Port))
}

// serve first prints the keys, and answers requests until the context ends.
func (s simulation) serve(ctx context.Context, l net.Listener, cmd *cobra.Command) error {
	for _, k := range s.values {
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", k[0], k[1])
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	if s.notify != nil {
		guard.Go(slog.Default(), "webhooks", func() {
			s.notify(ctx, func(e notify.Event, status int, err error) {
				cmd.PrintErrln(fmt.Sprintf("%s %s is not accepted: %s; it is sent again", e.Type, e.ID, reason(status, err)))
			})
		})
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // requests that are under way are lost, as nothing is kept
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
