package explore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func search(m model) *Search {
	return &Search{Run: m.runner(), Modes: func(Call) []Mode { return modelModes }, All: true, Again: -1}
}

func do(t *testing.T, s *Search) Result {
	t.Helper()
	r, err := s.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCounts shows what each rule saves on eleven calls with two modes, and that the smallest set stays
// the same. What services saw saves more than a table of outcomes that were seen together would: the
// memory follows each service call by call, and so it knows a run also where only its parts were seen.
func TestCounts(t *testing.T) {
	clean, _ := model{}.runner()(t.Context(), nil)
	naive := 1
	for range clean.Calls {
		naive *= 1 + len(modelModes)
	}
	if naive != 177_147 {
		t.Fatalf("got %d calls and %d sets of them, want 11 and 177147", len(clean.Calls), naive)
	}
	const smallest = "error at orders POST /orders #1 > payments Charge #1; " +
		"error at orders POST /orders #1 > inventory Release #1"
	for _, tt := range []struct {
		name string
		rule func(*Search)
		want int
	}{
		{"three faults in any order", func(s *Search) { s.anyOrder, s.Thorough, s.Most = true, true, 3 }, 1901},
		{"three faults in the order of calls", func(s *Search) { s.Thorough, s.Most = true, 3 }, 313},
		{"in the order of calls", func(s *Search) { s.Thorough = true }, 617},
		{"and what services saw, and modes merged", func(*Search) {}, 37},
		{"and two faults", func(s *Search) { s.Most = 2 }, 36},
	} {
		s := search(model{})
		tt.rule(s)
		if r := do(t, s); r.Counts.Runs != tt.want || len(r.Found) > 0 || !r.Complete {
			t.Errorf("%s: got %d runs, %v, want %d", tt.name, r.Counts.Runs, r.Found, tt.want)
		}
		s = search(model{bugs: map[string]bool{"release": true}})
		tt.rule(s)
		if r := do(t, s); len(r.Found) == 0 || r.Found[0].Set.String() != smallest {
			t.Errorf("%s: found %v, want %s", tt.name, r.Found, smallest)
		}
	}
}

// TestLostAnswer shows that a mode where the callee does its work is kept apart from one where it does not.
func TestLostAnswer(t *testing.T) {
	s := search(model{})
	s.Modes = func(Call) []Mode { return []Mode{{Name: "error"}, {Name: "omit", Acts: true}} }
	s.Most = 1
	r := do(t, s)
	want := "omit at orders POST /orders #1 > payments Charge #1 > bank POST /pay #1"
	if len(r.Found) != 1 || r.Found[0].Set.String() != want {
		t.Errorf("found %v, want %s", r.Found, want)
	}
}

// TestPruningLosesNothing compares the search with one that prunes nothing, on services that go on or
// give up at random and each of which has a rare mistake of its own.
func TestPruningLosesNothing(t *testing.T) {
	found := 0
	for seed := range uint64(60) {
		run := randomModel(seed)
		full := &Search{Run: run, Modes: func(Call) []Mode { return modelModes }, Most: 2, Again: -1, Thorough: true}
		quick := &Search{Run: run, Modes: full.Modes, Most: 2, Again: -1}
		want, got := do(t, full), do(t, quick)
		if len(want.Found) != len(got.Found) || len(want.Found) > 0 && len(want.Found[0].Set) != len(got.Found[0].Set) {
			t.Fatalf("seed %d: got %v, want %v", seed, got.Found, want.Found)
		}
		if found += len(want.Found); got.Counts.Runs > want.Counts.Runs {
			t.Errorf("seed %d: %d runs, %d without pruning", seed, got.Counts.Runs, want.Counts.Runs)
		}
	}
	if found < 6 {
		t.Errorf("%d models had a mistake to find: too few to tell", found)
	}
}

// TestNoise has services that do much at the same time: no run has the calls of another in the same order, and one
// of them is made now and then. What no service saw of both faults is known all the same.
func TestNoise(t *testing.T) {
	found, made, all := 0, 0, 0
	for seed := range uint64(30) {
		runs := uint64(0)
		noisy := func(ctx context.Context, s Set) (Run, error) {
			r, err := randomModel(seed)(ctx, s)
			runs++
			return noise(r, rand.New(rand.NewPCG(seed, runs))), err
		}
		full := &Search{Run: randomModel(seed), Modes: func(Call) []Mode { return modelModes }, Most: 2, Again: -1, Thorough: true}
		quick := &Search{Run: noisy, Modes: func(c Call) []Mode {
			if c.Op == "DEL" {
				return nil
			}
			return modelModes
		}, Most: 2, Again: -1}
		want, got := do(t, full), do(t, quick)
		if len(want.Found) != len(got.Found) || len(want.Found) > 0 && len(want.Found[0].Set) != len(got.Found[0].Set) {
			t.Fatalf("seed %d: got %v, want %v", seed, got.Found, want.Found)
		}
		if found += len(want.Found); len(want.Found) == 0 {
			made, all = made+got.Counts.Runs, all+want.Counts.Runs
		}
	}
	if t.Logf("%d runs, %d without pruning", made, all); made > all/2 {
		t.Errorf("%d runs, %d without pruning: want half at most", made, all)
	}
	if found < 3 {
		t.Errorf("%d models had a mistake to find: too few to tell", found)
	}
}

// noise shuffles the calls that are made for the same call, and adds one to a run now and then.
func noise(r Run, coin *rand.Rand) Run {
	slices.SortFunc(r.Calls, func(a, b Call) int { return cmp.Compare(a.Point, b.Point) })
	coin.Shuffle(len(r.Calls), func(i, j int) {
		if a, b := &r.Calls[i], &r.Calls[j]; a.Parent == b.Parent && bare(a.Point) != bare(b.Point) {
			a.Start, b.Start = b.Start, a.Start
		}
	})
	if coin.IntN(2) == 0 {
		r.Calls = append(r.Calls, Call{Point: "cache DEL #1", Edge: "s:cache", Op: "DEL", Nth: 1, Got: "ok"})
	}
	slices.SortStableFunc(r.Calls, func(a, b Call) int { return cmp.Compare(a.Start, b.Start) })
	return r
}

// TestTogether has two services that each make up for a row that they could not write. That one of the two has it is
// only found by a search that knows that one invariant looks at both, or that leaves nothing out.
func TestTogether(t *testing.T) {
	run := func(_ context.Context, s Set) (Run, error) {
		m, r := model{set: s}, Run{Answer: "200"}
		rows := 0
		for _, service := range []string{"b", "c"} {
			m.call("a:"+service, "POST", func() bool {
				if m.call(service+":db", "INSERT", nil) {
					rows++
				}
				return true
			})
		}
		if rows == 0 {
			r.Broken = []string{"nobody has it"}
		}
		r.Calls = Name(m.run)
		return r, nil
	}
	for name, tt := range map[string]struct {
		more  func(*Search)
		found int
	}{
		"nothing is said of invariants": {func(*Search) {}, 0},
		"one looks at both":             {func(s *Search) { s.Together = [][]string{{"d"}, {"b", "c"}} }, 1},
		"each looks at one":             {func(s *Search) { s.Together = [][]string{{"b"}, {"c"}} }, 0},
		"thorough":                      {func(s *Search) { s.Thorough = true }, 1},
	} {
		s := &Search{Run: run, Modes: func(c Call) []Mode {
			if c.Op == "INSERT" {
				return modelModes[:1]
			}
			return nil
		}, Again: -1}
		tt.more(s)
		if r := do(t, s); len(r.Found) != tt.found {
			t.Errorf("%s: found %v, want %d", name, r.Found, tt.found)
		}
	}
}

// TestMessages shows who is changed by a message that a fault keeps, as the brokers name where it goes.
func TestMessages(t *testing.T) {
	for name, to := range map[string][3]string{
		"nats":     {"publish events.order.placed", "events.order.placed", "events.order.placed"},
		"rabbitmq": {"publish events/order.placed", "events:order.placed", "events:order.placed:b.events"},
	} {
		a := apart{acts: func(string) bool { return false }}
		calls := []Call{
			{Point: "broker publish", Edge: "a:broker", Op: to[0], Kind: "publish", Dest: to[1], Got: "ok"},
			{Point: "broker process", Edge: "b:broker", Op: "process b.events", Kind: "consume", Dest: to[2], Got: "ok"},
			{Point: "broker process #1", Edge: "c:broker", Op: "process c.events", Kind: "consume", Dest: to[1] + "s", Got: "ok"},
		}
		a.clean(Run{Calls: calls}, nil)
		got := a.changed(Set{{Point: calls[0].Point, Mode: "twice", Edge: calls[0].Edge, Op: calls[0].Op}}, Run{Calls: calls})
		if diff := gocmp.Diff(got, map[string]bool{"a": true, "b": true}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestIdle keeps nothing of a run in which a fault did not act, and counts it.
func TestIdle(t *testing.T) {
	idle := func(ctx context.Context, s Set) (Run, error) {
		r, err := model{}.runner()(ctx, s)
		r.Idle = len(s) > 1
		return r, err
	}
	var counts [2]Counts
	for i := range counts {
		s := search(model{})
		s.Run, s.Thorough, s.Most = idle, true, 2+i
		counts[i] = do(t, s).Counts
	}
	if two, three := counts[0], counts[1]; two != three || two.Idle == 0 || two.Idle >= two.Runs {
		t.Errorf("two faults: %+v, three: %+v", two, three)
	}
}

// TestChance tells a call that a fault led to from one that was made for no reason that can be seen.
func TestChance(t *testing.T) {
	a := apart{acts: func(string) bool { return false }}
	calls := []Call{{Point: "b GET #1", Edge: "a:b", Op: "GET", Proto: "http", Got: "ok"}, {Point: "c GET #1", Edge: "a:c", Op: "GET", Proto: "http", Got: "ok"}}
	a.clean(Run{Calls: calls}, nil)
	failed := slices.Clone(calls)
	failed[0].Got = "failed"
	l := lead{set: Set{{Point: "b GET #1", Mode: "error"}}, run: Run{Calls: append(failed,
		Call{Point: "d UNDO #1", Edge: "a:d", Op: "UNDO", Proto: "grpc", Got: "ok"},
		Call{Point: "c GET #1 > cache HELLO #1", Parent: "c GET #1", Edge: "c:cache", Op: "HELLO", Proto: "redis", Got: "ok"})}}
	l.sight = a.look(l)
	var got []string
	for _, c := range l.run.Calls {
		if a.chance(l, c) {
			got = append(got, c.Op)
		}
	}
	if diff := gocmp.Diff(got, []string{"HELLO"}); diff != "" {
		t.Error(diff)
	}
}

// TestRetry names what follows a retry as what follows a call that works at once.
func TestRetry(t *testing.T) {
	m := model{set: Set{{Point: "b GET #1", Mode: "error"}}}
	for range 3 {
		m.call("a:b", "GET", func() bool { return m.call("b:c", "GET", nil) })
	}
	a := apart{acts: func(string) bool { return false }}
	var got []string
	calls := Name(m.run)
	names := a.names(m.set, calls)
	for _, c := range calls {
		got = append(got, string(names[c.Point]))
	}
	want := []string{"b GET lost #1", "b GET #1", "b GET #1 > c GET #1", "b GET #2", "b GET #2 > c GET #1"}
	if diff := gocmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

// randomModel is a tree of services. Each does what a hash of its name and of what it got so far says.
func randomModel(seed uint64) Runner {
	return func(_ context.Context, s Set) (Run, error) {
		m, r := model{set: s}, Run{}
		var serve func(name string, deep int) bool
		serve = func(name string, deep int) bool {
			history := name
			for i := range 3 {
				coin := rand.New(rand.NewPCG(seed, hash(history)))
				if deep == 0 || coin.IntN(4) == 0 {
					break
				}
				callee := fmt.Sprint(name, i)
				ok := m.call(name+":"+callee, "GET", func() bool { return serve(callee, deep-1) })
				history += fmt.Sprint(ok)
				if !ok && coin.IntN(2) == 0 {
					return false
				}
			}
			if strings.Contains(history, "false") && hash(fmt.Sprint(seed, history))%16 == 0 {
				r.Broken = []string{history}
			}
			return true
		}
		r.Answer = fmt.Sprint(serve("s", 3))
		r.Calls = Name(m.run)
		return r, nil
	}
}

func hash(s string) (h uint64) {
	h = 14695981039346656037
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h ^ h>>29
}

// TestResume interrupts a search at each run: what follows ends as one that was never interrupted.
func TestResume(t *testing.T) {
	m := model{bugs: map[string]bool{"release": true}}
	whole := search(m)
	want := do(t, whole)
	for stop := range want.Counts.Runs {
		var past []Past
		first := search(m)
		first.Made = func(p Past) { past = append(past, p) }
		ctx, cancel := context.WithCancel(t.Context())
		first.Run = func(ctx context.Context, s Set) (Run, error) {
			if len(past) == stop {
				cancel()
				return Run{}, ctx.Err()
			}
			return m.runner()(ctx, s)
		}
		if _, err := first.Do(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at %d: %v", stop, err)
		}
		cancel()
		made := 0
		second := search(m)
		second.Made = func(Past) { made++ }
		kept, _ := json.Marshal(past) // as a file keeps them
		if err := json.Unmarshal(kept, &second.Past); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(do(t, second), want); diff != "" || made != want.Counts.Runs-stop {
			t.Fatalf("stopped at %d: %d runs more\n%s", stop, made, diff)
		}
	}
}

func TestBudget(t *testing.T) {
	s := search(model{})
	s.Runs = 20
	r := do(t, s)
	if r.Complete || r.Why != errEnough.Error() || r.Counts.Runs != 20 || r.Faults != 0 {
		t.Errorf("got %+v", r)
	}
	ctx, cancel := Budget(t.Context(), 1)
	defer cancel()
	<-ctx.Done()
	if r, err := search(model{}).Do(ctx); err != nil || r.Complete || r.Why != "the time is over" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestUnsteady(t *testing.T) {
	s := &Search{Run: func(context.Context, Set) (Run, error) { return Run{Broken: []string{"all"}}, nil }}
	if _, err := s.Do(t.Context()); !errors.Is(err, ErrUnsteady) {
		t.Errorf("got %v", err)
	}
}

// TestAccident shows that what breaks once and not again is a warning.
func TestAccident(t *testing.T) {
	m, runs := model{}, 0
	s := search(m)
	s.Again = 0
	s.Run = func(ctx context.Context, set Set) (Run, error) {
		r, err := m.runner()(ctx, set)
		if runs++; runs == 5 {
			r.Broken = []string{"by accident"}
		}
		return r, err
	}
	if r := do(t, s); len(r.Found) > 0 || len(r.Warnings) != 1 {
		t.Errorf("got %v, %v", r.Found, r.Warnings)
	}
}

// TestLoose has a call that is made once more in each other run.
func TestLoose(t *testing.T) {
	runs := 0
	s := &Search{Modes: func(Call) []Mode { return modelModes[:1] }, Again: -1}
	s.Run = func(_ context.Context, set Set) (Run, error) {
		m := model{set: set}
		for range 1 + runs%2 {
			m.call("a:b", "GET", func() bool { return m.call("b:c", "GET", nil) })
		}
		runs++
		return Run{Calls: Name(m.run)}, nil
	}
	r := do(t, s)
	var got []string
	for _, c := range r.Clean.Calls {
		got = append(got, fmt.Sprint(c.Point, " ", c.Nth))
	}
	if diff := gocmp.Diff(got, []string{"b GET 0", "b GET > c GET #1 1"}); diff != "" || len(r.Warnings) > 0 {
		t.Errorf("%s%v", diff, r.Warnings)
	}
}

// TestName names calls by their path, and counts what an edge sees over all of a run.
func TestName(t *testing.T) {
	seen := []Seen{
		{Call: Call{Edge: ":a", Op: "GET /", Start: 1, End: 9}, Of: -1},
		{Call: Call{Edge: "a:b/grpc", Op: "Do", Start: 6, End: 7}, Of: 0},
		{Call: Call{Edge: "a:b/grpc", Op: "Do", Start: 2, End: 3}, Of: 0},
		{Call: Call{Edge: "b:c", Op: "SELECT x", Start: 2, End: 3}, Of: 2},
		{Call: Call{Edge: "b:c", Op: "SELECT x", Start: 7, End: 8}, Of: 1},
	}
	var got []string
	for _, c := range Name(seen) {
		got = append(got, fmt.Sprint(c.Point, " ", c.Nth))
	}
	want := []string{
		"a GET / #1 1", "a GET / #1 > b Do #1 1", "a GET / #1 > b Do #1 > c SELECT x #1 1",
		"a GET / #1 > b Do #2 2", "a GET / #1 > b Do #2 > c SELECT x #1 2",
	}
	if diff := gocmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

// TestLost puts a message that no edge has seen the end of before the one that was sent again.
func TestLost(t *testing.T) {
	seen := []Seen{
		{Of: -1, Call: Call{Edge: ":a", Op: "POST", Start: 1, End: 90}},
		{Of: 0, Call: Call{Edge: "a:broker", Op: "publish x", Start: 20, End: 30, Got: "ok"}},
		{Of: 0, Call: Call{Edge: "a:broker", Op: "publish y", Start: 25, End: 30, Got: "ok"}},
	}
	fault := func(point Point, op string, nth int) Fault {
		return Fault{Point: point, Mode: "cut", Edge: "a:broker", Op: op, Nth: nth, Proto: "nats"}
	}
	for _, tt := range []struct {
		fault Fault
		want  []string
	}{
		{fault("a POST #1 > broker publish x #1", "publish x", 1), []string{"x #1 lost", "x #2 ok", "y #1 ok"}},
		{fault("a POST #1 > broker publish x #2", "publish x", 2), []string{"x #1 ok", "y #1 ok", "x #2 lost"}},
		{fault("a POST #1 > broker publish z #1", "publish z", 1), []string{"x #1 ok", "y #1 ok", "z #1 lost"}},
		{fault("a POST #1 > broker publish y", "publish y", 0), []string{"x #1 ok", "y #1 lost", "y #2 ok"}},
	} {
		var got []string
		for _, c := range Name(Lost(seen, tt.fault))[1:] {
			got = append(got, strings.TrimPrefix(string(c.Point), "a POST #1 > broker publish ")+" "+c.Got)
		}
		if diff := gocmp.Diff(got, tt.want); diff != "" {
			t.Errorf("%s: %s", tt.fault, diff)
		}
	}
}
