package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/core/personaldata"
)

// progressEvery is how often a command reports its progress.
const progressEvery = 2 * time.Second

// addPersonFlags adds the flags that select whose data is meant.
func addPersonFlags(cmd *cobra.Command, w *personaldata.Who) {
	cmd.Flags().StringVar(&w.UserID, "user", "", "the user's id: usr_…")
	cmd.Flags().StringVar(&w.Email, "email", "", "an email of the person, who need not be a user")
	cmd.Flags().StringVar(&w.Tenant, "tenant", "default", "whose person it is")
	cmd.MarkFlagsOneRequired("user", "email")
	cmd.MarkFlagsMutuallyExclusive("user", "email")
}

func exportData(load loader) *cobra.Command {
	var r adminapi.DataRequest
	var file string
	cmd := load.gatewayCommand("export", "Print everything that is kept of a person, as JSON", func(g *gateway, _ []string) error {
		unread := 0
		err := writeTo(file, g.cmd.OutOrStdout(), func(to io.Writer) error {
			document := personaldata.NewDocument(to)
			add := func(n personaldata.Progress) error {
				if n.Pending != nil {
					unread++
					g.cmd.PrintErrf("not exported: %s: %s\n", n.Pending.ID, n.Pending.Why)
				}
				return document.Add(n)
			}
			if err := askStream(g, adminapi.ExportData, r, showProgress(g.cmd, add)); err != nil {
				return err
			}
			return document.Close()
		})
		if err == nil && unread > 0 {
			err = fmt.Errorf("the document is whole but for what cannot be read: %d", unread)
		}
		return err
	})
	addPersonFlags(cmd, &r.Who)
	cmd.Flags().StringVar(&file, "to", "", "a new file for it, which nobody else can read; standard output where absent")
	return cmd
}

// writeTo runs write on a new file, or on standard output if no file is named. It removes a
// file that was not written completely.
func writeTo(file string, stdout io.Writer, write func(io.Writer) error) error {
	if file == "" {
		return buffered(stdout, write)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own file
	if err != nil {
		return err
	}
	if err = errors.Join(buffered(f, write), f.Close()); err != nil {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

func buffered(to io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriter(to)
	return errors.Join(write(b), b.Flush())
}

func eraseData(load loader) *cobra.Command {
	var r adminapi.DataRequest
	var yes bool
	cmd := load.gatewayCommand("erase", "Erase everything that is kept of a person", func(g *gateway, _ []string) error {
		r.Rehearsal = !yes
		pending := func(n personaldata.Progress) error {
			if n.Pending != nil {
				g.cmd.PrintErrf("not yet: %s: %s\n", n.Pending.ID, n.Pending.Why)
			}
			return nil
		}
		var report personaldata.Report
		show := showProgress(g.cmd, pending)
		err := askStream(g, adminapi.EraseData, r, func(l adminapi.DataLine) error {
			if l.Report != nil {
				report = *l.Report
			}
			return show(l)
		})
		if err != nil {
			return fmt.Errorf("%w; run it again, it goes on from there", err)
		}
		if err := printReport(g.cmd.OutOrStdout(), report); err != nil {
			return err
		}
		switch n := report.Pending(); {
		case !yes:
			g.cmd.PrintErrln("nothing was changed; with --yes it is erased")
		case n > 0:
			return fmt.Errorf("%d of it cannot be erased yet; run it again later", n)
		}
		return nil
	})
	addPersonFlags(cmd, &r.Who)
	cmd.Flags().BoolVar(&yes, "yes", false, "erase it; without this it is only said what would be")
	return cmd
}

func printReport(to io.Writer, report personaldata.Report) error {
	table := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "PLACE\tFOUND\tERASED\tNOT YET")
	for _, c := range report.Places {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", c.Place, c.Found, c.Erased, c.Pending)
	}
	return table.Flush()
}

// showProgress returns a function that passes on the news of each line, and from time to
// time prints how much has been read.
func showProgress(cmd *cobra.Command, handle func(personaldata.Progress) error) func(adminapi.DataLine) error {
	place, printed := "", time.Now()
	return func(l adminapi.DataLine) error {
		n := l.Progress
		place = cmp.Or(n.Place, place)
		if n.Examined > 0 && time.Since(printed) > progressEvery {
			cmd.PrintErrf("%s: %d looked at\n", place, n.Examined)
			printed = time.Now()
		}
		return handle(n)
	}
}
