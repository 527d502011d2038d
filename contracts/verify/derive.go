package verify

import (
	"slices"
	"strings"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/internal/stack"
)

// Alone is a stack in which providers run each alone: with resources of its own, and with stubs in place of
// the services that it calls.
type Alone struct {
	Stack *stack.Stack
	Stubs []string // edges that stubs answer for: "orders:payments"
	Bare  []string // those of them that have no pact: their stubs refuse everything
	// Resources names, for each provider, what its resources are called here by what it calls them.
	Resources map[string]map[string]string
}

// StubUnit is the service that serves all stubs of a derived stack.
const StubUnit = "contract-stubs"

// Derive makes of st the stack in which the named providers run each alone. A call without a pact of its own
// is answered by a stub that knows nothing, or left out where it is optional. stub is the argv of the
// program that serves edges; it is given them as further words.
func Derive(st *stack.Stack, providers []string, pacts []contracts.Pact, stub []string) Alone {
	d := &derivation{from: st, pacts: map[string]bool{}}
	for _, p := range pacts {
		d.pacts[p.Edge()] = true
	}
	d.out = Alone{Resources: map[string]map[string]string{}, Stack: &stack.Stack{
		Name: st.Name, Dir: st.Dir, Files: st.Files, NoMesh: true, Telemetry: stack.Telemetry{Off: true},
	}}
	d.stubs = &stack.Service{
		Name: StubUnit, Dir: st.Dir, Language: stack.Command, Run: "process", Replicas: 1, Restart: stack.Restart{Policy: "never"},
	}
	for _, name := range providers {
		if s := st.Service(name); s != nil {
			d.provider(s)
		}
	}
	if len(d.out.Stubs) > 0 {
		d.stubs.Command = slices.Concat(stub, d.out.Stubs)
		d.out.Stack.Services = append(d.out.Stack.Services, d.stubs)
	}
	return d.out
}

type derivation struct {
	from  *stack.Stack
	pacts map[string]bool // by edge
	stubs *stack.Service
	out   Alone
}

// provider adds one service with copies of its resources.
func (d *derivation) provider(s *stack.Service) {
	own := *s
	own.Calls, own.Uses, own.Direct, own.Weights, own.After, own.Tasks = nil, nil, nil, nil, nil, nil
	own.Watch, own.Replicas, own.Job = stack.Watch{}, 1, false
	own.Restart = stack.Restart{Policy: "never"} // one that crashes is told, and not waited for
	own.Listen = slices.Clone(s.Listen)
	for i := range own.Listen {
		own.Listen[i].Port, own.Listen[i].Inside = 0, inside(own.Listen[i])
	}
	names := map[string]string{}
	d.out.Resources[s.Name] = map[string]string{}
	var given []stack.Var
	for _, r := range d.resources(s) {
		copied := d.copy(s, r)
		names[r.Name] = copied
		d.out.Resources[s.Name][r.Name] = copied
		own.Uses = append(own.Uses, copied)
		given = append(given, stack.Var{Name: variable(r.Name, "URL"), Value: "${" + copied + ".url}", Pos: s.Pos})
	}
	for _, to := range d.callees(s) {
		given = append(given, d.stub(s, &own, to)...)
	}
	for _, e := range s.Env {
		own.Env = append(own.Env, d.rename(s, e, names))
	}
	own.Env = append(given, own.Env...)
	d.out.Stack.Services = append(d.out.Stack.Services, &own)
}

// inside keeps the port that an image opens, and lets msctl choose every other.
func inside(l stack.Listen) int {
	if l.Inside == stack.AutoPort {
		return 0
	}
	return l.Inside
}

// resources returns what a service uses, and what its environment refers to.
func (d *derivation) resources(s *stack.Service) []*stack.Resource {
	var out []*stack.Resource
	for _, r := range d.from.Resources {
		if slices.Contains(s.Uses, r.Name) || refers(s, r.Name) {
			out = append(out, r)
		}
	}
	return out
}

// copy adds a provider's own copy of a resource.
func (d *derivation) copy(s *stack.Service, r *stack.Resource) string {
	own := *r
	own.Name = s.Name + "--" + r.Name
	own.Listen = slices.Clone(r.Listen)
	d.out.Stack.Resources = append(d.out.Stack.Resources, &own)
	d.out.Stack.Edges = append(d.out.Stack.Edges, stack.Edge{From: s.Name, To: own.Name, Protocol: r.Type})
	return own.Name
}

