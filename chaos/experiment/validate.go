package experiment

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// Validate holds what an experiment names against the running fleet: what is not part of it is refused, so that
// nothing outside the stack is ever touched (H10). Its error is stack.Errors.
func Validate(ctx context.Context, e *Experiment, s Site) error {
	snap, err := s.Fleet.Snapshot(ctx)
	if err != nil {
		return cannotf("ask the fleet: %w", err)
	}
	edges, err := s.Fleet.Edges(ctx)
	if err != nil {
		return cannotf("ask the fleet: %w", err)
	}
	v := validator{reader: &reader{file: e.Pos.File}, snap: snap, edges: edges, stack: s.Stack, e: e}
	for _, p := range e.probes() {
		v.all(p.Pos, p.Look.needs())
	}
	for _, st := range e.steps() {
		v.all(st.Pos, st.Act.needs())
	}
	for _, l := range e.Workload {
		v.all(l.Pos, l.needs())
	}
	for _, name := range e.Apart {
		if absent(name, snap, s.Stack) == "" { // nobody disturbs what is not there
			v.one(e.Pos, need{unit, name})
		}
	}
	return v.result()
}

// Absent says which service or resource that an experiment needs is one of the stack and not of the running fleet,
// because it was skipped on this machine or left out, and why. "" is none: what is still wrong [Validate] tells.
func Absent(ctx context.Context, e *Experiment, s Site) (string, error) {
	snap, err := s.Fleet.Snapshot(ctx)
	if err != nil {
		return "", cannotf("ask the fleet: %w", err)
	}
	for _, name := range e.names() {
		if why := absent(name, snap, s.Stack); why != "" {
			return name + " is not in this fleet: " + why, nil
		}
	}
	return "", nil
}

// absent is why a name of the stack is not in the fleet, or "".
func absent(name string, snap state.Snapshot, st *stack.Stack) string {
	for _, u := range snap.Units {
		if u.Name == name || u.Service == name {
			if u.Phase == state.Skipped {
				return u.Reason
			}
			return ""
		}
	}
	if st.Service(name) != nil || st.Resource(name) != nil {
		return "it was left out"
	}
	return ""
}

// Reads returns the services and resources that each probe behind the experiment looks at.
func (e *Experiment) Reads() (all [][]string) {
	for _, p := range e.After {
		all = append(all, namesOf(p.Look.needs()))
	}
	return all
}

// names are the services and resources that an experiment needs, in the order of its phases.
func (e *Experiment) names() (all []string) {
	var needs []need
	for _, s := range e.steps() {
		needs = append(needs, s.Act.needs()...)
	}
	for _, l := range e.Workload {
		needs = append(needs, l.needs()...)
	}
	for _, p := range e.probes() {
		needs = append(needs, p.Look.needs()...)
	}
	all = namesOf(needs)
	for _, f := range e.Faulted() {
		all = append(all, sides(f.Target)...)
	}
	return unique(all)
}

// namesOf are the services and resources among needs.
func namesOf(needs []need) (all []string) {
	for _, n := range needs {
		switch n.sort {
		case unit, resource:
			all = append(all, n.name)
		case task:
			service, _, _ := strings.Cut(n.name, " ")
			all = append(all, service)
		case edge:
			all = append(all, sides(state.EdgeName(n.name))...)
		}
	}
	return all
}

// sides are the services of a target such as "orders+users:payments/grpc".
func sides(target string) (all []string) {
	name, _, _ := strings.Cut(target, "/")
	for side := range strings.SplitSeq(name, ":") {
		all = append(all, strings.Split(side, "+")...)
	}
	return all
}

type validator struct {
	*reader
	snap  state.Snapshot
	edges []state.Edge
	stack *stack.Stack
	e     *Experiment
}

func (v *validator) all(at stack.Pos, needs []need) {
	for _, n := range needs {
		v.one(at, n)
	}
}

func (v *validator) one(at stack.Pos, n need) {
	switch n.sort {
	case unit, resource:
		v.unit(at, n)
	case edge:
		v.edge(at, n.name)
	case target:
		v.target(at, n.name)
	case task:
		v.task(at, n.name)
	case load:
		var known []string
		for _, l := range v.e.Workload {
			known = append(known, l.Name)
		}
		if !slices.Contains(known, n.name) {
			v.failAt(at, meant(n.name, known), "no workload is called %q", n.name)
		}
	}
}

