package fleet

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// Plan is what will be run, in an order in which every step follows what it needs.
type Plan struct {
	Stack   string
	Dir     string
	Runtime string
	Steps   []*Step
	Ports   Ports // of every listener, by "unit/listen"
	Choices []resource.Choice
	Edges   []Edge // ports that msctl holds in front of services first

	hidden []string // values that must not be shown
}

// Step is one unit of the plan with the reason why it is there.
type Step struct {
	Name    string // of the unit
	Service string // of the service, resource or server
	Sort    state.Sort
	Replica int    // of a service, from 1
	Backing string // "go", "container postgres:17", "embedded nats"
	Reason  string // "asked for", "gateway needs it", …
	Skip    string // why this machine does not run it; "" it does
	Lacks   string // dry run: what this machine lacks to run it
	Needs   []Need
	URL     string // to show; without password
	Unit    driver.Unit
	Probe   *stack.Probe // nil asks nothing but the listeners, or the server's own protocol
	Restart stack.Restart

	def    *stack.Service   // of a service or job
	server *resource.Server // of a server, and of a resource that lives on one
	choice *resource.Choice // of a resource
	place  resource.Place   // of the server, or of the file
	given  []string         // names of the variables that msctl gives, in order
	rank   int              // place in the file; 0 for servers and resources, which come first
}

// Need is one unit that must be ready before another starts.
type Need struct {
	Name string // of a service, resource or server
	Soft bool   // it may be broken: it is optional
}

// facts is what planning has to know of the machine; everything else follows from the stack.
type facts struct {
	choices  []resource.Choice
	ports    Ports
	skip     map[string]string // optional services that cannot run here, and why
	lacks    map[string]string // and the others
	replicas map[string]int    // changed by scale
	kept     map[string]bool   // services whose first replica keeps their own ports, though it may not be alone
	secret   string            // passwords of servers are made from it
	secrets  *stack.Secrets    // the user's
}

// NewPlan decides what to run and how. It looks at the machine, chooses ports and keeps them, but starts
// nothing.
func NewPlan(ctx context.Context, o Options) (*Plan, error) { return newPlan(ctx, o, present{}) }

// newPlan is NewPlan for a fleet that may run already.
func newPlan(ctx context.Context, o Options, now present) (*Plan, error) {
	picked, err := pick(o)
	if err != nil {
		return nil, err
	}
	choices, err := resource.Resolve(picked.Stack, o.Machine, o.Runtime)
	if err != nil {
		return nil, err
	}
	skip, lacks, err := unable(ctx, o, picked.Services)
	if err != nil && !o.DryRun {
		return nil, err
	}
	fs := facts{choices: choices, skip: skip, lacks: lacks, replicas: now.replicas}
	fs.kept = fs.undisturbed(picked, now.holds)
	if fs.secret, err = resource.LoadSecret(filepath.Join(o.StateDir, "data")); err != nil {
		return nil, err
	}
	if fs.secrets, err = stack.LoadSecrets(o.Stack.Dir, o.Getenv); err != nil {
		return nil, err
	}
	if err := fs.secrets.Check(picked.Stack); err != nil {
		return nil, err
	}
	if fs.ports, err = choosePorts(ctx, o, demands(o, picked, fs), now.ports); err != nil {
		return nil, err
	}
	return makePlan(o, picked, fs)
}

// makePlan is pure: the same options and facts make the same plan.
func makePlan(o Options, picked picked, fs facts) (*Plan, error) {
	p := &planner{o: o, picked: picked, facts: fs, needs: needs(o.Stack), places: map[string]resource.Place{}}
	p.plan = &Plan{Stack: o.Stack.Name, Dir: o.Stack.Dir, Runtime: o.Runtime, Ports: fs.ports, Choices: fs.choices}
	if p.plan.Runtime == "" {
		p.plan.Runtime = string(resource.Auto)
	}
	p.servers = resource.Servers(fs.choices)
	for i := range p.servers {
		if err := p.server(&p.servers[i]); err != nil {
			return nil, err
		}
	}
	for i := range fs.choices {
		p.resource(&fs.choices[i])
	}
	rank := make(map[*stack.Service]int, len(picked.Services))
	for i, s := range picked.Services {
		rank[s] = i + 1
	}
	for _, s := range inOrder(picked.Stack) {
		if err := p.service(s, rank[s]); err != nil {
			return nil, err
		}
	}
	p.plan.Edges = p.edges()
	p.plan.hidden = p.hides()
	return p.plan, p.unique()
}

