package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/contracts/library"
	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/fleet"
	"msctl.dev/msctl/internal/state"
)

// parallelProviders is how many providers are verified at the same time.
const parallelProviders = 4

// run starts those providers that do not run, verifies all of them, and takes down what it started.
func (v *verification) run(ctx context.Context, names []string, lib library.Library) ([]verify.Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	helper := v.build(ctx, lib)
	var start []string
	for _, name := range names {
		if v.targets[name].URL == "" {
			start = append(start, name)
		}
	}
	ready := make(chan readied, len(names))
	for _, name := range names {
		if v.targets[name].URL != "" {
			ready <- readied{name: name}
		}
	}
	var running sync.WaitGroup
	defer func() {
		cancel(nil)
		running.Wait()
		<-helper.done
	}()
	if len(start) > 0 {
		f, err := v.launch(ctx, start)
		if err != nil {
			return nil, err
		}
		defer f.end()
		running.Go(func() { f.watch(ctx, start, ready) })
	}
	return v.each(ctx, names, ready, helper)
}

// built is the verifier's program, once it is there.
type built struct {
	done     chan struct{}
	verifier verify.Verifier
	err      error
}

// build makes the helper while providers start.
func (v *verification) build(ctx context.Context, lib library.Library) *built {
	b := &built{done: make(chan struct{})}
	env := plainEnv(v.app.Environ, lib.Env(v.app.Getenv))
	go func() {
		defer close(b.done)
		var program string
		program, b.err = verify.Builder{
			Dir: filepath.Join(v.app.pactPlace().Cache, "verifier"), Env: env, Library: lib.Version + " " + lib.File,
			Note: func(text string) { fmt.Fprintln(v.app.Err, text) },
		}.Build(ctx)
		b.verifier = verify.Verifier{Helper: program, Env: env}
	}()
	return b
}

// plainEnv is the environment of the verifier: what programs need to run at all, and nothing that would
// lead it elsewhere.
func plainEnv(environ, more []string) []string {
	var out []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		switch {
		case strings.HasPrefix(name, "GO"), slices.Contains([]string{"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "CC", "CXX", "USER", "LANG"}, name):
			out = append(out, e)
		}
	}
	return append(out, more...)
}

// readied is a provider that can be verified, or why it cannot.
type readied struct {
	name string
	err  error
}

// each verifies the providers as they become ready.
func (v *verification) each(ctx context.Context, names []string, ready <-chan readied, helper *built) ([]verify.Report, error) {
	var mu sync.Mutex // guards reports
	var reports []verify.Report
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelProviders)
	for range names {
		var one readied
		select {
		case one = <-ready:
		case <-ctx.Done():
			g.Wait()
			return nil, context.Cause(ctx)
		}
		g.Go(func() error {
			r, err := v.one(ctx, one, helper)
			mu.Lock()
			defer mu.Unlock()
			reports = append(reports, r)
			return err
		})
	}
	return reports, g.Wait()
}

func (v *verification) one(ctx context.Context, one readied, helper *built) (verify.Report, error) {
	t := v.targets[one.name]
	if one.err != nil {
		return t.Failed(one.err), nil
	}
	select {
	case <-helper.done:
	case <-ctx.Done():
		return verify.Report{}, context.Cause(ctx)
	}
	if helper.err != nil {
		return verify.Report{}, &codedError{helper.err, exitInfrastructure, "`msctl contract doctor` says what is here"}
	}
	r := helper.verifier.Run(ctx, t)
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	v.suspect(&r)
	return r, nil
}

// suspect adds to what is broken that a call of the provider has no pact: its stub refused it.
func (v *verification) suspect(r *verify.Report) {
	for _, edge := range v.bare {
		if from, to, _ := strings.Cut(edge, ":"); from == r.Provider {
			for i := range r.Results {
				if r.Results[i].Outcome == verify.Broken && r.Results[i].Hint == "" {
					r.Results[i].Hint = fmt.Sprintf("%s calls %s, and no pact says what that answers: write the contract of %s first", from, to, edge)
				}
			}
		}
	}
}

// alone is the fleet of the providers that are verified.
type alone struct {
	v       *verification
	derived verify.Alone
	fleet   *fleet.Fleet
	parts   parts
	place   place
	log     *os.File
	lock    *lock
	ended   chan error // gets what Run returned
}

// launch starts the providers in a copy of the stack of their own.
func (v *verification) launch(ctx context.Context, names []string) (*alone, error) {
	a := v.app
	argv := []string{a.Exe}
	for _, f := range v.stack.Files {
		argv = append(argv, "--file", f)
	}
	f := &alone{v: v, ended: make(chan error, 1)}
	f.derived = verify.Derive(v.stack, names, v.pacts, append(argv, "contract", "stub"))
	v.bare = f.derived.Bare
	if err := f.take(); err != nil {
		return nil, err
	}
	if err := f.make(ctx); err != nil {
		f.leave()
		return nil, err
	}
	go func() { f.ended <- f.fleet.Run(ctx) }()
	return f, nil
}

// take finds a copy of the stack that nobody verifies in, and holds it.
func (f *alone) take() error {
	for n := 1; n < 100; n++ {
		p := f.v.place
		p.instance = fmt.Sprintf("verify%d", n)
		if err := p.prepare(); err != nil {
			return err
		}
		l, err := takeLock(p.lock())
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return err
		}
		f.place, f.lock = p, l
		return nil
	}
	return failed("", "find a free copy of the stack: 99 verifications run")
}

