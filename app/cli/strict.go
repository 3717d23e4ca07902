package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// makeStrict makes each command of the tree refuse unknown words and flags, and empty ones,
// such as those from an unset variable in a script. By default cobra prints the help for an
// unknown word below the root, and succeeds.
func makeStrict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.SetFlagErrorFunc(unknownFlag)
	root.PersistentPreRunE = refuseEmpty
	refuseUnknownCommands(root)
}

// refuseUnknownCommands makes each command that has subcommands print its help, unless it is given an
// unknown word.
func refuseUnknownCommands(cmd *cobra.Command) {
	if !cmd.HasSubCommands() {
		return
	}
	cmd.Args, cmd.DisableFlagsInUseLine = unknownCommand, true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, sub := range cmd.Commands() {
		if sub.Name() == "help" {
			sub.Run, sub.RunE = nil, help
		}
		refuseUnknownCommands(sub)
	}
}

// unknownCommand refuses the first argument of a command that accepts only the names of its
// subcommands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var all []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, sub.Name())
		}
	}
	return fmt.Errorf("unknown command %q for %q; %s", args[0], cmd.CommandPath(), suggestion(args[0], all, ""))
}

// unknownFlag adds a suggestion. If an unknown word precedes the flag, the word is
// reported, because the flag may be right.
func unknownFlag(cmd *cobra.Command, err error) error {
	if before := cmd.Flags().Args(); cmd.HasSubCommands() && len(before) > 0 {
		return unknownCommand(cmd, before)
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedName() == "" {
		return err
	}
	var all []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { all = append(all, f.Name) })
	return fmt.Errorf("%w; %s", err, suggestion(unknown.GetSpecifiedName(), all, "--"))
}

// suggestion names the likely intended names, or all names if none is close. Cobra compares
// only the names of commands.
func suggestion(word string, names []string, prefix string) string {
	choices := &cobra.Command{SuggestionsMinimumDistance: max(1, min(2, len(word)/3))} // edits
	for _, name := range names {
		choices.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	text, found := "did you mean %s?", choices.SuggestionsFor(word)
	if len(found) == 0 {
		text, found = "there is %s", slices.Sorted(slices.Values(names))
	}
	for i := range found {
		found[i] = prefix + found[i]
	}
	return fmt.Sprintf(text, strings.Join(found, ", "))
}

// refuseEmpty refuses flags and arguments with an empty value.
func refuseEmpty(cmd *cobra.Command, args []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if err == nil && (len(values) == 0 || slices.ContainsFunc(values, isBlank)) {
			err = fmt.Errorf("--%s is given without a value", f.Name)
		}
	})
	if err == nil && slices.ContainsFunc(args, isBlank) {
		err = fmt.Errorf("an argument of %q is empty", cmd.CommandPath())
	}
	return err
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

// help shows the help for the command named by words.
func help(cmd *cobra.Command, words []string) error {
	of, rest, err := cmd.Root().Find(words)
	if err != nil || len(rest) > 0 {
		return errors.Join(err, unknownCommand(of, rest))
	}
	of.InitDefaultHelpFlag()
	return of.Help()
}
