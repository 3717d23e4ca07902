package cli

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"patchbay/app"
	"patchbay/config"
	"patchbay/core/storecopy"
)

func storageCopy(load loader) *cobra.Command {
	var from, to string
	cmd := load.command("copy", "Copy everything in one store into another, and verify the copy", func(cmd *cobra.Command, c *config.Config, _ []string) error {
		cmd.PrintErrf("from %s to %s\n", nameOf(c, from), nameOf(c, to))
		show := newProgress(cmd.ErrOrStderr())
		done, err := app.CopyStorage(cmd.Context(), c, from, to, show.report)
		show.end()
		if done.Report != nil {
			if perr := printTallies(cmd.OutOrStdout(), from, to, done.Report); perr != nil {
				return perr
			}
		}
		if err != nil {
			return err
		}
		cmd.PrintErrf("the two are equal; to use the copy, write storage.provider: %s\n", to)
		if done.SecretsCopied {
			cmd.PrintErrf("installation.json was copied to %s\n", done.SecretsDir)
		}
		if done.SecretsMissing {
			cmd.PrintErrf("there is no installation.json in %s: put that of the gateway there, or every API key is void\n", done.SecretsDir)
		}
		return nil
	})
	cmd.Flags().StringVar(&from, "from", "", "the provider whose store is copied")
	cmd.Flags().StringVar(&to, "to", "", "the provider whose store is to hold the same: empty, or a copy that was begun before")
	for _, name := range []string{"from", "to"} {
		_ = cmd.MarkFlagRequired(name) // there is one of this name
	}
	return cmd
}

// nameOf returns the store of a provider, or the provider's name if there is no such store.
func nameOf(c *config.Config, provider string) string {
	if p, there := c.Stores[provider]; there {
		return app.StoreName(p)
	}
	return provider
}

func printTallies(to io.Writer, source, target string, report storecopy.Report) error {
	table := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "SECTION\tSTORE\tENTRIES\tCHECKSUM")
	for _, line := range report {
		fmt.Fprintf(table, "%s\t%s\t%d\t%x\n", line.Section, source, line.From.Entries, line.From.Sum)
		fmt.Fprintf(table, "%s\t%s\t%d\t%x\n", line.Section, target, line.To.Entries, line.To.Sum)
	}
	return table.Flush()
}

// progress shows the progress of a copy: in one changing line on a terminal, otherwise in a
// new line at intervals.
type progress struct {
	to       io.Writer
	terminal bool
	shown    time.Time
	open     bool // the current line is not ended yet
}

func newProgress(to io.Writer) *progress {
	p := &progress{to: to, shown: time.Now()}
	if f, ok := to.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// interval is the interval at which progress is shown.
func (p *progress) interval() time.Duration {
	if p.terminal {
		return 100 * time.Millisecond
	}
	return 10 * time.Second
}

func (p *progress) report(at storecopy.Progress) {
	if !at.Done && time.Since(p.shown) < p.interval() {
		return
	}
	p.shown = time.Now()
	line := fmt.Sprintf("%-8s  %-7s  %s: %d seen", at.Step, at.Section, at.Side, at.Seen)
	switch at.Step {
	case storecopy.Removing:
		line += fmt.Sprintf(", %d removed", at.Changed)
	case storecopy.Putting:
		line += fmt.Sprintf(", %d copied", at.Changed)
	case storecopy.Checking:
	}
	if !p.terminal {
		fmt.Fprintln(p.to, line)
		return
	}
	fmt.Fprint(p.to, "\r\x1b[K"+line)
	if p.open = !at.Done; !p.open {
		fmt.Fprintln(p.to)
	}
}

// end ends the current line.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.to)
	}
}
