package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/compose"
	"msctl.dev/msctl/internal/stack"
)

// importOptions are the flags of `import compose`.
type importOptions struct {
	output        string
	strict, force bool
	json          *bool
}

func newImportCompose(a *App) *cobra.Command {
	o := &importOptions{}
	cmd := &cobra.Command{
		Use:   "compose FILE",
		Short: "Make a stack.yaml from a Docker Compose file",
		Long: "compose prints, or with -o writes, a stack.yaml. Services with `build:` in Go, Node or Python run as\n" +
			"processes, others in containers; images of known servers become resources; addresses of other services in\n" +
			"variables become references. What could not be carried over is listed with its line. Secrets from .env do not\n" +
			"get into stack.yaml: with -o they are written to .msctl/secrets.env, which only you can read. Exit code 1 if\n" +
			"something was left and --strict is given, 3 if the result needs mending.",
		Example: "  msctl import compose compose.yaml\n" +
			"  msctl import compose docker-compose.yml -o stack.yaml && msctl up\n" +
			"  msctl import compose compose.yaml --strict > /dev/null",
		Args: args(cobra.ExactArgs(1)),
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "write to this `FILE` (default: print it)")
	f.BoolVar(&o.strict, "strict", false, "fail if something could not be carried over")
	f.BoolVar(&o.force, "force", false, "write over a file that is there")
	o.json = jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		return a.importCompose(cmd.Context(), words[0], o)
	}
	return cmd
}

// jsonLeft is one thing that was left, under --json.
type jsonLeft struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// jsonImported is the result under --json.
type jsonImported struct {
	Output string `json:"output,omitempty"`
	Text   string `json:"text"`
	Left   int    `json:"left"`
}

func (a *App) importCompose(ctx context.Context, name string, o *importOptions) error {
	path, output := a.absolute(name), ""
	dir := filepath.Dir(path)
	if o.output != "" {
		output = a.absolute(o.output)
		dir = filepath.Dir(output)
		if !o.force && !missing(output) {
			return failed("--force writes over it", "write %s: it is there already", o.output)
		}
	}
	made, err := compose.Import(ctx, compose.ImportOptions{File: path, Shown: name, Dir: dir, Lookup: a.lookup})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if err := a.deliver(made, output, o); err != nil {
		return err
	}
	if err := a.tellLeft(made, o); err != nil {
		return err
	}
	shown := o.output
	if shown == "" {
		output, shown = filepath.Join(dir, stack.FileName), stack.FileName
	}
	_, err = stack.Load(stack.LoadOptions{Files: []string{output}, Texts: map[string][]byte{output: made.Text}, Getenv: a.Getenv, Kinds: kindNames()})
	if err != nil {
		fmt.Fprintf(a.Err, "%s needs mending before it can be run\n", clean(shown))
		return err
	}
	if o.strict && len(made.Left) > 0 {
		return failed("leave --strict away to accept that", "import %s: not everything could be carried over", name)
	}
	return nil
}

// lookup is a variable of the shell.
func (a *App) lookup(name string) (string, bool) {
	for _, e := range a.Environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// deliver prints or writes the stack.
func (a *App) deliver(made *compose.Imported, output string, o *importOptions) error {
	if output != "" {
		if err := writeSecrets(filepath.Dir(output), made.Secrets); err != nil {
			return err
		}
		if err := replaceFile(output, made.Text); err != nil {
			return fmt.Errorf("write %s: %w", o.output, err)
		}
		fmt.Fprintf(a.Err, "wrote %s\n", clean(o.output))
		if len(made.Secrets) > 0 {
			fmt.Fprintf(a.Err, "wrote the secrets of .env to %s\n", stack.SecretsFile)
		}
	}
	if *o.json {
		return writeJSON(a.Out, "stack", jsonImported{o.output, string(made.Text), len(made.Left)})
	}
	if output != "" {
		return nil
	}
	_, err := a.Out.Write(made.Text)
	return err
}

// replaceFile writes a file at once.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// writeSecrets adds secrets that are not there yet to the file that only the user can read.
func writeSecrets(dir string, secrets map[string]string) error {
	if len(secrets) == 0 {
		return nil
	}
	have, err := stack.LoadSecrets(dir, nil)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, filepath.FromSlash(stack.SecretsFile))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write secrets: %w", err)
	}
	text := string(old)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if _, err := have.Lookup(name); err != nil {
			text += name + "=" + secretText(secrets[name]) + "\n"
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	return nil
}

// secretText writes a value so that it is read back byte for byte.
func secretText(value string) string {
	if !strings.ContainsAny(value, "'\"\n\r\\$") {
		return value
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "$", `\$`).Replace(value) + `"`
}

// tellLeft lists what could not be carried over.
func (a *App) tellLeft(made *compose.Imported, o *importOptions) error {
	for _, l := range made.Left {
		if *o.json {
			if err := writeJSON(a.Out, "left", jsonLeft(l)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintln(a.Err, clean(l.String()))
	}
	switch n := len(made.Left); {
	case n == 1:
		fmt.Fprintln(a.Err, "everything else was carried over")
	case n > 1:
		fmt.Fprintf(a.Err, "%d things could not be carried over as they are\n", n)
	}
	return nil
}
