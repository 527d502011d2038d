package experiment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/stack"
)

// Load is work that the fleet is given: requests at a rate, a command, or a task of a service.
type Load struct {
	Pos  stack.Pos
	Name string
	Rate float64       // requests per second
	For  time.Duration // how long requests are sent; of a command how long it may take
	At   time.Duration // begins so long after the begin
	Beat int           // each request is sent so many times, one after the other; 0 means once

	call          *call    // nil: a command
	command       *command // nil: requests
	service, task string   // of a task
	more          []string
}

// Bounds of a workload.
const (
	maxRate     = 2000
	maxRequests = 200_000
	maxInFlight = 1000
)

// load reads one workload.
func (r *reader) load(n *yaml.Node) Load {
	l := Load{Pos: r.pos(n)}
	common := []field{{"name", r.text(&l.Name)}, {"at", r.duration(&l.At, 0, limitMost)}, {"for", r.duration(&l.For, time.Millisecond, limitMost)}}
	switch {
	case has(n, "http") != nil:
		l.call = &call{}
		r.mapping(n, "a workload", slices.Concat(common, []field{{"rate", r.number(&l.Rate, 0, maxRate)},
			{"times", r.whole(&l.Beat, 1, 10)}}, l.call.fields(r)))
		r.fills(n, "http", true)
		if l.Rate == 0 || l.For == 0 {
			r.fail(n, "write rate: 20 and for: 5s", "the workload does not say its rate and for how long")
		} else if l.Rate*l.For.Seconds() > maxRequests {
			r.fail(n, "", "the workload is of more than %d requests", maxRequests)
		}
	case has(n, "run") != nil:
		l.command = &command{}
		r.mapping(n, "a workload", append(common, field{"run", func(n *yaml.Node) {
			l.service, l.task, l.more = r.task(n)
			l.command.in = l.service
		}}))
		r.fills(n, "run", false)
	case has(n, "cmd") != nil:
		l.command = &command{}
		r.mapping(n, "a workload", slices.Concat(common, []field{{"cmd", r.words(&l.command.argv)}}, l.command.common(r)))
		r.fills(n, "cmd", false)
	default:
		others := slices.Concat([]string{"rate", "times"}, keysOf((&call{}).fields(r)), keysOf((&command{}).common(r)))
		at, hint := misspelt(n, []string{"http", "run", "cmd"}, others, "")
		r.fail(at, hint, "a workload is http, run or cmd")
	}
	if l.Name == "" {
		l.Name = "workload"
	}
	return l
}

func (l *Load) needs() []need {
	switch {
	case l.call != nil:
		return l.call.needs()
	case l.task != "":
		return []need{{task, l.service + " " + l.task}}
	case l.command != nil:
		return l.command.needs()
	}
	return nil
}

// Tally is how a workload fared.
type Tally struct {
	Name     string         `json:"name"`
	Done     int64          `json:"done"`
	OK       int64          `json:"ok"`
	Statuses map[int]int64  `json:"statuses,omitempty"` // of answers; 0 is none
	Why      map[string]int `json:"why,omitempty"`      // what was wrong with those that were not well, of a few kinds
	P50      time.Duration  `json:"p50"`
	P95      time.Duration  `json:"p95"`
	P99      time.Duration  `json:"p99"`
	Max      time.Duration  `json:"max"`
	Exit     int            `json:"exit"` // of a command
	Printed  string         `json:"printed,omitempty"`
}

// tally counts while a workload runs.
type tally struct {
	mu   sync.Mutex
	t    Tally
	took []time.Duration
}

// maxWhys is how many kinds of failures are kept.
const maxWhys = 10

func newTally(name string) *tally {
	return &tally{t: Tally{Name: name, Statuses: map[int]int64{}, Why: map[string]int{}}}
}

func (t *tally) note(status int, took time.Duration, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.t.Done++
	t.t.Statuses[status]++
	t.took = append(t.took, took)
	if why == "" {
		t.t.OK++
		return
	}
	why = shorten(why)
	if _, known := t.t.Why[why]; known || len(t.t.Why) < maxWhys {
		t.t.Why[why]++
	}
}

func (t *tally) sum() Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.t
	out.Statuses, out.Why = maps.Clone(t.t.Statuses), maps.Clone(t.t.Why)
	if len(t.took) == 0 {
		return out
	}
	all := slices.Sorted(slices.Values(t.took))
	at := func(share float64) time.Duration { return all[min(len(all)-1, int(share*float64(len(all))))] }
	out.P50, out.P95, out.P99, out.Max = at(0.5), at(0.95), at(0.99), all[len(all)-1]
	return out
}

// mostly says what was wrong with most of those that were not well, in short.
func (t Tally) mostly() string {
	why, most := "", 0
	for _, w := range slices.Sorted(maps.Keys(t.Why)) {
		if n := t.Why[w]; n > most {
			why, most = w, n
		}
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("; %d of them: %s", most, why)
}

// do gives the fleet the work, and returns when all of it is answered.
func (l *Load) do(ctx context.Context, w *world, t *tally) error {
	if !pause(ctx, l.At) {
		return nil
	}
	if l.call == nil {
		return l.exec(ctx, w, t)
	}
	base, err := l.call.base(ctx, w)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxInFlight)
	begun := time.Now()
	count := int(l.Rate * l.For.Seconds())
	for i := range max(1, count) {
		if !pause(ctx, time.Until(begun.Add(time.Duration(float64(i)/l.Rate*float64(time.Second))))) {
			return nil
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		wg.Go(func() {
			defer func() { <-slots }()
			l.one(ctx, w, t, base, i)
		})
	}
	return nil
}

// one sends the i-th request, as often as it is said.
func (l *Load) one(ctx context.Context, w *world, t *tally, base string, i int) {
	more := map[string]string{"n": strconv.Itoa(i)}
	for range max(1, l.Beat) {
		a, err := l.call.send(ctx, w, base, more)
		if ctx.Err() != nil {
			return // it was cut off here
		}
		if err != nil {
			t.note(0, a.took, err.Error())
			continue
		}
		t.note(a.status, a.took, l.call.judge(w, a, more))
	}
}

// exec runs the command or task.
func (l *Load) exec(ctx context.Context, w *world, t *tally) error {
	c := *l.command
	if l.task != "" {
		argv, err := taskOf(w.Stack, l.service, l.task, l.more)
		if err != nil {
			return cannot{err}
		}
		c.argv = argv
	}
	if c.timeout == 0 && l.For > 0 {
		c.timeout = l.For
	}
	begun := time.Now()
	printed, code, err := c.do(ctx, w, nil)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	why := ""
	if code != 0 {
		why = fmt.Sprintf("exited with %d: %s", code, last(printed))
	}
	t.note(0, time.Since(begun), why)
	t.mu.Lock()
	t.t.Exit, t.t.Printed = code, printed
	t.mu.Unlock()
	return nil
}

// pause waits, and reports whether it was left to.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
