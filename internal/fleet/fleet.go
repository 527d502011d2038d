// Package fleet brings a stack up, keeps it and takes it down: it plans the steps, starts each unit the
// moment what it needs is ready, probes it, restarts it, and rebuilds what is edited.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// Options says which fleet to run and with what.
type Options struct {
	Stack     *stack.Stack
	Load      func() (*stack.Stack, error) // reads the stack again for Reload; nil: it cannot be reloaded
	Services  []string                     // to run, with what they need; empty is the profile's, or all
	Profile   string
	NoDeps    bool // without what the services need
	Isolated  bool // a second copy: fixed ports become automatic ones
	Watch     bool // rebuild and restart what is edited
	DryRun    bool // the plan is only looked at: services that this machine cannot run are part of it
	Telemetry bool // somebody listens on the ports of [Fleet.Receiver], unless the stack has telemetry off
	Ephemeral bool // every unit ends with the supervisor, however it ends
	Runtime   string
	ID        string // marker of this running stack, unique on the machine
	StateDir  string // absolute; .msctl beside stack.yaml, or a copy's own
	CacheDir  string // absolute; built programs and templates of data folders
	PortsDir  string // absolute; shared by all stacks of this user, so that their automatic ports differ
	Exe       string // msctl itself, which runs the embedded servers
	Machine   resource.Machine
	Process   driver.Driver
	Container driver.Driver // nil where no engine answers
	Images    ImageBuilder  // nil where no engine answers
	Log       *slog.Logger  // nil discards
	Getenv    func(string) string
	Running   func(context.Context) []Running         // the stacks of this user that run, to know whose a taken port is; nil: none is known
	Fault     func(state.Fault) (proxy.Fault, error)  // what a fault is on the wire; nil: none is known
	Upset     func(state.Fault) (driver.Upset, error) // what a fault is to what runs; nil: none is known
	Record    func(proxy.Call)                        // is told each call over an edge; must not block; nil: nobody wants to know

	probe func(*Step) prober // tests: instead of the network
}

// ImageBuilder makes container images.
type ImageBuilder interface {
	// Build makes an image from a Dockerfile, relative to dir, and prints what happens to out.
	Build(ctx context.Context, dir, dockerfile, tag string, out Writer) error
	// BuildStatic makes an image that holds one static program and nothing else.
	BuildStatic(ctx context.Context, program, tag string) error
}

// Fleet is one stack that runs. Its methods are safe for concurrent use.
type Fleet struct {
	o      Options
	store  *state.Store
	log    *slog.Logger
	base   context.Context // ends when nothing may run any more; carries no values
	halt   context.CancelCauseFunc
	hurry  chan struct{} // closed to kill what is being stopped
	down   chan struct{} // closed by Down
	began  chan struct{} // closed when Run has started the first plan's units
	made   *maker
	mesh   *mesh
	upsets *upsets
	veil   veil
	logs   output.Hub // what waits for a line shares one watcher of the system

	members   door          // its run counts the changes of which units there are and what they need
	watching  chan struct{} // closed when the folders of the services are watched
	listening *listeners
	rolling   rolls          // of what is edited; the watcher's alone
	goOn      sync.WaitGroup // the units' goroutines

	changing chan struct{} // holds one while another plan is made and followed

	mu       sync.Mutex // guards the rest, and o.Stack
	plan     *Plan
	units    map[string]*unit
	groups   map[string][]*unit // by service
	replicas map[string]int     // by Scale
	killed   bool
	downed   bool
	volumes  bool
	reason   error // why Run ends
}

// New makes a fleet of what the options say, with nothing started yet.
func New(o Options) (*Fleet, error) {
	p, err := NewPlan(context.Background(), o)
	if err != nil {
		return nil, err
	}
	return newFleet(o, p), nil
}

func newFleet(o Options, p *Plan) *Fleet {
	f := &Fleet{
		o: o, plan: p, log: o.Log,
		hurry: make(chan struct{}), down: make(chan struct{}), began: make(chan struct{}), watching: make(chan struct{}), changing: make(chan struct{}, 1),
		units: map[string]*unit{}, groups: map[string][]*unit{},
		listening: &listeners{},
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.base, f.halt = context.WithCancelCause(context.Background())
	f.made = newMaker(f)
	f.mesh = newMesh(f)
	f.upsets = newUpsets(f)
	f.mesh.follow(p)
	f.veil.hide(p.hidden)
	f.store = state.NewStore(state.Snapshot{
		Time: time.Now(), Stack: p.Stack, Dir: p.Dir, Runtime: p.Runtime, PID: os.Getpid(), Units: p.states(), Receiver: p.receiver(),
	})
	f.store.Mask = f.Mask
	for _, st := range p.Steps {
		f.add(st)
	}
	return f
}

// add makes the unit of a step.
func (f *Fleet) add(st *Step) *unit {
	u := newUnit(f, st)
	defer f.members.set(func(g *gate) { g.run++ })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.units[u.name] = u
	f.groups[st.Service] = append(f.groups[st.Service], u)
	return u
}

// forget removes a unit that is gone from the fleet.
func (f *Fleet) forget(u *unit) {
	service := u.plan().Service
	f.mu.Lock()
	delete(f.units, u.name)
	f.groups[service] = slices.DeleteFunc(slices.Clone(f.groups[service]), func(other *unit) bool { return other == u })
	f.mu.Unlock()
	f.store.Publish(state.Event{Kind: state.KindGone, Text: u.name + " is gone", Unit: &state.Unit{Name: u.name, Service: service}})
}

// unit returns the unit of that name, or nil.
func (f *Fleet) unit(name string) *unit {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.units[name]
}

// group returns the units of a service, resource or server.
func (f *Fleet) group(service string) []*unit {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.groups[service]
}

// all returns every unit.
func (f *Fleet) all() []*unit {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]*unit, 0, len(f.units))
	for _, u := range f.units {
		out = append(out, u)
	}
	return out
}