func (v *validator) unit(at stack.Pos, n need) {
	n.name = v.scaled(n.name)
	var known []string
	for _, u := range v.snap.Units {
		if n.sort == resource && u.Sort != state.Resource && u.Sort != state.Server {
			continue
		}
		if u.Name == n.name || u.Service == n.name {
			if u.Phase == state.Skipped {
				v.failAt(at, u.Reason, "%s does not run on this machine", n.name)
			}
			return
		}
		known = append(known, u.Service)
	}
	slices.Sort(known)
	v.failAt(at, meant(n.name, slices.Compact(known)), "the fleet has no %s %q", n.sort, n.name)
}

// scaled is the service of a replica that the experiment itself makes, or the name as it is.
func (v *validator) scaled(name string) string {
	for _, s := range v.e.Setup {
		if a, ok := s.Act.(*scaling); ok {
			number, is := strings.CutPrefix(name, a.service+"-")
			if n, err := strconv.Atoi(number); is && err == nil && n <= a.n {
				return a.service
			}
		}
	}
	return name
}

func (v *validator) edge(at stack.Pos, name string) {
	for _, e := range v.edges {
		if named(e, name) {
			if !e.Mesh {
				v.failAt(at, e.Direct, "nothing of %s goes through msctl", name)
			}
			return
		}
	}
	v.failAt(at, meant(name, v.titles()), "the fleet has no edge %q", name)
}

func (v *validator) titles() (all []string) {
	for _, e := range v.edges {
		all = append(all, state.EdgeTitle(e.Name()))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// target checks what a fault is put on.
func (v *validator) target(at stack.Pos, line string) {
	words, err := chaos.Fields(line)
	if err != nil {
		return // it was read before
	}
	list, err := chaos.Parse(words)
	if err != nil {
		return
	}
	for _, f := range list {
		if !f.OnEdge() {
			v.unit(at, need{unit, f.Target})
			continue
		}
		some, meshed := false, false
		for _, e := range v.edges {
			if f.On(e.From, e.To, e.Listen) {
				some, meshed = true, meshed || e.Mesh
			}
		}
		switch {
		case !some:
			v.failAt(at, meant(f.Target, v.titles()), "the fleet has no edge %q", state.EdgeTitle(f.Target))
		case !meshed:
			v.failAt(at, "see `msctl edges`", "nothing of %s goes through msctl: no fault can act there", state.EdgeTitle(f.Target))
		case strings.Contains(f.Target, "+"):
			v.sides(at, f.Target)
		}
	}
}

// sides checks each of several names of a target: the edges of the others are there all the same.
func (v *validator) sides(at stack.Pos, target string) {
	known := []string{"", "*", "outside"}
	for _, e := range v.edges {
		known = append(known, e.From, e.To)
	}
	for _, u := range v.snap.Units {
		known = append(known, u.Service)
	}
	for _, name := range sides(target) {
		if !slices.Contains(known, name) {
			v.failAt(at, meant(name, unique(known[3:])), "the fleet has no %q, which %s names", name, state.EdgeTitle(target))
		}
	}
}

func (v *validator) task(at stack.Pos, name string) {
	service, task, _ := strings.Cut(name, " ")
	svc := v.stack.Service(service)
	if svc == nil {
		v.failAt(at, "", "the stack has no service %q with a task %q", service, task)
		return
	}
	var known []string
	for _, t := range svc.Tasks {
		if t.Name == task {
			return
		}
		known = append(known, t.Name)
	}
	v.failAt(at, meant(task, known), "%s has no task %q", service, task)
}

// touches are the services that an experiment disturbs: two that touch the same are not run beside each other.
func (e *Experiment) touches() []string {
	out := slices.Clone(e.Apart)
	for _, f := range e.Faulted() {
		out = append(out, sides(f.Target)...)
	}
	for _, s := range e.steps() {
		switch a := s.Act.(type) {
		case *operation:
			out = append(out, a.name)
		case *scaling:
			out = append(out, a.service)
		}
	}
	for i, name := range out {
		out[i] = replica.ReplaceAllString(name, "") // of one service
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// replica is the end of a replica's name.
var replica = regexp.MustCompile(`-[0-9]+$`)

// Apart reports whether two experiments may run at the same time: they disturb no service together.
func Apart(a, b *Experiment) bool {
	other := b.touches()
	return !slices.ContainsFunc(a.touches(), func(name string) bool {
		return name == "*" || slices.Contains(other, name) || slices.Contains(other, "*")
	})
}
