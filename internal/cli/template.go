package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl"
	"msctl.dev/msctl/scaffold"
)

func newTemplate(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "template",
		Short: "List, show and check the templates of `msctl new`",
		Long: "template tells what `msctl new service --template` can be given: the templates that msctl brings, a\n" +
			"folder with a " + scaffold.Manifest + " of your own, or one in a git repository, as\n" +
			"URL//FOLDER?ref=COMMIT, see docs/templates.md.",
		Example: "  msctl template list\n  msctl template show go-http\n  msctl template check ./team/service\n" +
			"  msctl template show " + exampleSource,
	}
	cmd.AddCommand(newTemplateList(a), newTemplateShow(a), newTemplateCheck(a))
	return cmd
}

func newTemplateList(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the templates that msctl brings",
		Long:    "list prints each template with what it is for.",
		Example: "  msctl template list\n  msctl template list --json",
		Args:    args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if !*asJSON {
			fmt.Fprintln(a.Out, strings.Join(templateLines(), "\n"))
			return nil
		}
		for _, name := range templateNames() {
			t, err := ownTemplate(name)
			if err != nil {
				return err
			}
			if err := writeJSON(a.Out, "template", templateFacts(t)); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func newTemplateShow(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show TEMPLATE",
		Short:   "Show a template's parameters and files",
		Long:    "show prints what a template asks for and what it writes. It runs and writes nothing.",
		Example: "  msctl template show go-http\n  msctl template show ./team/service --json\n  msctl template show " + exampleSource,
		Args:    args(cobra.ExactArgs(1)),
	}
	cmd.ValidArgsFunction = completeTemplate
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		t, source, err := a.sourcedTemplate(cmd.Context(), words[0])
		if err != nil {
			return err
		}
		if *asJSON {
			facts := templateFacts(t)
			facts.Source = source
			return writeJSON(a.Out, "template", facts)
		}
		printTemplate(a, t)
		return nil
	}
	return cmd
}

func newTemplateCheck(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check TEMPLATE",
		Short: "Check that a template can be used",
		Long: "check reads a template and renders it for a service that calls and uses nothing, and for one that calls\n" +
			"and uses a bit of everything. It writes and runs nothing.",
		Example: "  msctl template check ./team/service\n  msctl template check go-http\n  msctl template check " + exampleSource,
		Args:    args(cobra.ExactArgs(1)),
	}
	cmd.ValidArgsFunction = completeTemplate
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		t, err := a.anyTemplate(cmd.Context(), words[0])
		if err != nil {
			return err
		}
		if err := scaffold.Try(t); err != nil {
			return failed("", "check %s: %w", words[0], err)
		}
		fmt.Fprintf(a.Err, "%s can be used\n", t.Name)
		return nil
	}
	return cmd
}

func completeTemplate(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return templateNames(), cobra.ShellCompDirectiveDefault
}

// anyTemplate loads one of a git repository, or what [App.template] knows.
func (a *App) anyTemplate(ctx context.Context, name string) (*scaffold.Template, error) {
	t, _, err := a.sourcedTemplate(ctx, name)
	return t, err
}

// sourcedTemplate is anyTemplate with the address that holds a repository's fast, else "".
func (a *App) sourcedTemplate(ctx context.Context, name string) (*scaffold.Template, string, error) {
	if scaffold.IsSource(name) {
		return a.remoteTemplate(ctx, name)
	}
	t, err := a.template(name)
	return t, "", err
}

// template loads one of msctl's own, or a folder's: what has a slash in it, or begins with a dot.
func (a *App) template(name string) (*scaffold.Template, error) {
	if strings.ContainsRune(name, '/') || strings.HasPrefix(name, ".") {
		return a.localTemplate(name)
	}
	own := templateNames()
	if slices.Contains(own, name) {
		return ownTemplate(name)
	}
	hint := "there is " + someOf(own) + "; a folder is said as ./FOLDER, a git repository's as URL//FOLDER?ref=COMMIT"
	if near := nearest(name, own); near != "" {
		hint = "did you mean " + near + "?"
	}
	return nil, usage(hint, "unknown template %q", name)
}

// ownTemplate loads one that msctl brings.
func ownTemplate(name string) (*scaffold.Template, error) {
	files, err := fs.Sub(msctl.Files, "templates/"+name)
	if err != nil {
		return nil, err
	}
	return scaffold.Load(files)
}

// localTemplate loads the template of a folder. Nothing outside of the folder is read.
func (a *App) localTemplate(dir string) (*scaffold.Template, error) {
	root, err := os.OpenRoot(a.absolute(dir))
	if err != nil {
		return nil, failed("", "open template %s: %w", dir, errors.Unwrap(err))
	}
	defer root.Close()
	t, err := scaffold.Load(root.FS())
	if err != nil {
		return nil, failed("docs/templates.md says what a template is", "load template %s: %w", dir, err)
	}
	return t, nil
}

// templateNames lists msctl's own templates.
func templateNames() []string {
	found, _ := fs.Glob(msctl.Files, "templates/*/"+scaffold.Manifest)
	var names []string
	for _, f := range found {
		names = append(names, strings.Split(f, "/")[1])
	}
	return names
}

// templateLines is one line for each of msctl's own templates.
func templateLines() []string {
	var lines []string
	for _, name := range templateNames() {
		if t, err := ownTemplate(name); err == nil {
			lines = append(lines, pad(name, 14)+"  "+t.Doc)
		}
	}
	return lines
}
