package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"msctl.dev/msctl/chaos/experiment"
	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// exploring makes the runs of a search on the running fleet.
type exploring struct {
	*App
	o       *exploreOptions
	plot    *plot
	site    experiment.Site
	fleet   *control.Client
	session *experiment.Session
	holds   *experiment.Experiment // what must hold
	edges   selection
	file    string         // of the runs that were made
	kept    []explore.Past // that were in it
	notice  string         // of what the first run ends; "": of nothing
	name    string         // of this search: its runs have it before their numbers
	runs    int
	cleans  int            // of them, without faults, as the search asked for
	clean   *explore.Run   // without faults; nil: not known yet
	always  []explore.Call // that every clean run of the search made
}

// open does the setup.
func (x *exploring) open(ctx context.Context) error {
	x.name = newTraceID()[:10]
	e, err := experiment.Parse(x.plot.file, x.plot.write("explore "+x.plot.file, "", newTraceID(), nil))
	if err != nil {
		return err
	}
	if err := valid(ctx, []*experiment.Experiment{e}, x.site); err != nil {
		return err
	}
	x.holds = e
	if x.session, err = (experiment.Runner{Site: x.site}).Open(ctx, e); err != nil && ctx.Err() == nil {
		return &codedError{err, experiment.Broken.Code(), ""}
	}
	return err
}

// close lifts what the search left. It works also where ctx has ended.
func (x *exploring) close(ctx context.Context) error {
	if x.session == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	return x.session.Close(ctx)
}

// search is the search that the flags ask for.
func (x *exploring) search() *explore.Search {
	return &explore.Search{
		Run: x.run, Most: x.o.faults, Runs: x.o.runs, Seed: x.o.seed, Thorough: x.o.thorough, All: x.o.all,
		Modes: x.modes, Together: x.together(),
	}
}

// together are the services of each invariant: those that it names, and those that use a resource which it names.
func (x *exploring) together() (all [][]string) {
	for _, names := range x.holds.Reads() {
		var services []string
		for _, svc := range x.site.Stack.Services {
			if slices.Contains(names, svc.Name) || slices.ContainsFunc(svc.Uses, func(r string) bool { return slices.Contains(names, r) }) {
				services = append(services, svc.Name)
			}
		}
		if len(services) > 1 {
			all = append(all, services)
		}
	}
	return all
}

// modes are those in which a call is to fail.
func (x *exploring) modes(c explore.Call) []explore.Mode {
	if !x.edges.over(c) {
		return nil
	}
	return explore.ModesFor(c, x.o.modes)
}

// run makes one run in which the faults of a set act. Where one of them did not although its call was to be
// expected, something may still be upset by the runs before, such as an open circuit: then it waits until a run
// without faults is as it was, and makes the run once more.
func (x *exploring) run(ctx context.Context, set explore.Set) (explore.Run, error) {
	r, err := x.once(ctx, set)
	if errors.Is(err, state.ErrUnknownFault) && ctx.Err() == nil { // their lease was over: the machine slept
		r, err = x.once(ctx, set)
	}
	if err != nil {
		return r, err
	}
	if len(set) == 0 {
		x.learn(r)
		return r, nil
	}
	if x.clean == nil || !r.Idle {
		return r, nil
	}
	if err := x.recover(ctx); err != nil {
		return r, err
	}
	return x.once(ctx, set)
}

// learn takes a run without faults as the search makes them: what clean runs are like. The first one warms the
// fleet, and is not like the others.
func (x *exploring) learn(r explore.Run) {
	if x.cleans++; x.cleans <= 2 {
		x.clean, x.always = &r, r.Calls
		return
	}
	x.always = slices.DeleteFunc(slices.Clone(x.always), func(c explore.Call) bool { return !has(r, c) })
}

// recoverMost is how long a fleet may take to be as it was before the faults.
const recoverMost = 20 * time.Second

// recover makes runs without faults until one makes every call that such runs always make.
func (x *exploring) recover(ctx context.Context) error {
	for begun := time.Now(); time.Since(begun) < recoverMost; {
		r, err := x.once(ctx, nil)
		if err != nil {
			return err
		}
		if r.Held() && r.Answer == x.clean.Answer && !slices.ContainsFunc(x.always, func(c explore.Call) bool { return !has(r, c) }) {
			return nil
		}
	}
	return nil
}

// has reports whether a run made a call.
func has(r explore.Run, c explore.Call) bool {
	return slices.ContainsFunc(r.Calls, func(d explore.Call) bool { return d.Point == c.Point })
}