// planner holds what the steps are made from.
type planner struct {
	o Options
	picked
	facts
	plan    *Plan
	servers []resource.Server
	places  map[string]resource.Place // of servers
	needs   map[string][]string
}

// place returns where a server, or a resource that is a file, lives.
func (p *planner) place(name string) resource.Place {
	return resource.Place{
		DataDir:  filepath.Join(p.o.StateDir, "data", name),
		CacheDir: p.o.CacheDir,
		LogDir:   filepath.Join(p.o.StateDir, "logs", name),
		Exe:      p.o.Exe,
		Ports:    p.ports.of(name),
		Stack:    p.o.ID,
		Secret:   p.secret,
	}
}

// server adds the step of a backing server.
func (p *planner) server(s *resource.Server) error {
	place := p.place(s.Name)
	first := s.Choices[0]
	if env := first.Resource.Env; len(env) > 0 {
		var err error
		if place.Env, err = p.resourceEnv(first.Resource); err != nil {
			return err
		}
	}
	p.places[s.Name] = place
	u, err := s.Unit(place)
	if err != nil {
		return err
	}
	u.Ephemeral = p.o.Ephemeral
	var users []string
	for _, c := range s.Choices {
		users = append(users, c.Resource.Name)
	}
	st := &Step{
		Name: s.Name, Service: s.Name, Sort: state.Server, Backing: first.Backing(), Unit: u,
		Reason: "home of " + list(users) + "; " + first.Reason, server: s, place: place, URL: serverURL(first, place),
	}
	for _, to := range p.needs[first.Resource.Name] { // a container whose environment names others
		st.Needs = append(st.Needs, Need{Name: to})
	}
	p.plan.Steps = append(p.plan.Steps, st)
	return nil
}

// resource adds the step of one database, virtual host or file.
func (p *planner) resource(c *resource.Choice) {
	st := &Step{
		Name: c.Resource.Name, Service: c.Resource.Name, Sort: state.Resource, Backing: c.Backing(),
		Reason: p.why[c.Resource.Name], choice: c, place: p.home(c), URL: bare(c.Endpoint(p.home(c)).URL),
	}
	for i := range p.servers {
		if p.servers[i].Name == c.Server {
			st.server = &p.servers[i]
			st.Needs = []Need{{Name: c.Server}}
		}
	}
	p.plan.Steps = append(p.plan.Steps, st)
}

// home returns the place of a resource: its server's, or the folder of all files.
func (p *planner) home(c *resource.Choice) resource.Place {
	if c.Server == "" {
		return p.place("files")
	}
	return p.places[c.Server]
}

// service adds a step for each replica of a service.
func (p *planner) service(s *stack.Service, rank int) error {
	n := p.count(s)
	for replica := 1; replica <= n; replica++ {
		st, err := p.replica(s, replica)
		if err != nil {
			return err
		}
		st.rank = rank
		p.plan.Steps = append(p.plan.Steps, st)
	}
	return nil
}

// count returns how many replicas of a service run.
func (f facts) count(s *stack.Service) int {
	if n, scaled := f.replicas[s.Name]; scaled {
		return n
	}
	return max(1, s.Replicas)
}

// replica makes the step of one replica.
func (p *planner) replica(s *stack.Service, replica int) (*Step, error) {
	name := unitName(s.Name, replica)
	st := &Step{
		Name: name, Service: s.Name, Sort: state.Service, Replica: replica, Backing: backing(s, p.o.Machine), Reason: p.why[s.Name],
		Skip: p.skip[s.Name], Lacks: p.lacks[s.Name], Probe: s.Health, Restart: s.Restart, def: s,
	}
	if s.Job {
		st.Sort, st.Replica = state.Job, 0
	}
	for _, to := range p.needs[s.Name] {
		if p.has(to) {
			other := p.o.Stack.Service(to)
			st.Needs = append(st.Needs, Need{Name: to, Soft: other != nil && other.Optional})
		}
	}
	ports := p.listen(st, s, replica)
	var err error
	st.Unit, err = p.unit(s, name, ports)
	if err != nil {
		return nil, err
	}
	st.Unit.Env, st.given, err = p.environment(s, name, ports)
	return st, err
}

