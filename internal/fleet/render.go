package fleet

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// String is the dry run: every step with what it is, why it is there and what it waits for. It holds no
// secret: of the environment that msctl gives it shows addresses without passwords, and nothing of the
// user's.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stack %s: %d steps on %s servers\n", p.Stack, len(p.Steps), p.Runtime)
	for i, st := range p.Steps {
		fmt.Fprintf(&b, "\n%d. %s\n", i+1, st.title())
		st.details(&b)
		if st.def != nil && st.Skip == "" {
			detail(&b, "front", p.fronts(st.Service))
			detail(&b, "edges", p.routes(st.Service))
		}
	}
	return b.String()
}

// title is the line that names a step.
func (st *Step) title() string {
	verb := "run"
	switch {
	case st.Skip != "":
		verb = "skip"
	case st.Sort == state.Resource:
		verb = "prepare"
	}
	title := fmt.Sprintf("%s %s (%s, %s)", verb, st.Name, st.Sort, st.Backing)
	if st.Sort == state.Service && st.Replica > 1 {
		title += fmt.Sprintf(" replica %d", st.Replica)
	}
	return title
}

func (st *Step) details(b *strings.Builder) {
	line := func(key, value string) { detail(b, key, value) }
	if st.Skip != "" {
		line("because", st.Skip)
		return
	}
	line("lacks", st.Lacks)
	line("because", st.Reason)
	line("after", st.after())
	if st.Sort != state.Server {
		line("url", st.URL)
	}
	if st.Sort == state.Resource {
		return
	}
	line("ports", st.ports())
	if st.def != nil {
		line("command", strings.Join(stack.MaskArguments(st.Unit.Argv), " "))
		line("image", st.Unit.Image)
		line("ready", st.readiness())
		line("env", strings.Join(st.environment(), newLine))
	}
}

// newLine begins another line of the same detail.
const newLine = "\n              "

// detail is one line of a step.
func detail(b *strings.Builder, key, value string) {
	if value != "" {
		fmt.Fprintf(b, "     %-8s %s\n", key, value)
	}
}

// fronts lists the ports that msctl holds in front of a service.
func (p *Plan) fronts(service string) string {
	var all []string
	for _, e := range p.Edges {
		if e.From == "" && e.To == service {
			all = append(all, e.Listen+" "+addr(e.Port)+e.spread())
		}
	}
	return strings.Join(all, ", ")
}

// routes lists where a service calls others, and which it reaches without msctl between.
func (p *Plan) routes(service string) string {
	var all []string
	for _, e := range p.Edges {
		switch {
		case e.From != service:
		case e.Direct != "":
			all = append(all, fmt.Sprintf("%s (%s) direct (%s)", e.To, e.Protocol, e.Direct))
		default:
			all = append(all, fmt.Sprintf("%s (%s) %s%s", e.To, e.Protocol, addr(e.Port), e.spread()))
		}
	}
	return strings.Join(all, newLine)
}

// spread says over which services an edge is spread, where that is more than one.
func (e Edge) spread() string {
	var parts []string
	for _, end := range e.ends {
		part := fmt.Sprintf("%s %d", end.service, end.share)
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if len(parts) < 2 {
		return ""
	}
	return ", spread over " + list(parts)
}

func (st *Step) after() string {
	var names []string
	for _, n := range st.Needs {
		names = append(names, n.Name)
	}
	return strings.Join(names, ", ")
}

func (st *Step) ports() string {
	var all []string
	for _, p := range st.Unit.Ports {
		all = append(all, fmt.Sprintf("%s %s", p.Name, addr(p.Host)))
	}
	return strings.Join(all, ", ")
}

// readiness says when a service counts as ready.
func (st *Step) readiness() string {
	p := st.Probe
	switch {
	case st.Sort == state.Job:
		return "when it has exited with 0"
	case p == nil && len(st.Unit.Ports) == 0:
		return "when it runs"
	case p == nil:
		return "when its ports accept"
	case p.HTTP != "":
		return "when GET " + p.HTTP + " answers 2xx or 3xx"
	case p.TCP != "":
		return "when port " + p.TCP + " accepts"
	case p.GRPC != "":
		return "when gRPC health says serving"
	case p.Log != "":
		return "when a line matches " + p.Log
	}
	return "when " + strings.Join(stack.MaskArguments(p.Exec), " ") + " exits with 0"
}

// environment lists the given variables, passwords left out, and the names of the user's own.
func (st *Step) environment() []string {
	var given, user []string
	for _, e := range st.Unit.Env {
		name, value, _ := strings.Cut(e, "=")
		switch {
		case slices.Contains(inherited, name):
		case slices.ContainsFunc(st.def.Env, func(v stack.Var) bool { return v.Name == name }):
			user = append(user, name)
		case slices.Contains(st.given, name) && strings.Contains(value, "://"):
			given = append(given, name+"="+bare(value))
		case slices.Contains(st.given, name):
			given = append(given, name+"="+value)
		}
	}
	if len(user) > 0 {
		given = append(given, "and its own "+strings.Join(user, ", "))
	}
	return given
}
