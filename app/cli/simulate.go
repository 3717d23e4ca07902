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

	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/resendsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/sessim"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/guard"
)

// simulation is a simulated provider: its handler, and what its users must know.
type simulation struct {
	http.Handler
	values [][2]string // name and value
	// run runs in the background, and calls report with what its users must see. It may be nil.
	run func(ctx context.Context, report func(line string))
}

// mailing is a simulated mail provider, which shows what it has delivered.
func mailing(h http.Handler, messages func() []mailbox.Message, values ...[2]string) simulation {
	routes := http.NewServeMux()
	routes.Handle("/", h)
	routes.HandleFunc("GET /simulator/messages", func(w http.ResponseWriter, _ *http.Request) {
		all := []object{}
		for _, m := range messages() {
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
			all = append(all, one)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(object{"data": all}) // the client may have gone
	})
	return simulation{Handler: routes, values: values}
}

type object map[string]any

func simulate() *cobra.Command {
	return group("simulate", "Serve a simulated provider alone, for tests; nothing is kept",
		simulateStripe(),
		simulated("sendgrid", "Serve a simulated account at SendGrid", []string{"api_key"}, func(_ string, chosen chosen) simulation {
			s := sendgridsim.New(sendgridsim.Options{Key: chosen.of("api_key")})
			return mailing(s, s.Messages, [2]string{"api_key", s.Key()})
		}),
		simulated("mailgun", "Serve a simulated domain at Mailgun", []string{"domain", "api_key"}, func(_ string, chosen chosen) simulation {
			s := mailgunsim.New(mailgunsim.Options{Domain: chosen.of("domain"), Key: chosen.of("api_key")})
			return mailing(s, s.Messages, [2]string{"domain", s.Domain()}, [2]string{"api_key", s.Key()})
		}),
		simulated("resend", "Serve a simulated account at Resend", []string{"api_key"}, func(_ string, chosen chosen) simulation {
			s := resendsim.New(resendsim.Options{Key: chosen.of("api_key")})
			return mailing(s, s.Messages, [2]string{"api_key", s.Key()})
		}),
		simulated("ses", "Serve a simulated account at Amazon SES", []string{"region", "access_key_id", "secret_access_key"}, func(_ string, chosen chosen) simulation {
			s := sessim.New(sessim.Options{Region: chosen.of("region"), KeyID: chosen.of("access_key_id"), Secret: chosen.of("secret_access_key")})
			return mailing(s, s.Messages, [2]string{"region", s.Region()}, [2]string{"access_key_id", s.KeyID()}, [2]string{"secret_access_key", s.Key()})
		}),
	)
}

// chosen has the values of the flags that are named after a provider's settings.
type chosen map[string]*string

// of returns the value that was chosen for a setting, "" if the simulator chooses one.
func (c chosen) of(setting string) string { return *c[setting] }

func simulateStripe() *cobra.Command {
	var webhooks, secret string
	cmd := simulated("stripe", "Serve a simulated account at Stripe", []string{"account", "secret_key"}, func(base string, chosen chosen) simulation {
		s := stripesim.New(stripesim.Options{
			Account: chosen.of("account"), Key: chosen.of("secret_key"),
			RefundTakes: 5 * time.Second, Approval: func(reference string) string { return base + stripesim.ApprovalPath + reference },
		})
		routes := http.NewServeMux()
		routes.Handle("/", s)
		routes.Handle(stripesim.ApprovalPath, s.ApprovalPages())
		sim := simulation{Handler: routes, values: [][2]string{{"account", s.Account()}, {"secret_key", s.Key()}}}
		if webhooks != "" {
			sim.run = func(ctx context.Context, report func(string)) {
				s.NotifyEach(ctx, webhooks, secret, func(e stripesim.Event, status int, err error) {
					report(fmt.Sprintf("%s %s is not accepted: %s; it is sent again", e.Type, e.ID, reason(status, err)))
				})
			}
		}
		return sim
	})
	cmd.Flags().StringVar(&webhooks, "webhooks", "", "URL to which events are sent; none by default")
	cmd.Flags().StringVar(&secret, "webhook-secret", "", "secret that signs the events")
	cmd.MarkFlagsRequiredTogether("webhooks", "webhook-secret")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if u, err := url.Parse(webhooks); webhooks != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("--webhooks %q: it must be a URL such as http://127.0.0.1:8080/api/webhooks/stripe", webhooks)
		}
		return nil
	}
	return cmd
}

// reason says why an event was not accepted.
func reason(status int, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("status %d", status)
}

// simulated returns the command for a provider. settings are those of the provider that can be chosen, so that
// a configuration for it can be written before it starts.
func simulated(name, short string, settings []string, open func(base string, chosen chosen) simulation) *cobra.Command {
	var address string
	chosen := chosen{}
	cmd := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", address)
			if err != nil {
				return err
			}
			base := baseURL(l.Addr().(*net.TCPAddr))
			fmt.Fprintf(cmd.OutOrStdout(), "base_url %s\n", base)
			return open(base, chosen).serve(cmd.Context(), l, cmd)
		},
	}
	cmd.Flags().StringVar(&address, "address", "127.0.0.1:0", "address to listen on; with port 0, any free port")
	for _, one := range settings {
		chosen[one] = cmd.Flags().String(strings.ReplaceAll(one, "_", "-"), "", "the "+one+"; printed if it is not given")
	}
	return cmd
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
	if s.run != nil {
		guard.Go(slog.Default(), "webhooks", func() { s.run(ctx, func(line string) { cmd.PrintErrln(line) }) })
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // requests that are under way are lost, as nothing is kept
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
