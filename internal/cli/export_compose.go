package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/compose"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

func newExportCompose(a *App) *cobra.Command {
	o := &importOptions{}
	cmd := &cobra.Command{
		Use:   "compose",
		Short: "Make a Docker Compose file from the stack",
		Long: "compose prints, or with -o writes, a compose file: backing servers as images, services as the image or\n" +
			"build that they are made from, with a Dockerfile in it for Go, Node and Python services that have none.\n" +
			"Passwords of servers are variables with a default for one machine; secrets are variables without one. What\n" +
			"Compose has no word for is listed. Exit code 1 if something was left and --strict is given.",
		Example: "  msctl export compose\n  msctl export compose -o compose.yaml && docker compose config",
		Args:    args(cobra.NoArgs),
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "write to this `FILE` (default: print it)")
	f.BoolVar(&o.strict, "strict", false, "fail if something has no counterpart")
	f.BoolVar(&o.force, "force", false, "write over a file that is there")
	o.json = jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error { return a.exportCompose(o) }
	return cmd
}

// jsonExported is the result under --json.
type jsonExported struct {
	Output string   `json:"output,omitempty"`
	Text   string   `json:"text"`
	Left   []string `json:"left,omitempty"`
}

func (a *App) exportCompose(o *importOptions) error {
	st, err := a.load("")
	if err != nil {
		return err
	}
	options := compose.ExportOptions{Image: imageOf}
	if o.output != "" {
		output := a.absolute(o.output)
		if options.Dir = filepath.Dir(output); !o.force && !missing(output) {
			return failed("--force writes over it", "write %s: it is there already", o.output)
		}
	}
	made, err := compose.Export(st, options)
	if err != nil {
		return err
	}
	if o.output != "" {
		if err := replaceFile(a.absolute(o.output), made.Text); err != nil {
			return fmt.Errorf("write %s: %w", o.output, err)
		}
		fmt.Fprintf(a.Err, "wrote %s\n", clean(o.output))
	}
	switch {
	case *o.json:
		err = writeJSON(a.Out, "compose", jsonExported{o.output, string(made.Text), made.Left})
	case o.output == "":
		_, err = a.Out.Write(made.Text)
	}
	if err != nil {
		return err
	}
	for _, l := range made.Left {
		fmt.Fprintln(a.Err, clean(l))
	}
	if o.strict && len(made.Left) > 0 {
		return failed("leave --strict away to accept that", "export %s: not everything has a counterpart", st.Name)
	}
	return nil
}

// imageOf returns the image that a resource runs where there is a container engine, or "".
func imageOf(r *stack.Resource) string {
	if r.Image != "" {
		return r.Image
	}
	if kind := resource.Find(r.Type); kind != nil {
		for _, recipe := range kind.Recipes {
			if recipe.Runtime == resource.InEngine && len(recipe.Images) > 0 {
				return recipe.Images[0]
			}
		}
	}
	return ""
}