// listen returns the ports of a replica, and notes the URL to show.
func (p *planner) listen(st *Step, s *stack.Service, replica int) []driver.Port {
	var ports []driver.Port
	for _, l := range s.Listen {
		ports = append(ports, driver.Port{Name: l.Name, Host: p.own(s, l, replica), Inside: inside(s, l)})
	}
	main := mainListen(s)
	shown := p.ports[key(s.Name, main)]
	if l, ok := s.Port(main); ok && replica > 1 && !p.fronted(s, l) {
		shown = p.own(s, l, replica) // the service's is the first one's alone
	}
	st.URL = address(scheme(s, main), shown)
	return ports
}

// shared reports whether a service's ports are shared by replicas.
func (f facts) shared(s *stack.Service) bool {
	_, scaled := f.replicas[s.Name]
	return scaled || s.Replicas > 1
}

// unit makes what is run, but for its environment.
func (p *planner) unit(s *stack.Service, name string, ports []driver.Port) (driver.Unit, error) {
	u := driver.Unit{
		Name: name, Dir: s.Dir, Ports: ports, LogDir: filepath.Join(p.o.StateDir, "logs", name), Ephemeral: p.o.Ephemeral,
		Signal: s.Stop.Signal, Grace: s.Stop.Grace, CPU: s.Limits.CPU, Memory: s.Limits.Memory,
	}
	if !container(s) {
		var err error
		u.Argv, err = argv(s, p.o.CacheDir)
		return u, err
	}
	u.Dir, u.Argv, u.Image = "", s.Command, image(p.o, s)
	u.HostNetwork = hostNetwork(s)
	if !u.HostNetwork {
		for i := range u.Ports {
			if u.Ports[i].Inside == 0 {
				u.Ports[i].Inside = u.Ports[i].Host
			}
		}
	}
	return u, nil
}

// unique refuses two units of one name: a service and the replica of another.
func (p *planner) unique() error {
	seen := map[string]*Step{}
	for _, st := range p.plan.Steps {
		if other := seen[st.Name]; other != nil {
			return &stack.Error{
				Pos: pos(st, other), Msg: fmt.Sprintf("two units are called %q: of %s and of %s", st.Name, other.Service, st.Service),
				Hint: "rename the service",
			}
		}
		seen[st.Name] = st
	}
	return nil
}

func pos(steps ...*Step) stack.Pos {
	for _, st := range steps {
		if st.def != nil {
			return st.def.Pos
		}
	}
	return stack.Pos{}
}

// unitName returns "orders" for the first replica, then "orders-2".
func unitName(service string, replica int) string {
	if replica <= 1 {
		return service
	}
	return service + "-" + strconv.Itoa(replica)
}

// backName names a replica's own ports: another word than the unit's, for the first one's are shared.
func backName(service string, replica int) string { return service + "#" + strconv.Itoa(replica) }

// container reports whether a service runs in one.
func container(s *stack.Service) bool { return s.InContainer() }

// backing says how a service is run.
func backing(s *stack.Service, m resource.Machine) string {
	switch {
	case s.Language == stack.Image:
		return "container " + m.Image(s.Image)
	case container(s):
		return "container " + string(s.Language)
	}
	return string(s.Language)
}

// states returns the first snapshot's units: all of them pending, in the order of the file.
func (p *Plan) states() []state.Unit {
	steps := slices.Clone(p.Steps)
	slices.SortStableFunc(steps, func(a, b *Step) int { return a.rank - b.rank })
	units := make([]state.Unit, len(steps))
	for i, st := range steps {
		units[i] = st.state()
	}
	return units
}

// state is what is known of a unit before it was started.
func (st *Step) state() state.Unit {
	u := state.Unit{
		Name: st.Name, Service: st.Service, Sort: st.Sort, Replica: st.Replica, Phase: state.Pending, Backing: st.Backing, URL: st.URL,
	}
	if st.Skip != "" {
		u.Phase, u.Reason = state.Skipped, st.Skip
	}
	for _, l := range st.Unit.Ports {
		u.Ports = append(u.Ports, state.Port{Name: l.Name, Addr: addr(l.Host)})
	}
	if page := st.place.Ports["http"]; page != 0 && st.Sort == state.Resource { // the page of its server
		u.Ports = append(u.Ports, state.Port{Name: "http", Addr: addr(page)})
	}
	return u
}
