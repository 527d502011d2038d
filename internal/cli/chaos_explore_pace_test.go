package cli

import (
	"testing"
	"time"

	"msctl.dev/msctl/chaos/explore"
)

// TestExplorePace tells how many runs are left and for how long, as soon as that is known.
func TestExplorePace(t *testing.T) {
	set := explore.Set{{Mode: "omit", Edge: "a:b", Op: "GET /x"}}
	search := func(p *pace, known, tried int, each time.Duration) string {
		now := time.Unix(0, 0)
		for range explore.CleanRuns - min(known, explore.CleanRuns) {
			p.ran(explore.Past{})
		}
		for i := range tried + 1 {
			p.note(now, explore.Progress{Set: set, Faults: 1, Left: 214 - i})
			if i >= known {
				now = now.Add(each)
				p.ran(explore.Past{Set: set})
			}
		}
		return p.String()
	}
	for _, c := range []struct {
		p            *pace
		known, tried int
		each         time.Duration
		want         string
	}{
		{&pace{}, 0, 0, time.Second, ": 0 of 214 runs; omit a:b GET /x"},
		{&pace{}, 0, 2, time.Second, ": 2 of 214 runs; omit a:b GET /x"},
		{&pace{}, 0, 11, time.Second, ": 11 of 214 runs, about 3 minutes left; omit a:b GET /x"},
		{&pace{}, 100, 110, time.Second, ": 110 of 214 runs, about 2 minutes left; omit a:b GET /x"}, // of 10 that were made now
		{&pace{}, 0, 210, time.Second, ": 210 of 214 runs, less than a minute left; omit a:b GET /x"},
		{&pace{}, 0, 10, time.Minute, ": 10 of 214 runs, about 3 hours left; omit a:b GET /x"},
		{&pace{most: 30}, 0, 11, 10 * time.Second, ": 11 of 26 runs, about 3 minutes left; omit a:b GET /x"},
		{&pace{end: time.Unix(120, 0)}, 0, 60, time.Second, ": 60 of 214 runs, about 1 minute left; omit a:b GET /x"},
	} {
		if got := search(c.p, c.known, c.tried, c.each); got != c.want {
			t.Errorf("%d of them known, %d tried: %q, want %q", c.known, c.tried, got, c.want)
		}
	}
	p := &pace{}
	if got := p.String(); got != ": without faults" {
		t.Errorf("at first %q", got)
	}
	p.note(time.Unix(0, 0), explore.Progress{Set: append(set, set...), Faults: 2, Left: 9, Counts: explore.Counts{Runs: 30, Known: 4}})
	if got, want := p.String(), ": 30 runs made, sets of 2 faults: 9 left, 4 left out; omit a:b GET /x + omit a:b GET /x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