// callees returns the services that one calls or refers to, but those that it can do without and has no
// pact with.
func (d *derivation) callees(s *stack.Service) []*stack.Service {
	var out []*stack.Service
	for _, to := range d.from.Services {
		if to.Name == s.Name {
			continue
		}
		i := slices.IndexFunc(s.Calls, func(c stack.Call) bool { return c.To == to.Name })
		if i < 0 && !refers(s, to.Name) || i >= 0 && s.Calls[i].Optional && !d.pacts[s.Name+":"+to.Name] && !refers(s, to.Name) {
			continue
		}
		out = append(out, to)
	}
	return out
}

// stub adds listeners in place of a callee, and returns the variables by which the caller finds them.
func (d *derivation) stub(s, own *stack.Service, to *stack.Service) []stack.Var {
	edge := s.Name + ":" + to.Name
	d.out.Stubs = append(d.out.Stubs, edge)
	if !d.pacts[edge] {
		d.out.Bare = append(d.out.Bare, edge)
	}
	if len(own.Calls) == 0 {
		own.Calls = append(own.Calls, stack.Call{To: StubUnit, Direct: true, Pos: s.Pos})
		d.out.Stack.Edges = append(d.out.Stack.Edges, stack.Edge{From: s.Name, To: StubUnit, Protocol: "http"})
	}
	var given []stack.Var
	for _, l := range to.Listen {
		name := StubListen(s.Name+":"+to.Name, l.Name)
		d.stubs.Listen = append(d.stubs.Listen, stack.Listen{Name: name, Pos: s.Pos})
		if l.Name == "http" || len(to.Listen) == 1 && l.Name != "grpc" && l.Name != "tcp" {
			given = append(given, stack.Var{Name: variable(to.Name, "URL"), Value: "http://${" + StubUnit + "." + name + ".addr}", Pos: s.Pos})
		}
		if l.Name != "http" {
			given = append(given, stack.Var{Name: variable(to.Name, l.Name, "ADDR"), Value: "${" + StubUnit + "." + name + ".addr}", Pos: s.Pos})
		}
	}
	return given
}

// StubListen names the listener of a stub: of the edge, in place of one listener of the callee.
func StubListen(edge, listen string) string {
	return strings.ReplaceAll(edge, ":", "--") + "--" + listen
}

// StubPort is the variable in which the stub finds its port.
func StubPort(edge, listen string) string { return variable(StubListen(edge, listen), "PORT") }

// variable makes a name for the environment: "orders-db", "url" is ORDERS_DB_URL.
func variable(words ...string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.Join(words, "_"), "-", "_"))
}

// refers reports whether the environment of a service names another.
func refers(s *stack.Service, name string) bool {
	for _, e := range s.Env {
		refs, err := e.Refs()
		if err == nil && slices.ContainsFunc(refs, func(r stack.Ref) bool { return r.Scheme == "" && r.Name == name }) {
			return true
		}
	}
	return false
}

// rename makes the references of a variable point to the copies and stubs.
func (d *derivation) rename(s *stack.Service, e stack.Var, names map[string]string) stack.Var {
	if e.Literal {
		return e
	}
	var b strings.Builder
	for rest := e.Value; ; {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		if !found {
			break
		}
		b.WriteByte('$')
		rest = after
		if strings.HasPrefix(after, "$") {
			b.WriteByte('$')
			rest = after[1:]
			continue
		}
		ref, tail, closed := strings.Cut(after, "}")
		if !closed || !strings.HasPrefix(after, "{") {
			continue
		}
		b.WriteString("{" + d.renamed(s, ref[1:], names) + "}")
		rest = tail
	}
	e.Value = b.String()
	return e
}

// renamed is what stands between the braces: "legacy.url" is the address of the stub's listener.
func (d *derivation) renamed(s *stack.Service, ref string, names map[string]string) string {
	words := strings.Split(ref, ".")
	if copied := names[words[0]]; copied != "" {
		return strings.Join(append([]string{copied}, words[1:]...), ".")
	}
	to := d.from.Service(words[0])
	if to == nil || to.Name == s.Name || len(words) < 2 || len(to.Listen) == 0 {
		return ref
	}
	listen := to.Listen[0].Name
	if _, ok := to.Port("http"); ok {
		listen = "http"
	}
	if len(words) == 3 {
		listen = words[1]
	}
	return StubUnit + "." + StubListen(s.Name+":"+to.Name, listen) + "." + words[len(words)-1]
}
