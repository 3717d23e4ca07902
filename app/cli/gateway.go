package cli

import (
	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/app"
	"patchbay/config"
)

// gateway is the gateway of the configuration, reached through its admin listener if it
// runs. Commands reach a gateway in no other way.
type gateway struct {
	cmd     *cobra.Command
	config  *config.Config
	client  *adminapi.Client
	store   string // the store that the command works on
	printed bool   // the command has printed it
	// offlineErr is why the work needs a running gateway. It is nil if it does not.
	offlineErr error
}

// gatewayCommand returns a command that is carried out by the gateway of its configuration.
func (load loader) gatewayCommand(use, short string, run func(g *gateway, args []string) error) *cobra.Command {
	return load.command(use, short, func(cmd *cobra.Command, c *config.Config, args []string) error {
		g, err := gatewayOf(cmd, c)
		if err != nil {
			return err
		}
		return run(g, args)
	})
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
	g.client = adminapi.NewClient(c.Server.AdminAddress, identity, func() { g.printStore("asked of the gateway at " + c.Server.AdminAddress) })
	return g, nil
}

// printStore prints, once, which store the command works on.
func (g *gateway) printStore(how string) {
	if !g.printed {
		g.cmd.PrintErrf("store: %s, %s\n", g.store, how)
		g.printed = true
	}
}

// orOffline does the work of a command on the store itself if the gateway could not be asked
// because none runs. A gateway that runs holds the store.
func (g *gateway) orOffline(asked error, readOnly bool, work func(*adminapi.Service) error) error {
	if !adminapi.NotRunning(asked) {
		return asked
	}
	g.printStore("opened by this command, since no gateway runs at " + g.config.Server.AdminAddress)
	if g.offlineErr != nil {
		return g.offlineErr
	}
	return app.Offline(g.config, readOnly, work)
}

// ask asks the gateway, or does the work instead.
func ask[In, Out any](g *gateway, e adminapi.Endpoint[In, Out], in In) (out Out, err error) {
	ctx := g.cmd.Context()
	out, err = e.Call(ctx, g.client, in)
	err = g.orOffline(err, e.ReadOnly, func(s *adminapi.Service) (err error) {
		out, err = e.Do(ctx, s, in)
		return err
	})
	return out, err
}

// askStream is like ask, and calls each for every line of the answer.
func askStream[In any, Line adminapi.Line](g *gateway, e adminapi.Stream[In, Line], in In, each func(Line) error) error {
	ctx := g.cmd.Context()
	return g.orOffline(e.Call(ctx, g.client, in, each), false, func(s *adminapi.Service) error { return e.Do(ctx, s, in, each) })
}