// cause returns why Run ends, or nil while it does not.
func (f *Fleet) cause() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reason
}

// Run brings the fleet up, keeps it, and takes it down when ctx ends or [Fleet.Down] is called. It returns
// when everything has ended. With [driver.ErrDetach] as the cause of ctx all is left running, with
// [driver.ErrKill] it is killed at once.
func (f *Fleet) Run(ctx context.Context) error {
	f.heal(ctx)
	f.prune(ctx)
	if err := f.mesh.openAll(); err != nil {
		f.mesh.closeAll()
		return err
	}
	aux, stopAux := context.WithCancel(f.base)
	defer stopAux()
	var helpers sync.WaitGroup
	f.announce("starting")
	f.made.begin(aux, f.current().Steps)
	for _, u := range f.all() {
		f.goOn.Go(u.loop)
		u.start()
	}
	close(f.began)
	helpers.Go(func() { f.sample(aux) })
	helpers.Go(func() { f.listening.run(aux) })
	if f.o.Watch {
		helpers.Go(func() { f.watch(aux) })
	}
	select {
	case <-ctx.Done():
		f.end(context.Cause(ctx))
	case <-f.down:
		f.end(errStop)
	}
	f.goOn.Wait()
	stopAux()
	f.mesh.closeAll()
	f.halt(errStop)
	helpers.Wait()
	f.made.wait()
	return f.sweep()
}

// Down makes Run take everything down and return; volumes also removes the data.
func (f *Fleet) Down(volumes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.volumes = f.volumes || volumes
	if !f.downed {
		f.downed = true
		close(f.down)
	}
}

// Kill ends the patience of a stop that is under way: what is left is killed.
func (f *Fleet) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.killed {
		f.killed = true
		close(f.hurry)
	}
}

// Snapshot returns the state of the fleet now.
func (f *Fleet) Snapshot() state.Snapshot { return f.store.Snapshot() }

// Follow sends the events after the one of that number until ctx ends. See [state.Store.Follow].
func (f *Fleet) Follow(ctx context.Context, after uint64) <-chan state.Event {
	return f.store.Follow(ctx, after)
}

// Receiver returns the ports on which the services expect the receiver of telemetry, 0 where it is off.
func (f *Fleet) Receiver() (http, grpc int) {
	p := f.current()
	return p.Ports[otlpHTTP], p.Ports[otlpGRPC]
}

// receiver is what Receiver says, with the words for it.
func (p *Plan) receiver() *state.Receiver {
	http, grpc := p.Ports[otlpHTTP], p.Ports[otlpGRPC]
	if http == 0 {
		return nil
	}
	return &state.Receiver{HTTP: "http://" + addr(http), GRPC: addr(grpc)}
}

// Stack returns what the fleet follows now.
func (f *Fleet) Stack() *stack.Stack { return f.options().Stack }

// current returns the plan that is followed.
func (f *Fleet) current() *Plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.plan
}

func (f *Fleet) announce(text string) {
	f.store.Publish(state.Event{Kind: state.KindFleet, Text: text})
	f.log.Info("fleet " + text)
}

// Notice tells whoever follows the fleet something about msctl itself. It does not write to the log.
func (f *Fleet) Notice(text string) {
	f.store.Publish(state.Event{Kind: state.KindNotice, Text: text})
}

// note publishes a fact about the whole fleet.
func (f *Fleet) note(kind state.Kind, text string) {
	f.store.Publish(state.Event{Kind: kind, Text: text})
	f.log.Info("fleet noted", "kind", kind, "text", text)
}

// driver returns what runs the step.
func (f *Fleet) driver(st *Step) driver.Driver {
	if st.Unit.Image != "" {
		return f.o.Container
	}
	return f.o.Process
}

func (f *Fleet) logDir(name string) string { return filepath.Join(f.o.StateDir, "logs", name) }

// prune ends what an earlier supervisor, which was killed, left of units that are not in the plan. What
// cannot be ended now is found again by the sweep at the end.
func (f *Fleet) prune(ctx context.Context) {
	var keep []string
	for _, u := range f.all() {
		keep = append(keep, u.name)
	}
	for _, d := range []driver.Driver{f.o.Process, f.o.Container} {
		p, ok := d.(driver.Pruner)
		if !ok {
			continue
		}
		n, err := p.Prune(ctx, keep)
		if err != nil {
			f.log.Warn("left over not ended", "err", err)
		}
		if n > 0 {
			f.note(state.KindNotice, fmt.Sprintf("%d processes or containers of units that are no more were ended", n))
		}
	}
}

// sweep ends what carries the stack's marker all the same, and removes the data when that was asked for.
func (f *Fleet) sweep() error {
	if errors.Is(f.cause(), driver.ErrDetach) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	f.mu.Lock()
	volumes := f.volumes
	f.mu.Unlock()
	var errs []error
	for _, d := range []driver.Driver{f.o.Process, f.o.Container} {
		s, ok := d.(driver.Sweeper)
		if !ok {
			continue
		}
		n, err := s.Sweep(ctx, volumes)
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep: %w", err))
		}
		if n > 0 {
			f.log.Warn("left over ended", "left", n)
		}
	}
	if volumes {
		errs = append(errs, os.RemoveAll(filepath.Join(f.o.StateDir, "data")))
	}
	f.announce("down")
	return errors.Join(errs...)
}
