package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"msctl.dev/msctl/internal/stack"
)

// code finds out how a service with `build:` runs: as a process where its language is known, else from its
// Dockerfile.
func (im *importer) code(u *unit) {
	b := u.svc.Build
	dir := b.Context
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(im.dir, dir)
	}
	u.path = im.relative(dir)
	lang, _ := stack.Detect(dir)
	if lang == "" || lang == stack.Dockerfile {
		if main := goMain(dir, b); main != "" {
			lang, u.dir, u.path = stack.Go, u.path, im.relative(main)
		}
	}
	if lang == "" || lang == stack.Dockerfile {
		u.build = b.Dockerfile
		if u.build == "" {
			u.build = "Dockerfile"
		}
		im.unbuilt(u)
		if b.DockerfileInline != "" {
			im.leave(u, "build", "write its dockerfile_inline into a file, and name it under build")
		}
		u.argv = im.arguments(u)
		return
	}
	u.native = lang
	im.command(u, dir)
}

var goBuild = regexp.MustCompile(`(?m)\bgo build\b.*\s(\./\S+|\.)\s*$`)

// goMain returns the folder of the Go program that a build makes, where the context is not that: what its
// Dockerfile builds, or the only one there is.
func goMain(dir string, b *types.BuildConfig) string {
	text := []byte(b.DockerfileInline)
	if len(text) == 0 {
		text, _ = readText(filepath.Join(dir, orDefault(b.Dockerfile, "Dockerfile")))
	}
	if m := goBuild.FindSubmatch(text); m != nil {
		main := filepath.Join(dir, string(m[1]))
		if lang, _ := stack.Detect(main); lang == stack.Go {
			return main
		}
	}
	if mains := stack.MainPackages(dir); len(mains) == 1 {
		return filepath.Join(dir, mains[0])
	}
	return ""
}

// unbuilt lists the parts of a build that only an engine would use.
func (im *importer) unbuilt(u *unit) {
	if len(u.svc.Build.Args) > 0 {
		im.leave(u, "build\x00args", "build args are not passed")
	}
	if u.svc.Build.Target != "" {
		im.leave(u, "build\x00target", "the last stage is built, not %s", u.svc.Build.Target)
	}
}

// arguments is the command of a container.
func (im *importer) arguments(u *unit) []string {
	if len(u.svc.Entrypoint) > 0 {
		im.leave(u, "entrypoint", "the image's own entrypoint runs")
	}
	return u.svc.Command
}

// command is how a process runs: msctl's own way, unless the file or its Dockerfile says something else.
func (im *importer) command(u *unit, dir string) {
	entry, words := []string(u.svc.Entrypoint), []string(u.svc.Command)
	if fileEntry, fileWords := dockerCommand(filepath.Join(dir, orDefault(u.svc.Build.Dockerfile, "Dockerfile"))); len(entry) == 0 {
		if entry = fileEntry; len(words) == 0 && u.native != stack.Go {
			words = fileWords
		}
	}
	argv := slices.Concat(entry, words)
	if len(argv) == 0 || len(words)+len(u.svc.Entrypoint) == 0 && u.native == stack.Go {
		return
	}
	switch u.native {
	case stack.Go:
		im.goCommand(u, argv)
	case stack.Node:
		if !slices.Equal(argv, []string{"npm", "start"}) && !slices.Equal(argv, []string{"npm", "run", "start"}) {
			u.argv = argv
			if hasDependencies(dir) {
				u.build = "npm install --no-audit --no-fund"
			}
		}
	case stack.Python:
		im.pythonCommand(u, dir, argv)
	}
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// goCommand keeps the arguments of a Go program.
func (im *importer) goCommand(u *unit, argv []string) {
	switch {
	case argv[0] == "go":
		u.argv = argv
	case slices.Contains([]string{"sh", "bash", "/bin/sh", "/bin/bash"}, argv[0]):
		im.leave(u, "command", "the Go program is built and run without the shell line %q", strings.Join(argv[1:], " "))
	case strings.HasPrefix(argv[0], "-"):
		u.argv = append([]string{"go", "run", u.goPackage()}, argv...)
	case len(argv) > 1:
		u.argv = append([]string{"go", "run", u.goPackage()}, argv[1:]...)
	}
}

// goPackage is a Go service's package from its working folder.
func (u *unit) goPackage() string {
	if rel, err := filepath.Rel(u.dir, u.path); u.dir != "" && err == nil {
		return "./" + filepath.ToSlash(rel)
	}
	return "."
}

// pythonCommand runs what a container would in the folder's virtual environment.
func (im *importer) pythonCommand(u *unit, dir string, argv []string) {
	plain := slices.DeleteFunc(slices.Clone(argv), func(a string) bool { return a == "-u" })
	if len(plain) == 2 && strings.HasPrefix(plain[0], "python") && plain[1] == pythonMain(dir) {
		return
	}
	if !hasRequirements(dir) {
		if u.argv = argv; argv[0] == "python" {
			u.argv = append([]string{"python3"}, argv[1:]...)
		}
		return
	}
	u.build = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt"
	u.shell = "PATH=.venv/bin:$PATH exec " + shellLine(argv)
	if len(argv) == 3 && strings.HasSuffix(argv[0], "sh") && argv[1] == "-c" {
		u.shell = "PATH=.venv/bin:$PATH; " + argv[2]
	}
}

// pythonMain is the file that msctl would run.
func pythonMain(dir string) string {
	for _, name := range []string{"main.py", "app.py", "server.py"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return name
		}
	}
	return ""
}

func hasRequirements(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "requirements.txt"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return true
		}
	}
	return false
}

func hasDependencies(dir string) bool {
	var p struct{ Dependencies, DevDependencies map[string]any }
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	return err == nil && json.Unmarshal(text, &p) == nil && len(p.Dependencies)+len(p.DevDependencies) > 0
}

// shellLine quotes arguments for a shell.
func shellLine(argv []string) string {
	var out []string
	for _, a := range argv {
		if a == "" || strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-") != "" {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}

var instruction = regexp.MustCompile(`(?mi)^\s*(CMD|ENTRYPOINT)\s+((?:.*\\\r?\n)*.*)$`)

// dockerCommand returns the last ENTRYPOINT and CMD of a Dockerfile, or nil.
func dockerCommand(path string) (entry, command []string) {
	text, err := readText(path)
	if err != nil {
		return nil, nil
	}
	last := map[string][]string{}
	for _, m := range instruction.FindAllStringSubmatch(string(text), -1) {
		line := strings.ReplaceAll(strings.ReplaceAll(m[2], "\\\r\n", " "), "\\\n", " ")
		var argv []string
		if json.Unmarshal([]byte(line), &argv) != nil {
			argv = []string{"sh", "-c", strings.TrimSpace(line)}
		}
		last[strings.ToUpper(m[1])] = argv
	}
	return last["ENTRYPOINT"], last["CMD"]
}
