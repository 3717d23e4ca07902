package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"patchbay/adapters/handlebars"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/provider"
	"patchbay/adapters/templatedir"
	"patchbay/app"
	"patchbay/config"
	"patchbay/core/fault"
	"patchbay/core/template"
)

// readTemplates reads the directory of templates.
func readTemplates(c *config.Config) (map[string]template.Source, error) {
	dir, err := app.TemplateDir(c.Mail.Templates)
	if err != nil {
		return nil, fmt.Errorf("mail.templates.directory: %w", err)
	}
	return templatedir.Read(dir)
}

// count returns a number of templates in words.
func count(n int) string {
	if n == 1 {
		return "1 template"
	}
	return fmt.Sprintf("%d templates", n)
}

func checkTemplates(load loader) *cobra.Command {
	var local bool
	cmd := load.command("check", "Check all templates, and name every mistake in them", func(cmd *cobra.Command, c *config.Config, _ []string) error {
		sources, err := readTemplates(c)
		mistakes := printMistakes(cmd, c, sources)
		if err != nil {
			return err
		}
		if mistakes > 0 {
			return fmt.Errorf("%s: mistakes: %d", count(len(sources)), mistakes)
		}
		if !local {
			if n := printDrift(cmd, c, sources); n > 0 {
				return fmt.Errorf("not at a provider as here: %s; patchbay templates push stores them there", count(n))
			}
		}
		cmd.Printf("%s, no mistakes\n", count(len(sources)))
		return nil
	})
	cmd.Flags().BoolVar(&local, "local", false, "do not ask the providers what they store")
	return cmd
}

// printMistakes prints the mistakes of all templates, also at the providers that store them, and
// returns their number.
func printMistakes(cmd *cobra.Command, c *config.Config, sources map[string]template.Source) (mistakes int) {
	report := func(name, where string, found []handlebars.Mistake) {
		for _, m := range found {
			mistakes++
			cmd.Printf("%s%s: %s\n", name, where, m)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		found := handlebars.Check(sources[name], nil)
		report(name, "", found)
		for _, target := range app.TemplateTargets(c, name) {
			if len(found) == 0 {
				report(name, " at "+target.Provider, handlebars.Check(sources[name], target.Helpers))
			}
		}
	}
	return mistakes
}

// eachStored calls do for each template and each provider that stores it; store is nil if that has no API
// for templates. It prints the errors, and returns their number.
func eachStored(cmd *cobra.Command, c *config.Config, sources map[string]template.Source, do func(source template.Source, target app.TemplateTarget, store provider.TemplateStore) error) (failed int) {
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		for _, target := range app.TemplateTargets(c, name) {
			store, err := target.Store()
			if err == nil {
				err = do(sources[name], target, store)
			}
			if err != nil {
				failed++
				cmd.Printf("%s at %s: %v\n", name, target.Provider, err)
			}
		}
	}
	return failed
}

// printDrift prints the templates that a provider does not have as they are here, and returns their
// number.
func printDrift(cmd *cobra.Command, c *config.Config, sources map[string]template.Source) int {
	return eachStored(cmd, c, sources, func(source template.Source, target app.TemplateTarget, store provider.TemplateStore) error {
		if store == nil {
			return nil
		}
		version, err := store.ActiveVersion(cmd.Context(), target.ID)
		switch {
		case fault.Is(err, fault.NotFound):
			return fmt.Errorf("there is no template %s", target.ID)
		case err != nil:
			return err
		case version == provider.VersionName(source):
			return nil
		case version == "":
			return fmt.Errorf("no version of %s is active", target.ID)
		case provider.IsPushed(version):
			return fmt.Errorf("the version %s of %s was pushed from another source", version, target.ID)
		}
		return fmt.Errorf("the version %q of %s was not pushed from here", version, target.ID)
	})
}

func pushTemplates(load loader) *cobra.Command {
	return load.command("push", "Store all templates at the providers that have them", func(cmd *cobra.Command, c *config.Config, _ []string) error {
		sources, err := readTemplates(c)
		if err != nil {
			return err
		}
		if mistakes := printMistakes(cmd, c, sources); mistakes > 0 {
			return fmt.Errorf("%s: mistakes: %d; nothing was pushed", count(len(sources)), mistakes)
		}
		failed := eachStored(cmd, c, sources, func(source template.Source, target app.TemplateTarget, store provider.TemplateStore) error {
			if store == nil {
				return fmt.Errorf("the provider has no API for templates; store %s there by hand", target.ID)
			}
			version := provider.VersionName(source)
			active, err := store.ActiveVersion(cmd.Context(), target.ID)
			switch {
			case err != nil && !fault.Is(err, fault.NotFound):
				return err
			case active == version:
				cmd.Printf("%s at %s: %s has it\n", source.Name, target.Provider, target.ID)
				return nil
			}
			err = store.Push(cmd.Context(), target.ID, source)
			if fault.Is(err, fault.NotFound) {
				return fmt.Errorf("there is no template %s; make it there first", target.ID)
			}
			if err == nil {
				cmd.Printf("%s at %s: %s has it now, as %s\n", source.Name, target.Provider, target.ID, version)
			}
			return err
		})
		if failed > 0 {
			return fmt.Errorf("not pushed: %s", count(failed))
		}
		return nil
	})
}

func renderTemplate(load loader) *cobra.Command {
	var from, part string
	cmd := load.command("render NAME", "Print a template as it is sent", func(cmd *cobra.Command, c *config.Config, args []string) error {
		sources, err := readTemplates(c)
		if err != nil {
			return err
		}
		source, ok := sources[args[0]]
		if !ok {
			return fmt.Errorf("there is no template %s in %s", args[0], c.Mail.Templates.Directory)
		}
		data, err := templateData(cmd, from)
		if err != nil {
			return err
		}
		content, err := handlebars.New(c.Mail.Templates.MissingKey).Render(source, data)
		if err != nil {
			return err
		}
		if content.Text == "" && content.HTML != "" {
			content.Text = htmltext.Text{}.Text(content.HTML) // as of an email without a text
		}
		return printTemplate(cmd.OutOrStdout(), content, template.Part(part))
	})
	cmd.Flags().StringVar(&from, "data", "", "a file with the data as JSON; - for standard input; none where absent")
	cmd.Flags().StringVar(&part, "part", "", "print only this part: subject, html or text")
	return cmd
}

func templateData(cmd *cobra.Command, from string) (map[string]any, error) {
	data := map[string]any{}
	if from == "" {
		return data, nil
	}
	in := cmd.InOrStdin()
	if from != "-" {
		f, err := os.Open(from) //nolint:gosec // the file that the caller names
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	if err := json.NewDecoder(in).Decode(&data); err != nil {
		return nil, fmt.Errorf("%s: the data must be one object in JSON: %w", from, err)
	}
	return data, nil
}

func printTemplate(to io.Writer, c template.Content, only template.Part) error {
	texts := map[template.Part]string{template.Subject: c.Subject, template.HTML: c.HTML, template.Text: c.Text}
	if only != "" {
		text, ok := texts[only]
		if !ok {
			return fmt.Errorf("--part is subject, html or text")
		}
		_, err := fmt.Fprintln(to, text)
		return err
	}
	for _, part := range template.Parts() {
		if texts[part] != "" {
			if _, err := fmt.Fprintf(to, "%s:\n%s\n", part, texts[part]); err != nil {
				return err
			}
		}
	}
	return nil
}
