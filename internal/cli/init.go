package cli

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// starter is the stack that init writes. Its files end in .txt so that they are not part of this module.
//
//go:embed starter
var starter embed.FS

// starterFiles is where each file goes.
var starterFiles = []struct{ from, to string }{
	{"starter/stack.yaml.txt", "stack.yaml"},
	{"starter/gitignore.txt", ".gitignore"},
	{"starter/hello/go.mod.txt", "hello/go.mod"},
	{"starter/hello/main.go.txt", "hello/main.go"},
}

func newInit(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Make a new stack that comes up at once",
		Long: "init writes a stack.yaml with one small Go service and a cache into this or a new folder. It needs\n" +
			"nothing but Go, and it never overwrites a file.",
		Example: "  msctl init shop && cd shop && msctl up\n  msctl init",
		Args:    args(cobra.MaximumNArgs(1)),
	}
	name := cmd.Flags().String("name", "", "`NAME` of the stack (default: the folder's)")
	cmd.RunE = func(_ *cobra.Command, words []string) error {
		dir := a.Dir
		if len(words) == 1 {
			dir = words[0]
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(a.Dir, dir)
			}
		}
		if *name == "" {
			*name = nameOf(dir)
		} else if !validName(*name) {
			return usage("small letters, digits and -", "read --name: %q is not a name", *name)
		}
		if err := writeStarter(dir, *name); err != nil {
			return err
		}
		for _, f := range starterFiles {
			fmt.Fprintf(a.Err, "wrote %s\n", filepath.Join(dir, f.to))
		}
		next := "msctl up"
		if dir != a.Dir {
			next = "cd " + shellWord(words[0]) + " && msctl up"
		}
		fmt.Fprintf(a.Err, "next: %s\n", next)
		return nil
	}
	return cmd
}

// shellWord quotes a word that a shell would take apart.
func shellWord(w string) string {
	for _, r := range w {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+", r) {
			return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return w
}

// writeStarter writes all files or none: it first looks that none is there.
func writeStarter(dir, name string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer root.Close()
	for _, f := range starterFiles {
		if _, err := root.Lstat(f.to); !errors.Is(err, fs.ErrNotExist) && f.to != ".gitignore" {
			return failed("use an empty folder: msctl init FOLDER", "write %s: it is there already", filepath.Join(dir, f.to))
		}
	}
	for _, f := range starterFiles {
		if err := writeOne(root, f.from, f.to, name); err != nil {
			return fmt.Errorf("write %s: %w", f.to, err)
		}
	}
	return nil
}

// writeOne writes one file; a .gitignore that is there stays as it is.
func writeOne(root *os.Root, from, to, name string) error {
	text, err := starter.ReadFile(from)
	if err != nil {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) && to == ".gitignore" {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.ReplaceAll(string(text), "{{name}}", name))
	return errors.Join(err, f.Close())
}

// validName reports a good name of a stack, service or copy.
func validName(name string) bool {
	ok, err := regexp.MatchString(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, name)
	return err == nil && ok
}

// nameOf makes a good name from a folder's.
func nameOf(dir string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(filepath.Base(dir)))
	if name = strings.Trim(name, "-"); name == "" {
		return "stack"
	}
	return name[:min(len(name), 40)]
}
