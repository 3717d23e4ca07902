// Package cli implements the command line: serve, check, console, keys, storage, payments,
// emails, suppressions, templates, data, simulate, version.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"patchbay/app"
	"patchbay/config"
	"patchbay/config/setting"
)

// Version is set when a release is built.
var Version = ""

// errMistakes means that the mistakes have already been printed.
var errMistakes = errors.New("the configuration has mistakes")

// Main runs a command line and returns the exit code: 0 done, 1 failed. further is as for
// Run.
func Main(ctx context.Context, args, environ []string, stdout, stderr io.Writer, further ...setting.Described) int {
	if err := app.CheckTypes(further...); err != nil { // also for commands that read no configuration
		fmt.Fprintln(stderr, "patchbay:", err)
		return 1
	}
	root := command(environ, further...)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(root.ErrOrStderr(), "patchbay:", err)
		return 1
	}
	return 0
}

func command(environ []string, further ...setting.Described) *cobra.Command {
	root := &cobra.Command{
		Use: "patchbay", Short: "One HTTP API in front of payment providers, mail providers and users",
		Version: programVersion(), SilenceErrors: true, SilenceUsage: true,
	}
	root.SetVersionTemplate("patchbay {{.Version}}\n")
	var file string
	named, set := config.Variable(environ, "PATCHBAY_CONFIG")
	root.PersistentFlags().StringVar(&file, "config", named, "configuration file; without one the defaults are used (also PATCHBAY_CONFIG)")
	load := func(cmd *cobra.Command) (*config.Config, error) {
		if set && file == "" {
			return nil, errors.New("PATCHBAY_CONFIG is empty: name a file, or unset it")
		}
		c, err := app.Load(file, environ, further...)
		if mistakes, ok := errors.AsType[config.Mistakes](err); ok {
			cmd.PrintErrln(mistakes.Error())
			return nil, errMistakes
		}
		if err == nil { // from here on the log and the errors must not contain the configured secrets
			root.SetErr(c.Mask.Writer(cmd.ErrOrStderr()))
		}
		return c, err
	}
	root.AddCommand(serve(load), check(load), openConsole(load), simulate(), version(),
		group("keys", "Make, list and revoke API keys", createKey(load), listKeys(load), revokeKey(load)),
		group("storage", "Create, check, copy and restore the store", storageCreate(load), storageStatus(load), storageCopy(load), storageReopen(load), storageBackup(load), storagePutBack(load)),
		group("payments", "List and settle payments that need a person", reviewPayments(load), resolvePayment(load)),
		group("emails", "Send emails again", retryEmails(load)),
		group("suppressions", "List, add and remove addresses that get no more mail", listSuppressions(load), addSuppression(load), removeSuppression(load)),
		group("templates", "Check, print and push email templates", checkTemplates(load), renderTemplate(load), pushTemplates(load)),
		group("data", "Export or erase what is stored about a person", exportData(load), eraseData(load)))
	addHelp(root)
	makeStrict(root)
	return root
}

// group returns a command that only has subcommands.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(subs...)
	return cmd
}

// loader reads the configuration, and prints its mistakes.
type loader func(*cobra.Command) (*config.Config, error)

// command returns a command that needs the configuration. use is its name and, in capitals,
// the names of its arguments.
func (load loader) command(use, short string, run func(cmd *cobra.Command, c *config.Config, args []string) error) *cobra.Command {
	positional := cobra.NoArgs
	if n := len(strings.Fields(use)) - 1; n > 0 {
		positional = cobra.ExactArgs(n)
	}
	return &cobra.Command{Use: use, Short: short, Args: positional, RunE: func(cmd *cobra.Command, args []string) error {
		c, err := load(cmd)
		if err != nil {
			return err
		}
		return run(cmd, c, args)
	}}
}

func serve(load loader) *cobra.Command {
	return load.command("serve", "Run the gateway", func(cmd *cobra.Command, c *config.Config, _ []string) error {
		return app.Run(cmd.Context(), c, cmd.ErrOrStderr())
	})
}

func version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { cmd.Println("patchbay", programVersion()) },
	}
}

func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(Version, info.Main.Version, "unknown")
	}
	return cmp.Or(Version, "unknown")
}
