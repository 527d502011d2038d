package experiment

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/stack"
)

// command is one that is run on this machine.
type command struct {
	argv    []string
	in      string // service whose folder and environment it has; "" the stack's folder
	env     map[string]string
	timeout time.Duration // 0 means a minute
}

func (c *command) common(r *reader) []field {
	return []field{{"in", r.text(&c.in)}, {"env", r.pairs(&c.env)}, {"timeout", r.duration(&c.timeout, time.Millisecond, limitMost)}}
}

func (c *command) needs() []need {
	if c.in == "" {
		return nil
	}
	return []need{{unit, c.in}}
}

// do runs the command with its whole process group, which ends with ctx.
func (c *command) do(ctx context.Context, w *world, more map[string]string) (printed string, code int, err error) {
	timeout := c.timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	argv := slices.Clone(c.argv)
	for i := range argv {
		argv[i] = w.fill(argv[i], more)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = w.Stack.Dir, w.Environ
	if c.in != "" {
		env, err := w.Fleet.Environment(ctx, c.in)
		if err != nil {
			return "", 0, cannotf("run in %s: %w", c.in, err)
		}
		if env.Container != "" {
			return "", 0, cannotf("run in %s: it runs in a container", c.in)
		}
		cmd.Dir, cmd.Env = env.Dir, env.Env
	}
	for key, value := range c.env {
		cmd.Env = append(cmd.Env, key+"="+w.fill(value, more))
	}
	out, err := runGroup(cmd)
	printed = output.Plain(out)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return printed, exit.ExitCode(), nil
	}
	if err != nil {
		return printed, 0, cannotf("run %s: %w", argv[0], err)
	}
	return printed, 0, nil
}

// cmdProbe is what a command prints and how it exits.
type cmdProbe struct {
	command
	exit   Want // of the exit code; the zero value is 0
	expect text
}

func (p *cmdProbe) fields(r *reader) []field {
	return slices.Concat([]field{{"cmd", r.words(&p.argv)}, {"exit", r.want(&p.exit)}}, p.common(r), p.expect.fields(r))
}

func (p *cmdProbe) look(ctx context.Context, w *world) Sight {
	printed, code, err := p.do(ctx, w, nil)
	if err != nil {
		return missed(err)
	}
	return p.judge(w, printed, code)
}

func (p *cmdProbe) judge(w *world, printed string, code int) Sight {
	exit := p.exit
	if !exit.Set() {
		exit = Want{op: "=", value: "0"}
	}
	value := fmt.Sprintf("exit %d", code)
	if !exit.Takes(fmt.Sprint(code)) {
		return judged(value, fmt.Sprintf("exited with %d, want %s: %s", code, exit, shorten(last(printed))))
	}
	return judged(value, p.expect.judge(printed, func(s string) string { return w.fill(s, nil) }))
}

// last returns the last line that says something.
func last(printed string) string {
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	return lines[len(lines)-1]
}

// runProbe is how a task of a service exits.
type runProbe struct {
	cmdProbe
	service, task string
	more          []string
}

func (p *runProbe) fields(r *reader) []field {
	own := field{"run", func(n *yaml.Node) { p.service, p.task, p.more = r.task(n); p.in = p.service }}
	return append([]field{own}, slices.DeleteFunc(p.cmdProbe.fields(r), func(f field) bool { return f.name == "cmd" || f.name == "in" })...)
}

func (p *runProbe) needs() []need { return []need{{task, p.service + " " + p.task}} }

func (p *runProbe) look(ctx context.Context, w *world) Sight {
	argv, err := taskOf(w.Stack, p.service, p.task, p.more)
	if err != nil {
		return missed(cannot{err})
	}
	p.argv = argv
	return p.cmdProbe.look(ctx, w)
}

// task reads "shop load --rate 10".
func (r *reader) task(n *yaml.Node) (service, name string, more []string) {
	words := strings.Fields(n.Value)
	if len(words) < 2 {
		r.fail(n, "write shop load --rate 10", "%q is no task of a service", shorten(n.Value))
		return "", "", nil
	}
	return words[0], words[1], words[2:]
}

// taskOf returns the command of a service's task, with more words at its end.
func taskOf(st *stack.Stack, service, name string, more []string) ([]string, error) {
	svc := st.Service(service)
	if svc == nil {
		return nil, fmt.Errorf("find task %s of %s: there is no such service", name, service)
	}
	for _, t := range svc.Tasks {
		if t.Name != name {
			continue
		}
		if argv := t.Command; len(argv) == 3 && argv[0] == "sh" && argv[1] == "-c" && len(more) > 0 {
			return append([]string{"sh", "-c", argv[2] + ` "$@"`, "sh"}, more...), nil
		}
		return append(slices.Clone(t.Command), more...), nil
	}
	return nil, fmt.Errorf("find task %s: %s has none of that name", name, service)
}
