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
	"patchbay/adapters/templatedir"
	"patchbay/app"
	"patchbay/config"
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

func checkTemplates(load loader) *cobra.Command {
	return load.command("check", "Check all templates, and name every mistake in them", func(cmd *cobra.Command, c *config.Config, _ []string) error {
		sources, err := readTemplates(c)
		if err != nil {
			return err
		}
		mistakes := 0
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
		if mistakes > 0 {
			return fmt.Errorf("%d templates have %d mistakes", len(sources), mistakes)
		}
		cmd.Printf("%d templates, no mistakes\n", len(sources))
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
