package explore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Search is one search. Run and Modes are to be set; all else has a meaning as it is.
type Search struct {
	Run      Runner
	Modes    func(Call) []Mode // in which the call can fail, in the order in which they are tried
	Most     int               // faults in one set; 0: as many as there are calls
	Runs     int               // that may be made; 0: any number
	Seed     uint64            // 0: the sets of a round are tried in the order of calls; else in one drawn by it
	Thorough bool              // nothing is left out for what is only likely: of modes with equal effect, and of what services saw
	Together [][]string        // services, by what must hold: one invariant looks at what they did, and may be broken by all of them only
	All      bool              // go on behind the first set that breaks something
	Again    int               // runs that confirm such a set; 0 means 3, below 0 none
	Past     []Past            // runs that were made before: they are not made again
	Made     func(Past)        // gets each run that is made; nil: nobody
	Progress func(Progress)    // nil: nobody

	anyOrder bool // tests: without the order of calls
}

// Past is a run that was made.
type Past struct {
	Set Set `json:"set"`
	Run Run `json:"run"`
	Try int `json:"try"` // which run with that set, from 0
}

// Progress is where a search stands.
type Progress struct {
	Set    Set // that is run now
	Faults int // in the sets of this round
	Left   int // sets of this round that are not looked at yet
	Counts Counts
}

// Counts is how many runs were made, and how many need not be.
type Counts struct {
	Runs   int `json:"runs"`
	Known  int `json:"known"`  // every service saw its part before
	Merged int `json:"merged"` // another mode has the same effect there
	Broken int `json:"broken"` // a part of the set breaks already
	Idle   int `json:"idle"`   // of Runs: in which a fault did not act, for its call was not made
}

// Found is a set that breaks something, and none of its parts does.
type Found struct {
	Set   Set `json:"set"`
	Run   Run `json:"run"`
	Tries int `json:"tries"` // runs to confirm it
	Times int `json:"times"` // of them that broke something too
}

// Result is what a search found.
type Result struct {
	Clean    Run      `json:"clean"`
	Found    []Found  `json:"found,omitempty"` // smallest first
	Faults   int      `json:"faults"`          // no set of at most so many is left untried
	Complete bool     `json:"complete"`        // none of at most Most faults is
	Why      string   `json:"why,omitempty"`   // it is not complete
	Warnings []string `json:"warnings,omitempty"`
	Counts   Counts   `json:"counts"`
}

// ErrUnsteady says that something is broken without any fault.
var ErrUnsteady = errors.New("broken without any fault")

// errEnough ends a search whose budget is used up.
var errEnough = errors.New("the budget of runs is used up")

// Do searches. It returns what it found so far also beside an error: [ErrUnsteady], that of ctx, or of
// a run that could not be made.
func (s *Search) Do(ctx context.Context) (Result, error) {
	h := hunt{Search: s, seen: map[string]bool{}, past: map[string]Run{}, alike: alike{}}
	h.memory.acts, h.apart.acts, h.apart.together = h.acts, h.acts, s.Together
	for _, p := range s.Past {
		h.past[fmt.Sprint(p.Set.key(), p.Try)] = p.Run
	}
	err := h.search(ctx)
	h.Complete = err == nil
	switch {
	case errors.Is(err, errEnough), errors.Is(err, context.DeadlineExceeded):
		h.Why, err = err.Error(), nil
		if h.Why != errEnough.Error() {
			h.Why = "the time is over"
		}
	case err != nil:
		h.Why = err.Error()
	}
	return h.Result, err
}

// hunt is one search under way.
type hunt struct {
	*Search
	Result
	memory memory
	apart  apart
	alike  alike
	loose  map[Point]bool // steps without their ordinal, whose calls are not told apart
	past   map[string]Run
	made   int             // runs, without those of the past
	seen   map[string]bool // keys of sets
	modes  []Mode          // that were offered anywhere
}

// lead is a set whose run is known, to be extended.
type lead struct {
	set Set
	run Run
	sight
}

