package experiment

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/internal/stack"
)

// TestFaultsOfOneMoment tells of each of two steps that put faults at the same moment its own, and none of a step
// that puts none.
func TestFaultsOfOneMoment(t *testing.T) {
	s, f := site(t, nil)
	e := parse(t, "title: a\nafter: [{http: GET shop/}]\nfaults:\n  - {name: one, fault: \"shop:bank refuse\"}\n  - {name: two, fault: \"shop:bank latency=1ms bandwidth=1MB/s\"}\n  - {name: none, start: bank}\n")
	w := newWorld(s, 7)
	x := &run{world: w, e: e, j: newJournal(e, w)}
	x.tell = func(Event) { // the first that is done goes on when all are
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			w.mu.Lock()
			put := len(w.labels[""])
			w.mu.Unlock()
			if put == 3 && strings.Contains(f.story(), "start bank") {
				return
			}
			if time.Now().After(deadline) {
				t.Error("the faults are not put")
				return
			}
		}
	}
	var wg sync.WaitGroup
	for i := range e.Faults {
		wg.Go(func() { x.fault(t.Context(), &e.Faults[i]) })
	}
	wg.Wait()
	got := map[string]string{}
	for _, a := range x.j.Faults {
		for _, one := range a.Faults {
			got[a.Name] += one.Kind + " "
		}
	}
	if want := map[string]string{"one": "refuse ", "two": "latency bandwidth "}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestCoinsGoByTheFile draws the same coins for a fault in whichever order the steps of one moment are done.
func TestCoinsGoByTheFile(t *testing.T) {
	s, f := site(t, nil)
	e := parse(t, "title: a\nafter: [{http: GET shop/}]\nfaults:\n  - fault: \"shop:bank refuse latency=1ms\"\n  - fault: \"shop:bank bandwidth=1MB/s seed=3\"\n  - fault: \"shop:bank stall\"\n")
	w := newWorld(s, 7)
	for i := range slices.Backward(e.Faults) {
		if _, err := e.Faults[i].Act.do(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]uint64{}
	for _, one := range f.faults {
		got[one.Kind] = one.Seed
	}
	if want := map[string]uint64{"refuse": 7, "latency": 8, "bandwidth": 3, "stall": 9}; !maps.Equal(got, want) {
		t.Errorf("the seeds are %v, want %v", got, want)
	}
}

// TestStepsOfOneName shows that the end of a step does not end another that is called the same.
func TestStepsOfOneName(t *testing.T) {
	s, f := site(t, nil)
	e := parse(t, "title: a\nafter: [{http: GET shop/}]\nfaults:\n  - {name: slow, for: 1s, fault: \"shop:bank latency=1ms\"}\n  - {name: slow, for: 2s, fault: \"shop:bank bandwidth=1MB/s\"}\n")
	w := newWorld(s, 0)
	x := &run{world: w, e: e, j: newJournal(e, w)}
	for i := range e.Faults {
		x.step(t.Context(), &e.Faults[i], "fault")
	}
	x.undo(t.Context(), &e.Faults[0])
	if got, want := f.story(), "add latency, add bandwidth, remove latency"; got != want {
		t.Errorf("did %s, want %s", got, want)
	}
}

// TestStoryNamesSteps labels each step at its time by what it is: not every one is a fault.
func TestStoryNamesSteps(t *testing.T) {
	s, _ := site(t, nil)
	e := parse(t, "title: a\nafter: [{http: GET shop/}]\nfaults:\n  - fault: \"shop:bank refuse\"\n  - start: bank\n  - {name: send it again, cmd: \"true\"}\n")
	j := Runner{Site: s}.Run(t.Context(), e)
	got := map[string]string{}
	for _, told := range j.Told {
		got[told.Text] = told.Sort
	}
	for text, want := range map[string]string{"shop:bank refuse": "fault", "start bank": "start", "send it again": "cmd"} {
		if got[text] != want {
			t.Errorf("%q is told as %q, want %q", text, got[text], want)
		}
	}
}

// TestEveryNameIsKnown refuses a fault on several services one of which is mistyped: it would do less than was meant.
func TestEveryNameIsKnown(t *testing.T) {
	s, _ := site(t, nil)
	e := parse(t, "title: a\nafter: [{http: GET shop/}]\nfaults:\n  - fault: \"shop+bnak:bank refuse\"\n  - fault: \"outside+shop:bank refuse\"\n")
	err := Validate(t.Context(), e, s)
	all, _ := err.(stack.Errors)
	if len(all) != 1 || all[0].Msg != `the fleet has no "bnak", which shop+bnak:bank names` || all[0].Hint != "did you mean bank?" {
		t.Errorf("got %v", err)
	}
}
