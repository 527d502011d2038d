package fleet

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"sync"
	"time"

	"msctl.dev/msctl/internal/stack"
)

// unable returns the services that this machine cannot run, with the reason of each: the optional ones to
// be skipped, and those without which there is an error.
func unable(ctx context.Context, o Options, services []*stack.Service) (skip, without map[string]string, err error) {
	reasons := make([]string, len(services))
	var checks sync.WaitGroup
	tools := &tools{}
	for i, s := range services {
		checks.Go(func() { reasons[i] = lacks(ctx, o, s, tools) })
	}
	checks.Wait()
	skip, without = map[string]string{}, map[string]string{}
	var errs []error
	for i, s := range services {
		switch {
		case reasons[i] == "":
		case s.Optional:
			skip[s.Name] = reasons[i]
		default:
			without[s.Name] = reasons[i]
			errs = append(errs, &stack.Error{Pos: s.Pos, Msg: fmt.Sprintf("run %s: %s", s.Name, reasons[i]), Hint: "`optional: true` skips it where it cannot run"})
		}
	}
	return skip, without, errors.Join(errs...)
}

// lacks says what this machine lacks to run a service, or "".
func lacks(ctx context.Context, o Options, s *stack.Service, t *tools) string {
	if container(s) && o.Container == nil {
		if o.Machine.Engine != nil {
			return "needs a container engine: " + o.Machine.Engine.Error()
		}
		return "needs a container engine"
	}
	for _, r := range s.Requires {
		if why := t.lack(ctx, r); why != "" {
			return why
		}
	}
	if tool := toolOf[s.Language]; tool != "" && len(s.Requires) == 0 && !container(s) && len(s.Command) == 0 {
		return t.lack(ctx, stack.Requirement{Tool: tool})
	}
	return ""
}

// toolOf names the tool that runs a language.
var toolOf = map[stack.Language]string{stack.Go: "go", stack.Node: "node", stack.Python: "python"}

// programs is the names under which a tool is installed.
var programs = map[string][]string{"python": {"python3", "python"}, "docker": {"docker", "podman"}}

// tools remembers what was found of each tool.
type tools struct{ found sync.Map } // name: func() (version string, err error)

// lack says why a requirement is not met, or "".
func (t *tools) lack(ctx context.Context, r stack.Requirement) string {
	path := program(r.Tool)
	if path == "" {
		return fmt.Sprintf("needs %s, which is not installed", tool(r))
	}
	if r.Version == "" {
		return ""
	}
	once, _ := t.found.LoadOrStore(r.Tool, sync.OnceValue(func() string { return version(ctx, path) }))
	have := once.(func() string)()
	if have == "" {
		return fmt.Sprintf("needs %s, and %s does not say its version", tool(r), path)
	}
	if !r.Allows(have) {
		return fmt.Sprintf("needs %s, and %s is %s", tool(r), path, have)
	}
	return ""
}

func tool(r stack.Requirement) string {
	if r.Version == "" {
		return r.Tool
	}
	return r.Tool + " " + r.Version
}

// program returns the path of a tool, or "".
func program(tool string) string {
	names := programs[tool]
	if names == nil {
		names = []string{tool}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)+|\d+`)

// version asks a program for its version.
func version(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, arg := range []string{"--version", "version"} {
		cmd := exec.CommandContext(ctx, path, arg)
		cmd.WaitDelay = time.Second
		if out, err := cmd.CombinedOutput(); err == nil {
			return string(versionNumber.Find(out))
		}
	}
	return ""
}
