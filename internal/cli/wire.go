package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/container"
	"msctl.dev/msctl/internal/driver/process"
	"msctl.dev/msctl/internal/fleet"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// parts is what a fleet is made of. This file is the only one that makes them.
type parts struct {
	options  fleet.Options
	sweepers []driver.Sweeper
}

// parts builds what runs a stack at a place.
func (a *App) parts(ctx context.Context, p place, st *stack.Stack, o *upOptions, log *slog.Logger) (parts, error) {
	shared := filepath.Dir(p.newSocket())
	if err := control.PrivateDir(shared); err != nil {
		return parts{}, err
	}
	procs := a.processes(p)
	out := parts{sweepers: []driver.Sweeper{procs}, options: fleet.Options{
		Stack:     st,
		Load:      func() (*stack.Stack, error) { return stack.Load(a.loadOptions()) },
		Services:  o.services,
		Profile:   o.profile,
		NoDeps:    o.noDeps,
		Isolated:  o.isolated,
		Watch:     o.watch,
		Ephemeral: o.ephemeral,
		Telemetry: !st.Telemetry.Off,
		Runtime:   o.runtime,
		ID:        p.id(),
		StateDir:  p.state(),
		CacheDir:  p.cache(),
		PortsDir:  filepath.Join(shared, "ports"),
		Exe:       a.Exe,
		Process:   procs,
		Log:       log,
		Getenv:    a.Getenv,
		Fault:     chaos.Compile,
		Upset:     chaos.Upset,
		Running:   func(ctx context.Context) []fleet.Running { return a.neighbours(ctx, p) },
	}}
	if needsMachine(st) || !missing(containersMark(p)) {
		out.options.Machine = a.machine(ctx)
		if out.options.Machine.Engine == nil {
			d := a.containers(p)
			out.options.Container, out.options.Images = d, images{}
			out.sweepers = append(out.sweepers, d)
		}
	}
	return out, nil
}

// containersMark is a file that is there while a place may have containers: those that a killed supervisor
// left are looked for even where the stack, edited since, needs none.
func containersMark(p place) string { return filepath.Join(p.state(), "containers") }

// needsMachine reports a stack for which it matters what the machine can run.
func needsMachine(st *stack.Stack) bool {
	if len(st.Resources) > 0 {
		return true
	}
	for _, s := range st.Services {
		if s.Run == "container" || s.Language == stack.Image || s.Language == stack.Dockerfile {
			return true
		}
	}
	return false
}

// machine looks at what this machine can run.
func (a *App) machine(ctx context.Context) resource.Machine {
	return resource.Prober{
		Engine: container.Ping,
		HasImage: func(ctx context.Context, name string) bool {
			there, err := container.ImageExists(ctx, name)
			return err == nil && there
		},
		Fetch:  container.CanFetch,
		Getenv: a.Getenv,
	}.Probe(ctx)
}

// processes makes the driver of processes. Its keeper is the small program beside msctl, or msctl itself.
func (a *App) processes(p place) *process.Driver {
	keeper := []string{a.Exe, "keeper"}
	if small := filepath.Join(filepath.Dir(a.Exe), "msctl-keeper"); executable(small) {
		keeper = []string{small}
	}
	return &process.Driver{RunDir: p.run(), Stack: p.id(), Keeper: keeper}
}

func executable(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// containers makes the driver of containers.
func (a *App) containers(p place) *container.Driver {
	return &container.Driver{Stack: p.id(), ImagePrefix: a.Getenv("MSCTL_IMAGE_PREFIX"),
		Reaper: []string{a.Exe, "reap-containers"}}
}

// executor runs commands inside the containers of a stack.
func (a *App) executor(p place) driver.Executor { return a.containers(p) }

// sweepers makes what ends a stack without any state: by the marks on its processes and containers.
func (a *App) sweepers(ctx context.Context, p place) parts {
	out := parts{sweepers: []driver.Sweeper{a.processes(p)}}
	if container.Ping(ctx) == nil {
		out.sweepers = append(out.sweepers, a.containers(p))
	}
	return out
}

// sweep ends what carries the stack's marks and returns how much it found.
func (p parts) sweep(ctx context.Context, volumes bool) (int, error) {
	total := 0
	var errs []error
	for _, s := range p.sweepers {
		n, err := s.Sweep(ctx, volumes)
		total += n
		errs = append(errs, err)
	}
	return total, errors.Join(errs...)
}

// images makes container images with the engine that answers.
type images struct{}

func (images) Build(ctx context.Context, dir, dockerfile, tag string, out fleet.Writer) error {
	return container.Build(ctx, dir, dockerfile, tag, out)
}

func (images) BuildStatic(ctx context.Context, program, tag string) error {
	return container.BuildStatic(ctx, program, tag)
}

// kindNames is every type of resource that stack.yaml may name.
func kindNames() []string {
	var names []string
	for _, k := range resource.Kinds {
		names = append(names, k.Name)
	}
	return names
}

// dryRun prints what `up` would start.
func (a *App) dryRun(ctx context.Context, p place, st *stack.Stack, o *upOptions) error {
	made, err := a.parts(ctx, p, st, o, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	made.options.DryRun = true
	plan, err := fleet.NewPlan(ctx, made.options)
	if err != nil {
		return err
	}
	if _, err = io.WriteString(a.Out, a.veil().Text(plan.String())); err != nil {
		return err
	}
	for _, st := range plan.Steps {
		if st.Lacks != "" && st.Replica <= 1 {
			say(a.Err, "this machine cannot run "+st.Name+": "+st.Lacks, "")
		}
	}
	return nil
}
