package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// nodeModules installs what package.json names, when it or the lock has changed since the last time.
func nodeModules(ctx context.Context, s *stack.Service, cache string, at *doing) error {
	dir := source(s)
	argv := []string{"npm", "ci", "--no-audit", "--no-fund"}
	if !exists(filepath.Join(dir, "package-lock.json")) {
		if !hasDependencies(dir) {
			return nil
		}
		argv[1] = "install"
	}
	stamp := filepath.Join(cache, "node", s.Name+".stamp")
	now := digest(filepath.Join(dir, "package.json"), filepath.Join(dir, "package-lock.json"))
	if exists(filepath.Join(dir, "node_modules")) && holds(stamp, now) {
		return nil
	}
	if err := command(ctx, at, s.Name, dir, argv); err != nil {
		return err
	}
	return replaceFile(stamp, []byte(now))
}

// hasDependencies reports whether package.json names any.
func hasDependencies(dir string) bool {
	var p struct {
		Dependencies    map[string]any `json:"dependencies"`
		DevDependencies map[string]any `json:"devDependencies"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "package.json"))
	return err == nil && json.Unmarshal(b, &p) == nil && len(p.Dependencies)+len(p.DevDependencies) > 0
}

// venv returns the folder of a Python service's virtual environment.
func venv(s *stack.Service, cache string) string { return filepath.Join(cache, "venv", s.Name) }

// requirements returns the file that names what a Python service needs beyond the standard library, or "".
func requirements(s *stack.Service) string {
	file := filepath.Join(source(s), "requirements.txt")
	b, err := os.ReadFile(file)
	if err != nil {
		return pyproject(s)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return file
		}
	}
	return ""
}

// pyproject returns the service's pyproject.toml where it names dependencies.
func pyproject(s *stack.Service) string {
	file := filepath.Join(source(s), "pyproject.toml")
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), "dependencies") {
		return ""
	}
	return file
}

// pythonVenv makes the virtual environment and installs into it, when what is needed has changed.
func pythonVenv(ctx context.Context, s *stack.Service, cache string, at *doing) error {
	file := requirements(s)
	if file == "" {
		return nil
	}
	dir := venv(s, cache)
	stamp := filepath.Join(dir, "msctl.stamp")
	python := program("python")
	now := digest(file) + " " + python
	if holds(stamp, now) {
		return nil
	}
	if python == "" {
		return fmt.Errorf("build %s: python is not installed", s.Name)
	}
	if err := command(ctx, at, s.Name, source(s), []string{python, "-m", "venv", "--clear", dir}); err != nil {
		return err
	}
	what := []string{"-r", file}
	if filepath.Base(file) == "pyproject.toml" {
		what = []string{source(s)}
	}
	install := append([]string{filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--disable-pip-version-check", "-q"}, what...)
	if err := command(ctx, at, s.Name, source(s), install); err != nil {
		return err
	}
	return replaceFile(stamp, []byte(now))
}

// digest tells one content of files from another; a file that is not there has one of its own.
func digest(files ...string) string {
	h := sha256.New()
	for _, f := range files {
		b, err := os.ReadFile(f)
		fmt.Fprintf(h, "%t %d\n", err == nil, len(b))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// holds reports whether a stamp holds that digest.
func holds(stamp, now string) bool {
	b, err := os.ReadFile(stamp)
	return err == nil && string(b) == now
}
