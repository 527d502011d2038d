package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

func newRun(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run SERVICE TASK | run SERVICE -- COMMAND…",
		Short: "Run a task or any command with a service's environment",
		Long: "run executes one of the service's tasks in stack.yaml, or any command, in the service's folder with\n" +
			"exactly what the service is given: addresses, databases, secrets. The terminal and Ctrl-C belong to\n" +
			"the command, and so does the exit code. Words after a task are given to it.",
		Example:           "  msctl run users -- env\n  msctl run users -- sh -c 'echo $USERS_DB_URL'\n  msctl run users migrate   # a task of the service in stack.yaml",
		Args:              args(serviceAndCommand),
		ValidArgsFunction: a.completeTask,
	}
	cmd.Flags().SetInterspersed(false)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		argv := words[1:]
		if argv[0] == "--" {
			argv = argv[1:]
		} else {
			task, err := a.task(words[0], words[1], words[2:])
			if err != nil {
				return err
			}
			argv = task
		}
		return a.inside(cmd.Context(), words[0], argv)
	}
	return cmd
}

// serviceAndCommand asks for a service and what to run, with or without -- between them.
func serviceAndCommand(cmd *cobra.Command, words []string) error {
	if len(words) < 2 || words[1] == "--" && len(words) < 3 {
		return errors.New("requires a service and a command")
	}
	return nil
}

// task returns the command of a service's task with more words given to it.
func (a *App) task(service, name string, more []string) ([]string, error) {
	st, err := a.load("")
	if err != nil {
		return nil, err
	}
	svc := st.Service(service)
	if svc == nil {
		return nil, checkNames([]string{service}, a.serviceNames())
	}
	i := slices.IndexFunc(svc.Tasks, func(t stack.Task) bool { return t.Name == name })
	if i < 0 {
		return nil, unknownTask(svc, name)
	}
	return withWords(svc.Tasks[i].Command, more), nil
}

// withWords gives a task more words; one written as a shell line gets them as "$@" at its end.
func withWords(argv, more []string) []string {
	if len(more) > 0 && len(argv) == 3 && argv[0] == "sh" && argv[1] == "-c" {
		return append([]string{"sh", "-c", argv[2] + ` "$@"`, "sh"}, more...)
	}
	return append(slices.Clone(argv), more...)
}

func unknownTask(svc *stack.Service, name string) error {
	var names []string
	for _, t := range svc.Tasks {
		names = append(names, t.Name)
	}
	hint := "`msctl run " + svc.Name + " -- COMMAND…` runs any command"
	if near := nearest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(names) > 0 {
		hint = "its tasks: " + strings.Join(names, ", ")
	}
	return usage(hint, "service %q has no task %q", svc.Name, name)
}

// inside runs argv with a unit's environment: in its container, or as a process in its folder.
func (a *App) inside(ctx context.Context, unit string, argv []string) error {
	return a.withClient(ctx, func(ctx context.Context, c *control.Client) error {
		snap, err := c.Snapshot(ctx)
		if err != nil {
			return err
		}
		if err := checkNames([]string{unit}, append(unitNames(snap), a.serviceNames()...)); err != nil {
			return err
		}
		if u, ok := contained(named(snap, unit)); ok {
			return a.execContainer(ctx, u.Name, argv)
		}
		env, err := c.Environment(ctx, unit)
		if err != nil {
			return fmt.Errorf("run in %s: %w", unit, err)
		}
		hint := ""
		if u, ok := backing(snap, unit); ok {
			argv = beside(&env, argv)
			hint = fmt.Sprintf("%s is a server which runs as a process (%s): commands run on this machine, with %s",
				unit, u.Backing, names(env.Env, "_URL"))
		}
		return execProcess(env, argv, hint)
	})
}

// backing returns the resource or server of that name.
func backing(snap state.Snapshot, name string) (state.Unit, bool) {
	for _, u := range pick(snap.Units, []string{name}) {
		if u.Sort == state.Resource || u.Sort == state.Server {
			return u, true
		}
	}
	return state.Unit{}, false
}

// names lists the variables whose names end in suffix.
func names(env []string, suffix string) string {
	var out []string
	for _, e := range env {
		if name, _, _ := strings.Cut(e, "="); strings.HasSuffix(name, suffix) {
			out = append(out, name)
		}
	}
	return list(out)
}

// execProcess becomes the command: its own signals, terminal and exit code, with nothing in between. The
// hint is for a program that is not there.
func execProcess(env state.Environment, argv []string, hint string) error {
	path, err := lookPath(argv[0], env)
	if err != nil {
		var gone *exec.Error
		if errors.As(err, &gone) {
			err = gone.Err
		}
		return &codedError{fmt.Errorf("run %s: %w", argv[0], err), 127, hint}
	}
	return become(path, argv, env)
}
