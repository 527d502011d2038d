package stack

import (
	"bytes"
	"cmp"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// Format returns the stack as one normalised stack.yaml: merged, with resolved names and
// without what is the default, which loads to the same stack from the same folder. With mask, values that are or may be secret are
// [Mask]: those of env files, of variables with such a name, and passwords in URLs and arguments.
func (s *Stack) Format(mask bool) []byte {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(s.tree(mask)); err != nil {
		panic("encode stack: " + err.Error()) // the tree holds only what we put there
	}
	return b.Bytes()
}

// tree builds what Format and JSON print.
func (s *Stack) tree(mask bool) *yaml.Node {
	w := writer{stack: s, mask: mask}
	root := mapping()
	put(root, "version", number(1))
	put(root, "name", word(s.Name))
	if s.NoMesh {
		put(root, "mesh", off())
	}
	put(root, "telemetry", telemetryNode(s.Telemetry))
	resources, services, profiles := mapping(), mapping(), mapping()
	for _, r := range s.Resources {
		put(resources, r.Name, w.resource(r))
	}
	for _, svc := range s.Services {
		put(services, svc.Name, w.service(svc))
	}
	for _, p := range s.Profiles {
		put(profiles, p.Name, list(p.Services))
	}
	put(root, "resources", full(resources))
	put(root, "services", full(services))
	put(root, "profiles", full(profiles))
	return root
}

// writer writes the parts of a stack as YAML nodes.
type writer struct {
	stack *Stack
	mask  bool
}

func (w writer) resource(r *Resource) *yaml.Node {
	m := mapping()
	put(m, "type", word(r.Type))
	put(m, "embedded", word(r.Embedded))
	put(m, "image", word(r.Image))
	put(m, "runtime", word(r.Runtime))
	put(m, "dedicated", yes(r.Dedicated))
	put(m, "command", w.argv(r.Command))
	put(m, "listen", ports(r.Listen))
	put(m, "env", w.env(r.Env))
	put(m, "volumes", words(r.Volumes))
	put(m, "health", w.probe(r.Health))
	return m
}

func (w writer) service(s *Service) *yaml.Node {
	m := mapping()
	put(m, "path", word(s.Path))
	put(m, "command", w.argv(s.Command))
	put(m, "image", word(s.Image))
	put(m, "build", w.build(s.Build))
	put(m, "dir", word(w.dir(s)))
	put(m, "run", word(s.Run))
	put(m, "requires", requires(s.Requires))
	put(m, "optional", yes(s.Optional))
	put(m, "listen", ports(s.Listen))
	put(m, "calls", calls(s.Calls))
	put(m, "weights", weightsNode(s.Weights))
	put(m, "uses", uses(s))
	put(m, "publishes", words(s.Publishes))
	put(m, "consumes", words(s.Consumes))
	put(m, "after", words(s.After))
	put(m, "env", w.env(s.Env))
	put(m, "health", w.probe(s.Health))
	put(m, "job", yes(s.Job))
	if s.Replicas != 1 {
		put(m, "replicas", number(s.Replicas))
	}
	if s.Restart != (Restart{defaultPolicy(s.Job), 0, defaultDelay}) {
		put(m, "restart", restartNode(s.Restart))
	}
	if s.Stop != (Stop{defaultSignal, defaultGrace}) {
		put(m, "stop", stopNode(s.Stop))
	}
	put(m, "limits", limitsNode(s.Limits))
	put(m, "watch", watchNode(s.Watch))
	put(m, "tasks", w.tasks(s.Tasks))
	put(m, "contract", w.contract(s.Contract))
	return m
}

// dir returns the working folder as the file would say it, "" where that is the default.
func (w writer) dir(s *Service) string {
	if s.Dir == cmp.Or(s.Source, w.stack.Dir) {
		return ""
	}
	return filepath.ToSlash(relative(w.stack.Dir, s.Dir))
}

func (w writer) build(b *Build) *yaml.Node {
	if b == nil {
		return nil
	}
	m := mapping()
	put(m, "command", w.argv(b.Command))
	put(m, "dockerfile", word(b.Dockerfile))
	return full(m)
}

func (w writer) tasks(ts []Task) *yaml.Node {
	m := mapping()
	for _, t := range ts {
		put(m, t.Name, w.argv(t.Command))
	}
	return full(m)
}

func (w writer) contract(c *Contract) *yaml.Node {
	if c == nil {
		return nil
	}
	m := mapping()
	put(m, "test", w.argv(c.Test))
	return full(m)
}

// argv is always a list: what was a line for the shell shows its sh -c.
func (w writer) argv(args []string) *yaml.Node {
	if w.mask {
		args = MaskArguments(args)
	}
	return words(args)
}

func (w writer) env(vars []Var) *yaml.Node {
	m := mapping()
	for _, v := range vars {
		text := v.Value
		if v.Literal {
			text = strings.ReplaceAll(text, "$", "$$")
		}
		if w.mask {
			text = maskVar(v, text)
		}
		put(m, v.Name, str(text))
	}
	return full(m)
}

func (w writer) probe(p *Probe) *yaml.Node {
	if p == nil {
		return nil
	}
	m := mapping()
	put(m, "http", word(p.HTTP))
	put(m, "tcp", word(p.TCP))
	put(m, "grpc", word(p.GRPC))
	put(m, "log", word(p.Log))
	put(m, "exec", w.argv(p.Exec))
	put(m, "port", word(p.Port))
	put(m, "timeout", span(p.Timeout))
	put(m, "deadline", span(p.Deadline))
	if p.Interval < 0 {
		put(m, "interval", word("never"))
	} else {
		put(m, "interval", span(p.Interval))
	}
	put(m, "failures", number(p.Failures))
	return m
}
