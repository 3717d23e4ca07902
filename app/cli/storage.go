package cli

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/app"
	"patchbay/config"
)

func storageCreate(load loader) *cobra.Command {
	return load.command("create", "Make the store, empty, so that keys can be made before the first start", func(cmd *cobra.Command, c *config.Config, _ []string) error {
		if err := app.CreateStorage(cmd.Context(), c); err != nil {
			return err
		}
		cmd.PrintErrf("store: %s, made by this command\n", app.StoreName(c.Provider[c.Storage.Provider]))
		return nil
	})
}

func storageStatus(load loader) *cobra.Command {
	return load.gatewayCommand("status", "Say how the store is, its standby, and what is kept for it", func(g *gateway, _ []string) error {
		view, err := ask(g, adminapi.StorageStatus, adminapi.None{})
		if err != nil {
			return err
		}
		return printStorage(g.config.Mask.Writer(g.cmd.OutOrStdout()), view)
	})
}

func storagePutBack(load loader) *cobra.Command {
	return load.gatewayCommand("put-back RECORD", "Have a record handled again that is set aside", func(g *gateway, args []string) error {
		_, err := ask(g, adminapi.PutBackRecord, adminapi.PutBack{Record: args[0]})
		return err
	})
}

func printStorage(to io.Writer, view adminapi.Storage) error {
	table := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	line := func(name string, s adminapi.Store, more string) {
		state := "available"
		if !s.Available {
			state = s.Problem
		}
		fmt.Fprintf(table, "%s\t%s (%s)\t%s%s\n", name, s.Provider, s.Type, state, more)
	}
	line("store", view.Store, "")
	if s := view.Standby; s != nil {
		more := ", never fed"
		if !s.AsOf.IsZero() {
			more = ", has all changes before " + s.AsOf.Format(time.RFC3339)
		}
		line("standby", s.Store, more)
	}
	if s := view.Spool; s != nil {
		more := ""
		if !s.Oldest.IsZero() {
			more = ", the oldest since " + s.Oldest.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "spool\t%s\t%d held%s, %d refused by the store\n", s.Path, s.Held, more, s.Refused)
	}
	if s := view.SetAside; s != nil {
		fmt.Fprintf(table, "set aside\t%d\tput one back with patchbay storage put-back RECORD\n", s.Count)
		for _, r := range s.Records {
			fmt.Fprintf(table, "\t%s\t%s, %d times, last at %s, of the queue %s\n", r.Record, r.Reason, r.Tries, r.Last.UTC().Format(time.RFC3339), r.Queue)
		}
	}
	return table.Flush()
}
