package scaffold

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/scaffold/route"
)

// Member is a service of a stack's template: one of msctl's own templates, with what it is given.
type Member struct {
	Name     string            `yaml:"name"`
	Template string            `yaml:"template"`
	Uses     map[string]string `yaml:"uses"` // kinds of resources by their names, which the stack.yaml has
	Params   map[string]string `yaml:"params"`
	Route    string            `yaml:"route"` // by which the gateway, an earlier member, leads to it: /PREFIX[=/PATH]
	Open     bool              `yaml:"open"`  // the gateway asks for no token
}

func (m Member) check() error {
	if !ValidName(m.Name) || !ValidName(m.Template) {
		return fmt.Errorf("%q of %q is no name of a service and of a template", m.Name, m.Template)
	}
	if m.Route == "" {
		return nil
	}
	_, err := route.Parse(m.Route)
	return err
}

// StackFile is the file of a stack's template to which its services are added.
const StackFile = stack.FileName

// assembly is a stack that is being made.
type assembly struct {
	text    []byte // of stack.yaml
	outputs []Output
	modules []string
	gateway string // the member that has a table of routes
	table   int    // its index in outputs
}

// NewStack renders the template of a stack and those that it includes, which load finds, and wires them.
// Its stack.yaml is the last of the files. modules are what they need beside the kit's.
func NewStack(t *Template, v Values, load func(name string) (*Template, error)) (outputs []Output, modules []string, err error) {
	all, err := Render(t, v)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(all, func(o Output) bool { return o.Path == StackFile })
	if i < 0 {
		return nil, nil, fmt.Errorf("render %s: it writes no %s", t.Name, StackFile)
	}
	a := &assembly{text: all[i].Data}
	a.outputs = slices.Delete(all, i, i+1)
	for _, m := range t.Includes {
		if err := a.add(m, v, load); err != nil {
			return nil, nil, fmt.Errorf("add service %s: %w", m.Name, err)
		}
	}
	a.outputs = append(a.outputs, Output{Path: StackFile, Data: a.text})
	return a.outputs, a.modules, checkOutputs(a.outputs)
}

// add renders one service and tells stack.yaml and the gateway of it.
func (a *assembly) add(m Member, of Values, load func(name string) (*Template, error)) error {
	t, err := load(m.Template)
	if err != nil {
		return err
	}
	v := Values{Service: m.Name, Path: "services/" + m.Name, Stack: of.Stack, Module: of.Module, Kit: of.Kit, Params: m.Params}
	for _, name := range slices.Sorted(maps.Keys(m.Uses)) {
		v.Uses = append(v.Uses, Use{Name: name, Kind: m.Uses[name]})
	}
	made, err := Render(t, v)
	if err != nil {
		return err
	}
	more, err := ModulesFor(t, v)
	if err != nil {
		return err
	}
	if a.text, err = Register(a.text, t, v); err != nil {
		return err
	}
	a.modules = append(a.modules, more...)
	for _, o := range made {
		if o.Path == path.Join(v.Path, route.File) && a.gateway == "" {
			a.gateway, a.table = m.Name, len(a.outputs)
		}
		a.outputs = append(a.outputs, o)
	}
	return a.lead(m)
}

// lead adds the route of a member, and the edge that goes with it.
func (a *assembly) lead(m Member) error {
	if m.Route == "" {
		return nil
	}
	if a.gateway == "" {
		return fmt.Errorf("add route %s: no service before it has a %s", m.Route, route.File)
	}
	r, err := route.Parse(m.Route)
	if err != nil {
		return err
	}
	if r.Service = m.Name; m.Open {
		r.Auth = route.Open()
	}
	table := &a.outputs[a.table]
	if table.Data, err = route.Add(table.Data, r); err != nil {
		return err
	}
	doc, err := stack.Edit(a.text)
	if err != nil {
		return err
	}
	if err := doc.AddOptionalCall(a.gateway, m.Name, ""); err != nil {
		return err
	}
	a.text = doc.Bytes()
	return nil
}
