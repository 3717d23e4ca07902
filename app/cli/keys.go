package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/console"
	"patchbay/app"
	"patchbay/config"
	"patchbay/core/access"
)

func keys(load loader) *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Make, list and revoke API keys"}
	cmd.AddCommand(createKey(load), listKeys(load), revokeKey(load))
	return cmd
}

func createKey(load loader) *cobra.Command {
	var n console.NewKey
	var ttl time.Duration
	cmd := &cobra.Command{
		Use: "create", Short: "Make an API key, and print it once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd)
			if err != nil {
				return err
			}
			if ttl != 0 {
				n.TTL = ttl.String()
			}
			var created console.CreatedKey
			err = admin(cmd.Context(), c, http.MethodPost, "/admin/keys", n, &created, func(s *access.Service) error {
				token, key, err := s.Create(cmd.Context(), n.Tenant, n.Name, n.Scopes, ttl)
				created = console.CreatedKey{Token: token, Key: console.View(key)}
				return err
			})
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), created.Token)
			cmd.PrintErrf("key %s of tenant %s; it is not shown again\n", created.Key.ID, created.Key.Tenant)
			return nil
		},
	}
	cmd.Flags().StringVar(&n.Name, "name", "", "what the key is for")
	cmd.Flags().StringVar(&n.Tenant, "tenant", "default", "whose data it opens")
	cmd.Flags().StringSliceVar(&n.Scopes, "scopes", nil, "what it may do, such as payments:write,users:read; all where absent")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it lasts, such as 720h; for ever where absent")
	return cmd
}

func listKeys(load loader) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List API keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd)
			if err != nil {
				return err
			}
			var views []console.KeyView
			err = admin(cmd.Context(), c, http.MethodGet, "/admin/keys", nil, &views, func(s *access.Service) error {
				list, err := s.List(cmd.Context())
				for _, k := range list {
					views = append(views, console.View(k))
				}
				return err
			})
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(table, "ID\tTENANT\tNAME\tSCOPES\tSTATE")
			for _, k := range views {
				fmt.Fprintf(table, "%s\t%s\t%s\t%v\t%s\n", k.ID, k.Tenant, k.Name, k.Scopes, state(k))
			}
			return table.Flush()
		},
	}
}

func state(k console.KeyView) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked " + k.RevokedAt.Format(time.DateOnly)
	case k.ExpiresAt.IsZero():
		return "valid"
	case time.Now().After(k.ExpiresAt):
		return "expired " + k.ExpiresAt.Format(time.DateOnly)
	}
	return "valid until " + k.ExpiresAt.Format(time.DateOnly)
}

func revokeKey(load loader) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End an API key", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := load(cmd)
			if err != nil {
				return err
			}
			return admin(cmd.Context(), c, http.MethodDelete, "/admin/keys/"+url.PathEscape(args[0]), nil, nil, func(s *access.Service) error {
				return s.Revoke(cmd.Context(), args[0])
			})
		},
	}
}

// admin asks a running gateway, which holds the store, through its admin
// listener. Where none listens there it opens the store itself.
func admin(ctx context.Context, c *config.Config, method, path string, in, out any, offline func(*access.Service) error) error {
	err := ask(ctx, "http://"+c.Server.AdminAddress+path, method, in, out)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return app.WithKeys(ctx, c, offline)
	}
	return err
}

func ask(ctx context.Context, address, method string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode >= http.StatusMultipleChoices {
		return refusal(resp, address)
	}
	if out == nil {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("what listens at %s is not the gateway", address)
	}
	return nil
}

func refusal(resp *http.Response, address string) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	var failed struct{ Error struct{ Message string } }
	_ = json.Unmarshal(raw, &failed) // something else may be listening there
	return fmt.Errorf("the gateway at %s refused: %s", address, strings.TrimSpace(resp.Status+" "+failed.Error.Message))
}
