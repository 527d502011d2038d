package experiment

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Read reads the experiment in a file: one of ours, or one of Chaos Toolkit in YAML or JSON. Its error is
// stack.Errors, every mistake at once in the order of the file, or says why the file cannot be read.
func Read(path, shown string) (*Experiment, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read experiment: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read experiment: %s is no file", shown)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read experiment: %w", err)
	}
	return Parse(shown, data)
}

// Parse reads an experiment; file is how messages call it.
func Parse(file string, data []byte) (*Experiment, error) {
	r := &reader{file: file}
	doc := r.document(data)
	if doc == nil {
		return nil, r.result()
	}
	var e *Experiment
	if foreign(doc) {
		e = r.toolkit(doc)
	} else {
		e = r.experiment(doc)
	}
	if err := r.result(); err != nil {
		return nil, err
	}
	e.number()
	return e, nil
}

func (r *reader) experiment(doc *yaml.Node) *Experiment {
	e := &Experiment{Pos: r.pos(doc)}
	var steady []Probe
	r.mapping(doc, "an experiment", []field{
		{"title", r.text(&e.Title)},
		{"description", r.text(&e.Description)},
		{"tags", r.texts(&e.Tags)},
		{"flag", r.text(&e.Flag)},
		{"seed", func(n *yaml.Node) {
			v, err := strconv.ParseUint(n.Value, 10, 64)
			if err != nil || v == 0 {
				r.fail(n, "write seed: 7", "%q is no whole number above 0", shorten(n.Value))
			}
			e.Seed = v
		}},
		{"limit", r.duration(&e.Limit, time.Second, limitMost)},
		{"apart", r.texts(&e.Apart)},
		{"setup", r.steps("setup", &e.Setup, false)},
		{"workload", func(n *yaml.Node) {
			if n.Kind == yaml.MappingNode {
				e.Workload = append(e.Workload, r.load(n))
				return
			}
			r.each("workload", func(n *yaml.Node) { e.Workload = append(e.Workload, r.load(n)) })(n)
		}},
		{"steady", r.probes("steady", &steady)},
		{"before", r.probes("before", &e.Before)},
		{"during", r.probes("during", &e.During)},
		{"after", r.probes("after", &e.After)},
		{"abort", r.probes("abort", &e.Abort)},
		{"faults", r.steps("faults", &e.Faults, true)},
		{"rollback", r.steps("rollback", &e.Rollback, false)},
	})
	e.Before = slices.Concat(steady, e.Before)
	e.After = slices.Concat(steady, e.After)
	r.consistent(doc, e)
	r.variables(e, nil)
	return e
}

// consistent checks what concerns more than one key.
func (r *reader) consistent(doc *yaml.Node, e *Experiment) {
	if e.Title == "" {
		r.fail(doc, "add title: what must hold, in one sentence", "the experiment has no title")
	}
	if len(e.Before)+len(e.During)+len(e.After) == 0 {
		r.fail(doc, "add steady: with a probe", "the experiment looks at nothing: there is no steady, before, during or after")
	}
	seen := map[string]bool{}
	for _, l := range e.Workload {
		if seen[l.Name] {
			r.failAt(l.Pos, "give each a name:", "two workloads are called %q", l.Name)
		}
		seen[l.Name] = true
	}
	last := time.Duration(0)
	for _, s := range e.Faults {
		last = max(last, s.At+s.For)
	}
	for _, l := range e.Workload {
		last = max(last, l.At+l.For)
	}
	if last > e.limit() {
		r.fail(doc, "write limit: "+(last+time.Minute).String(), "faults and workload take %v, over the limit %v", last, e.limit())
	}
}

// steps reads a list of steps. Those with times may say at and for.
func (r *reader) steps(what string, into *[]Step, timed bool) func(*yaml.Node) {
	return r.each(what, func(n *yaml.Node) { *into = append(*into, r.step(what, n, timed)) })
}

func (r *reader) step(what string, n *yaml.Node, timed bool) Step {
	s := Step{Pos: r.pos(n)}
	common := []field{{"name", r.text(&s.Name)}}
	if timed {
		common = append(common, field{"at", r.duration(&s.At, 0, limitMost)}, field{"for", r.duration(&s.For, time.Millisecond, limitMost)})
	}
	var known []string
	for _, a := range Actions {
		known = append(known, a.Name)
		if has(n, a.Name) != nil && (s.Act == nil) {
			s.Kind, s.Act = a.Name, a.New()
		}
	}
	if s.Act == nil {
		var others []string
		for _, a := range Actions {
			others = append(others, keysOf(a.New().fields(r))...)
		}
		at, hint := misspelt(n, known, others, "a step is one of "+strings.Join(known, ", "))
		r.fail(at, hint, "this step of %s does not say what is done", what)
		return s
	}
	r.mapping(n, "a step", append(common, s.Act.fields(r)...))
	r.fills(n, s.Kind, false)
	if s.Name == "" {
		s.Name = s.Act.String()
	}
	return s
}

// probes reads a list of probes.
func (r *reader) probes(phase string, into *[]Probe) func(*yaml.Node) {
	return r.each(phase, func(n *yaml.Node) { *into = append(*into, r.probe(phase, n)) })
}

func (r *reader) probe(phase string, n *yaml.Node) Probe {
	p := Probe{Pos: r.pos(n)}
	common := []field{{"name", r.text(&p.Name)}}
	switch phase {
	case "during", "abort":
		common = append(common, field{"every", r.duration(&p.Every, everyLeast, limitMost)}, field{"from", r.duration(&p.From, 0, limitMost)},
			field{"to", r.duration(&p.To, 0, limitMost)}, field{"tolerate", r.whole(&p.Tolerate, 0, 1_000_000)})
	default:
		common = append(common, field{"within", r.duration(&p.Within, 0, limitMost)}, field{"stays", r.duration(&p.Stays, 0, limitMost)})
	}
	var known []string
	for _, k := range Kinds {
		known = append(known, k.Name)
		if has(n, k.Name) != nil && p.Look == nil {
			p.Kind, p.Look = k.Name, k.New()
		}
	}
	if p.Look == nil {
		var others []string
		for _, k := range Kinds {
			others = append(others, keysOf(k.New().fields(r))...)
		}
		at, hint := misspelt(n, known, others, "a probe is one of "+strings.Join(known, ", "))
		r.fail(at, hint, "this probe of %s does not say what it looks at", phase)
		return p
	}
	r.mapping(n, "a "+p.Kind+" probe", append(common, p.Look.fields(r)...))
	r.fills(n, p.Kind, false)
	if p.Name == "" {
		p.Name = p.Kind + " " + shorten(has(n, p.Kind).Value)
	}
	return p
}
