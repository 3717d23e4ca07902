package cli

import (
	"context"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/app"
	"patchbay/config"
)

// gateway is the gateway of the configuration, reached through its admin listener if it
// runs. Commands reach a gateway in no other way.
type gateway struct {
	cmd    *cobra.Command
	config *config.Config
	client *adminapi.Client
	store  string // the store that the command works on
	named  bool   // the command has printed it
	// needed is why the work needs a running gateway. It is nil if it does not.
	needed error
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
	g, identity := &gateway{cmd: cmd, config: c}, app.Identity(c, secrets)
	g.store = identity.Store
	g.client = adminapi.NewClient(c.Server.AdminAddress, identity, func() { g.name("asked of the gateway at " + c.Server.AdminAddress) })
	return g, nil
}

// name prints, once, which store the command works on.
func (g *gateway) name(how string) {
	if !g.named {
		g.cmd.PrintErrf("store: %s, %s\n", g.store, how)
		g.named = true
	}
}

// do does the work of a command through the gateway if one runs, because it holds the store,
// and otherwise on the store itself.
func (g *gateway) do(access app.Access, work func(context.Context, adminapi.Operations) error) error {
	ctx := g.cmd.Context()
	err := work(ctx, g.client)
	if !adminapi.NotRunning(err) {
		return err
	}
	g.name("opened by this command, since no gateway runs at " + g.config.Server.AdminAddress)
	if g.needed != nil {
		return g.needed
	}
	return app.Offline(ctx, g.config, access, func(s adminapi.Service) error { return work(ctx, s) })
}

// do loads the configuration of a command, and does its work on the store. See gateway.do.
func (load loader) do(cmd *cobra.Command, work func(context.Context, adminapi.Operations) error) error {
	g, err := load.gateway(cmd)
	if err != nil {
		return err
	}
	return g.do(app.ReadWrite, work)
}