// make builds the fleet, with nothing of an earlier one left.
func (f *alone) make(ctx context.Context) error {
	a := f.v.app
	var err error
	if f.log, err = openLog(f.place.log()); err != nil {
		return err
	}
	f.parts, err = a.parts(ctx, f.place, f.derived.Stack, &upOptions{runtime: f.v.opts.runtime, isolated: true, ephemeral: true},
		slog.New(slog.NewTextHandler(f.log, nil)))
	if err != nil {
		return err
	}
	if _, err := f.parts.sweep(ctx, false); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(f.place.state(), "data")); err != nil {
		return fmt.Errorf("clear the data of an earlier verification: %w", err)
	}
	if f.parts.options.Container != nil {
		if err := os.WriteFile(containersMark(f.place), nil, 0o600); err != nil {
			return fmt.Errorf("note the use of containers: %w", err)
		}
	}
	f.parts.options.Load = nil
	if f.fleet, err = fleet.New(f.parts.options); err != nil {
		return err
	}
	return f.lock.sign(holder{PID: os.Getpid()})
}

// leave gives the copy of the stack back.
func (f *alone) leave() {
	if f.log != nil {
		f.log.Close()
	}
	f.lock.release()
}

// end takes the providers down, with their data, and waits for them.
func (f *alone) end() {
	f.fleet.Down(true)
	f.fleet.Kill() // they have nothing to finish
	err := <-f.ended
	left, swept := f.parts.sweep(context.Background(), true)
	if err = errors.Join(err, swept); err == nil && left == 0 {
		os.Remove(containersMark(f.place))
	} else {
		fmt.Fprintf(f.v.app.Err, "take the providers down: %d processes or containers were left: %v\n", left, err)
	}
	f.leave()
}

// watch reports each provider once it is ready or never will be.
func (f *alone) watch(ctx context.Context, names []string, out chan<- readied) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waiting := slices.Clone(names)
	look := func() {
		snap := f.fleet.Snapshot()
		waiting = slices.DeleteFunc(waiting, func(name string) bool {
			one, done := f.look(ctx, snap, name)
			if done {
				out <- one
			}
			return done
		})
	}
	events := f.fleet.Follow(ctx, 0)
	for look(); len(waiting) > 0; look() {
		if _, open := <-events; !open {
			return
		}
	}
}

// look says of one provider whether its waiting is over.
func (f *alone) look(ctx context.Context, snap state.Snapshot, name string) (readied, bool) {
	for _, u := range snap.Units {
		if over := u.Phase == state.Failed || u.Phase == state.Skipped; over && (u.Name == name || f.needed(name, u)) {
			return readied{name, f.trouble(name, u)}, true
		}
	}
	u, ok := snap.Unit(name)
	if !ok || u.Phase != state.Ready {
		return readied{}, false
	}
	return readied{name, f.meet(ctx, u)}, true
}

// needed reports a unit without which a provider cannot start.
func (f *alone) needed(name string, u state.Unit) bool {
	if u.Name == verify.StubUnit {
		return slices.ContainsFunc(f.derived.Stubs, func(edge string) bool { return strings.HasPrefix(edge, name+":") })
	}
	return strings.HasPrefix(u.Name, name+"--")
}

func (f *alone) trouble(name string, u state.Unit) error {
	text := fmt.Sprintf("%s does not start: %s", u.Name, u.Reason)
	if u.Phase == state.Skipped {
		text = fmt.Sprintf("%s cannot run here: %s", u.Name, u.Reason)
	}
	said := slices.DeleteFunc(slices.Clone(u.LastLines), func(line string) bool {
		return line == u.Reason || strings.HasPrefix(line, "hint: ") // what is behind an error is not why
	})
	if len(said) > 0 {
		text += ": " + said[len(said)-1]
	}
	return errors.New(clean(text) + fmt.Sprintf(" (msctl --instance %s logs %s)", f.place.instance, u.Name))
}

// meet fills in where a provider and its resources are.
func (f *alone) meet(ctx context.Context, u state.Unit) error {
	t := f.v.targets[u.Name]
	env, err := f.fleet.Environment(ctx, u.Name)
	if err != nil {
		return fmt.Errorf("look at %s: %w", u.Name, err)
	}
	t.Dir, t.Env, t.Resources = env.Dir, env.Env, map[string]string{}
	for _, p := range u.Ports {
		switch {
		case p.Name == "grpc":
			t.GRPC = p.Addr
		case p.Name == "http" || t.URL == "" && len(u.Ports) == 1:
			t.URL = "http://" + p.Addr
		}
	}
	if t.GRPC == "" && t.URL == "" {
		return fmt.Errorf("%s listens nowhere", u.Name)
	}
	for name, copied := range f.derived.Resources[u.Name] {
		r, err := f.fleet.Environment(ctx, copied)
		if err != nil {
			return fmt.Errorf("look at %s: %w", name, err)
		}
		t.Resources[name] = urlOf(r, copied)
	}
	return nil
}

// urlOf returns the address of a resource from the environment beside it.
func urlOf(env state.Environment, name string) string {
	want := strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_URL="
	for _, e := range env.Env {
		if url, ok := strings.CutPrefix(e, want); ok {
			return url
		}
	}
	return ""
}