// calmRuns are so many that circuits forget the failures of the runs before: one that opens in a replay would
// hide what that is to show.
const calmRuns = 5

// calm makes runs without faults, whatever they show.
func (x *exploring) calm(ctx context.Context) {
	for range calmRuns {
		if _, err := x.once(ctx, nil); err != nil {
			return
		}
	}
}

// once makes one run. A fault on every call of an operation ends when nothing comes any more, and all is to be well
// again, or is not: it would meet each try behind that. One on a single call stays until the run is over.
func (x *exploring) once(ctx context.Context, set explore.Set) (r explore.Run, err error) {
	r.Trace = newTraceID()
	x.runs++
	d, err := x.put(ctx, set, r.Trace)
	if err != nil {
		return r, err
	}
	defer func() {
		if left := d.lift(context.WithoutCancel(ctx), func(explore.Fault) bool { return true }); err == nil {
			err = left
		}
	}()
	wrong, err := x.send(ctx, set, &r)
	if err != nil {
		return r, err
	}
	tr, err := x.trace(ctx, r.Trace)
	if err != nil {
		return r, err
	}
	if err := d.lift(ctx, func(f explore.Fault) bool { return f.Nth == 0 }); err != nil {
		return r, err
	}
	if tr, err = x.settle(ctx, tr, &r); err != nil {
		return r, err
	}
	if err := d.lift(ctx, func(explore.Fault) bool { return true }); err != nil {
		return r, err
	}
	if wrong != "" {
		r.Broken = append(r.Broken, "the answer: "+wrong)
	}
	r.Calls, r.Idle = explore.Name(d.lost(tr, callsOf(tr))), d.idle()
	return r, nil
}

// send makes the request of a run, and returns what is wrong with the answer.
func (x *exploring) send(ctx context.Context, set explore.Set, r *explore.Run) (wrong string, err error) {
	status, wrong, err := x.session.Send(ctx, fmt.Sprintf("%s-%d", x.name, x.runs), "00-"+r.Trace+"-"+r.Trace[:16]+"-01")
	if err != nil {
		return "", err
	}
	if r.Answer = strconv.Itoa(status); status == 0 {
		r.Answer = "no answer"
	}
	if wrong == "" && len(set) == 0 && status >= http.StatusBadRequest {
		wrong = fmt.Sprintf("answered %d without any fault", status)
	}
	return wrong, nil
}

// looksMost is how often a run is looked at that goes on although nothing seemed to come any more.
const looksMost = 3

// settle looks what is broken when a run is over: an invariant that holds while half is done says nothing. Where
// what it asks for took its time, such as a message that is sent again, it looks once more.
func (x *exploring) settle(ctx context.Context, tr telemetry.Trace, r *explore.Run) (telemetry.Trace, error) {
	for range looksMost {
		begun, known := time.Now(), len(tr.Rows)
		var err error
		if r.Broken, err = x.broken(ctx); err != nil || time.Since(begun) < traceQuiet {
			return tr, err
		}
		if tr, err = x.trace(ctx, r.Trace); err != nil || len(tr.Rows) == known {
			return tr, err
		}
	}
	return tr, nil
}

// broken looks what does not hold. A machine that has much to do may not answer a probe in time.
func (x *exploring) broken(ctx context.Context) (broken []string, err error) {
	for range 3 {
		if broken, err = x.session.Broken(ctx); err == nil || ctx.Err() != nil {
			return broken, err
		}
	}
	return nil, err
}

// trace waits until all of a trace is there: the callers of everything are known, and nothing comes any more.
func (x *exploring) trace(ctx context.Context, id string) (tr telemetry.Trace, err error) {
	begun, changed, known := time.Now(), time.Now(), -1
	for {
		tr, err = x.site.Telemetry.Trace(ctx, id)
		if err != nil && !errors.Is(err, telemetry.ErrNoTrace) && time.Since(begun) > traceMost {
			return tr, fmt.Errorf("learn the calls: %w", err)
		}
		if len(tr.Rows) != known {
			changed, known = time.Now(), len(tr.Rows)
		}
		quiet := time.Since(changed) >= traceQuiet
		if quiet && whole(tr) || time.Since(begun) > traceMost {
			if known <= 0 {
				err = fmt.Errorf("learn the calls of trace %s: no edge saw it; does the request go through one?", id)
			}
			return tr, err
		}
		select {
		case <-ctx.Done():
			return tr, ctx.Err()
		case <-time.After(traceAgain):
		}
	}
}

func newTraceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}