// candidate is a set that may be run, beside the lead that it extends.
type candidate struct {
	of   lead
	call Call
	set  Set
}

func (h *hunt) search(ctx context.Context) error {
	if err := h.clean(ctx); err != nil {
		return err
	}
	leads := []lead{{run: h.Clean}}
	for n := 1; len(leads) > 0 && (h.Most == 0 || n <= h.Most); n++ {
		var more []lead
		all := h.candidates(leads)
		for i, c := range all {
			l, err := h.try(ctx, c, len(all)-i)
			if err != nil {
				return err
			}
			if l != nil {
				more = append(more, *l)
			}
			if len(h.Found) > 0 && !h.All {
				return nil
			}
		}
		h.Faults, leads = n, more
	}
	if h.Most > 0 {
		h.Faults = h.Most // there is nothing left to add a fault to
	}
	return nil
}

// CleanRuns is how many runs without faults a search begins with.
const CleanRuns = 3

// clean makes the runs without faults. The first only warms the fleet: connections are opened in it, and caches
// filled. What differs between the others loses its ordinals.
func (h *hunt) clean(ctx context.Context) (err error) {
	var all [CleanRuns]Run
	for i := range all {
		if all[i], err = h.run(ctx, nil, i); err != nil {
			return err
		}
		if !all[i].Held() {
			h.Clean = all[i]
			return fmt.Errorf("%w: %s", ErrUnsteady, all[i].Broken[0])
		}
	}
	two := all[1:]
	noise := Unstable(two[0].Calls, two[1].Calls)
	if len(noise) > 0 {
		h.loose = loosened(noise)
		for i := range two {
			two[i].Calls = loosen(two[i].Calls, h.loose)
		}
		noise = Unstable(two[0].Calls, two[1].Calls)
		if len(noise) > 0 {
			h.Warnings = append(h.Warnings, unsteady(noise))
		}
	}
	h.Clean = two[0]
	h.apart.clean(h.Clean, noise)
	for _, r := range two {
		h.memory.learn(nil, r)
	}
	return nil
}

// candidates are the sets of one fault more, in the order of the leads and of their calls. What is done
// only because of a fault is disturbed first: nobody tries that every day.
func (h *hunt) candidates(leads []lead) (all []candidate) {
	defer func() {
		if h.Seed != 0 {
			r := rand.New(rand.NewPCG(h.Seed, uint64(len(all))))
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
		slices.SortStableFunc(all, func(a, b candidate) int { return h.usual(a.call) - h.usual(b.call) })
	}()
	for _, l := range leads {
		if !h.Thorough {
			l.sight = h.apart.look(l)
		}
		for _, c := range l.run.Calls {
			if l.set.mode(c.Point) != "" || !h.anyOrder && !behind(l, c) {
				continue
			}
			leave := !h.Thorough && h.apart.chance(l, c)
			for _, m := range h.Modes(c) {
				h.know(m)
				s := l.set.with(faultAt(c, m.Name))
				switch key := s.key(); {
				case h.seen[key]:
				case leave: // another lead may make that call for a reason
					h.Counts.Known++
				default:
					h.seen[key] = true
					all = append(all, candidate{l, c, s})
				}
			}
		}
	}
	return all
}

// usual says how usual a call is: 0 one of an operation that is not done without faults, 1 one of another
// that is done once more, 2 one that is made without faults too.
func (h *hunt) usual(c Call) (n int) {
	for _, k := range h.Clean.Calls {
		switch {
		case k.Point == c.Point:
			return 2
		case k.Edge == c.Edge && k.Op == c.Op:
			n = 1
		}
	}
	return n
}

// behind reports whether a call may come after the last fault of a lead: it had not ended when that
// call started, and that is not made for it.
func behind(l lead, c Call) bool {
	if len(l.set) == 0 {
		return true
	}
	last, there := l.run.call(l.set[len(l.set)-1].Point)
	return !there || c.End > last.Start && !last.Point.within(c.Point)
}

// try runs a candidate unless it is known what it would show. The lead is nil where nothing is to be
// added to it.
func (h *hunt) try(ctx context.Context, c candidate, left int) (*lead, error) {
	added := c.set[len(c.set)-1]
	if slices.ContainsFunc(h.Found, func(f Found) bool { return c.set.contains(f.Set) }) {
		h.Counts.Broken++
		return nil, nil
	}
	if !h.Thorough && h.alike.merged(c.set) {
		h.Counts.Merged++
		return nil, nil
	}
	if r, ok := h.known(c); ok {
		h.Counts.Known++
		return &lead{set: c.set, run: r}, nil
	}
	if h.Progress != nil {
		h.Progress(Progress{Set: c.set, Faults: len(c.set), Left: left, Counts: h.Counts})
	}
	r, err := h.run(ctx, c.set, 0)
	if err != nil {
		return nil, err
	}
	if r.Held() {
		return h.keep(c, added, r), nil
	}
	f := Found{Set: c.set, Run: r}
	if err := h.confirm(ctx, &f); err != nil {
		return nil, err
	}
	if f.Tries > 0 && f.Times == 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("%s broke something once and not again: %s", c.set, r.Broken[0]))
		return nil, nil
	}
	h.Found = append(h.Found, f)
	return nil, nil
}

