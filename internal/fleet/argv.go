package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// argv returns the command of a service that is a process.
func argv(s *stack.Service, cache string) ([]string, error) {
	if len(s.Command) > 0 {
		return s.Command, nil
	}
	switch s.Language {
	case stack.Go:
		return []string{goProgram(s, cache)}, nil
	case stack.Node:
		return nodeArgv(s)
	case stack.Python:
		return pythonArgv(s, cache)
	}
	return nil, &stack.Error{Pos: s.Pos, Msg: fmt.Sprintf("run %s: nothing says how", s.Name), Hint: "write `command`"}
}

// goProgram returns where the built program of a Go service is.
func goProgram(s *stack.Service, cache string) string { return filepath.Join(cache, "bin", s.Name) }

// nodeArgv runs what package.json says. A start script that is a plain call of node is run without npm,
// which costs half a second and stands between the service and its signals.
func nodeArgv(s *stack.Service) ([]string, error) {
	var p struct {
		Main    string            `json:"main"`
		Scripts map[string]string `json:"scripts"`
	}
	b, err := os.ReadFile(filepath.Join(source(s), "package.json"))
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Name, err)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("run %s: read package.json: %w", s.Name, err)
	}
	start := p.Scripts["start"]
	switch {
	case strings.HasPrefix(start, "node ") && !strings.ContainsAny(start, `"'$&|;<>*?()\`+"`"):
		return strings.Fields(start), nil
	case start != "":
		return []string{"npm", "start", "--silent"}, nil
	case p.Main != "":
		return []string{"node", p.Main}, nil
	}
	for _, name := range []string{"index.js", "main.js", "server.js", "index.mjs", "main.mjs"} {
		if exists(filepath.Join(source(s), name)) {
			return []string{"node", name}, nil
		}
	}
	return nil, &stack.Error{Pos: s.Pos, Msg: fmt.Sprintf("run %s: package.json has neither a start script nor a main file", s.Name), Hint: "write `command`"}
}

// pythonArgv runs the service's main file with its virtual environment's Python, or the machine's where it
// needs nothing beyond the standard library.
func pythonArgv(s *stack.Service, cache string) ([]string, error) {
	python := program("python")
	if requirements(s) != "" {
		python = filepath.Join(venv(s, cache), "bin", "python")
	}
	if python == "" {
		python = "python3"
	}
	for _, name := range []string{"main.py", "app.py", "server.py"} {
		if exists(filepath.Join(source(s), name)) {
			return []string{python, "-u", name}, nil
		}
	}
	if exists(filepath.Join(source(s), "__main__.py")) {
		return []string{python, "-u", "."}, nil
	}
	return nil, &stack.Error{Pos: s.Pos, Msg: fmt.Sprintf("run %s: found no main.py, app.py, server.py or __main__.py", s.Name), Hint: "write `command`"}
}

// image returns what a containerised service runs.
func image(o Options, s *stack.Service) string {
	if s.Language == stack.Image {
		return o.Machine.Image(s.Image)
	}
	return "msctl/" + o.Stack.Name + "-" + s.Name + ":dev"
}

// source returns the folder that a service is made from.
func source(s *stack.Service) string {
	if s.Source != "" {
		return s.Source
	}
	return s.Dir
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