// known returns what the run of a candidate would show where that can be told.
func (h *hunt) known(c candidate) (r Run, ok bool) {
	if h.Thorough {
		return Run{}, false
	}
	service, invariant := h.apart.meet(c.of, c.set[len(c.set)-1])
	if len(c.set) > 1 && invariant && len(h.Together) > 0 {
		return Run{}, false
	}
	if r, ok = h.memory.predict(c.set); ok || service {
		return r, ok
	}
	return h.apart.predict(c.of, c.set[len(c.set)-1]), true
}

// keep learns from a run that held.
func (h *hunt) keep(c candidate, added Fault, r Run) *lead {
	if _, acted := r.call(added.Point); !acted || r.Idle {
		h.Counts.Idle++
		return nil // the call was not made: the fault did nothing
	}
	h.memory.learn(c.set, r)
	h.apart.learn(c.set, r)
	if !h.Thorough && h.alike.learn(c.of.set, added, h.apart.shape(c.set, r, added.Point), h.acts(added.Mode)) {
		return nil
	}
	return &lead{set: c.set, run: r}
}

// confirm makes the runs that tell a set that breaks something from an accident.
func (h *hunt) confirm(ctx context.Context, f *Found) error {
	again := h.Again
	if again == 0 {
		again = 3
	}
	for i := range max(0, again) {
		r, err := h.run(ctx, f.Set, i+1)
		if err != nil {
			return err
		}
		if f.Tries++; !r.Held() {
			f.Times++
		}
	}
	return nil
}

// run makes a run, or takes it from the past.
func (h *hunt) run(ctx context.Context, s Set, try int) (Run, error) {
	key := fmt.Sprint(s.key(), try)
	r, done := h.past[key]
	if !done {
		if h.made++; h.Runs > 0 && h.made > h.Runs {
			return r, errEnough
		}
		var err error
		if err = ctx.Err(); err == nil {
			r, err = h.Run(ctx, s)
		}
		if err != nil {
			return r, err
		}
		if h.Made != nil {
			h.Made(Past{s, r, try})
		}
	}
	h.Counts.Runs++
	r.Calls = loosen(r.Calls, h.loose)
	return r, nil
}

func (h *hunt) know(m Mode) {
	if !slices.ContainsFunc(h.modes, func(k Mode) bool { return k.Name == m.Name }) {
		h.modes = append(h.modes, m)
	}
}

func (h *hunt) acts(mode string) bool {
	i := slices.IndexFunc(h.modes, func(m Mode) bool { return m.Name == mode })
	return i >= 0 && h.modes[i].Acts
}

// Budget is a time that a search may take, as a context: it ends the search as incomplete, and is no
// error.
func Budget(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
