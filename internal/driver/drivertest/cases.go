package drivertest

import (
	"context"
	"fmt"
	"time"

	"msctl.dev/msctl/internal/driver"
)

func stops(b *bench) {
	l, s := b.up(b.unit("a", Idle, ""))
	if s.Adopted || s.At.IsZero() || (s.PID == 0 && s.Container == "") {
		b.Errorf("started %+v", s)
	}
	l.stop(nil)
	l.end(driver.Exit{Asked: true})
	l.called("started", "stopping")
}

func exits(b *bench) {
	for _, code := range []int{0, 7} {
		l := b.run(b.d, b.unit(fmt.Sprintf("a-%d", code), Exit, fmt.Sprint(code)))
		l.end(driver.Exit{Code: code})
		l.called("started")
	}
}

func dies(b *bench) {
	l := b.run(b.d, b.unit("a", Die, ""))
	l.end(driver.Exit{Signal: "KILL"})
}

// grace is A4.
func grace(b *bench) {
	u := b.unit("a", Ignore, "")
	u.Grace = 300 * time.Millisecond
	l, _ := b.up(u)
	begun := time.Now()
	l.stop(nil)
	l.end(driver.Exit{Signal: "KILL", Asked: true})
	if d := time.Since(begun); d < u.Grace {
		b.Errorf("killed after %v, the grace is %v", d, u.Grace)
	}
	l.called("started", "stopping", "killed")
}

// hurry is the second Ctrl-C of A8.
func hurry(b *bench) {
	u := b.unit("a", Ignore, "")
	u.Grace = time.Hour
	l, _ := b.up(u)
	l.stop(nil)
	close(l.hurry)
	l.end(driver.Exit{Signal: "KILL", Asked: true})
}

func kills(b *bench) {
	u := b.unit("a", Idle, "")
	u.Grace = time.Hour
	l, _ := b.up(u)
	l.stop(driver.ErrKill)
	l.end(driver.Exit{Signal: "KILL", Asked: true})
}

// cancelledBefore is A12: whatever Run makes of it, nothing is left.
func cancelledBefore(b *bench) {
	u := b.unit("a", Idle, "")
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	b.d.Run(ctx, u, driver.Hooks{})
	if s, ok := b.d.(driver.Sweeper); ok {
		if n, err := s.Sweep(b.Context(), false); n != 0 || err != nil {
			b.Errorf("%d left, %v", n, err)
		}
	}
}

// detaches is A3: the next supervisor adopts, with the same process and the count of restarts.
func detaches(b *bench) {
	u := b.unit("a", Idle, "")
	u.Restarts = 4
	l, first := b.up(u)
	l.stop(driver.ErrDetach)
	<-l.done
	if l.err == nil {
		b.Error("detached without saying so")
	}
	l.called("started")
	u.Restarts = 0
	l = b.run(b.again(), u)
	s := l.start()
	if !s.Adopted || s.PID != first.PID || s.Container != first.Container || s.Restarts != 4 {
		b.Errorf("first started %+v, then %+v", first, s)
	}
	l.stop(nil)
	l.end(driver.Exit{Asked: true})
}

// replaces never adopts what has another configuration.
func replaces(b *bench) {
	u := b.unit("a", Idle, "")
	l, first := b.up(u)
	l.stop(driver.ErrDetach)
	<-l.done
	u.Env = append(u.Env[:len(u.Env):len(u.Env)], "CHANGED=1")
	l = b.run(b.d, u)
	s := l.start()
	if s.Adopted || (s.PID == first.PID && s.Container == first.Container && s.At.Equal(first.At)) {
		b.Errorf("first started %+v, then %+v", first, s)
	}
	l.stop(nil)
	<-l.done
}

func absent(b *bench) {
	l := b.run(b.d, b.unit("a", Absent, ""))
	<-l.done
	if l.err == nil {
		b.Errorf("ended with %+v and no error", l.exit)
	}
	l.called()
}

func prints(b *bench) {
	u := b.unit("a", Lines, "2000")
	l := b.run(b.d, u)
	l.end(driver.Exit{})
	for i, got := range b.printed(u, "line 2000") {
		if want := fmt.Sprintf("line %d", i+1); got != want {
			b.Fatalf("got %q, want %q", got, want)
		}
	}
}

// printsOn is D7: the log goes on over restarts, and every supervisor hears where a run begins in it.
func printsOn(b *bench) {
	u := b.unit("a", Exit, "3")
	for range 3 {
		b.run(b.d, u).end(driver.Exit{Code: 3})
	}
	last := b.unit("a", Idle, "")
	last.LogDir = u.LogDir
	l, first := b.up(last)
	if got := fmt.Sprint(b.printed(last, "ready")); len(got) < len("[bye bye bye ready") || got[:18] != "[bye bye bye ready" {
		b.Errorf("got %s", got)
	}
	b.beginsWith(last, first.After+1, "ready")
	l.stop(driver.ErrDetach)
	<-l.done
	l = b.run(b.again(), last)
	if s := l.start(); s.Adopted && s.After != first.After {
		b.Errorf("started after line %d, and adopted after line %d", first.After, s.After)
	}
	l.stop(nil)
	<-l.done
}

// environment is K4.
func environment(b *bench) {
	value := "a $HOME \"quoted\" 'single' back\\slash\nnew line \u00e9"
	u := b.unit("a", Env, "SECRET")
	u.Env = append(u.Env[:len(u.Env):len(u.Env)], "SECRET="+value)
	l, _ := b.up(u)
	if got, want := b.printed(u, "ready")[0], fmt.Sprintf("%q", value); got != want {
		b.Errorf("got %s, want %s", got, want)
	}
	l.stop(nil)
	<-l.done
}

func many(b *bench) {
	var lives []*life
	for i := range 6 {
		lives = append(lives, b.run(b.d, b.unit(fmt.Sprintf("a-%d", i), Idle, "")))
	}
	for _, l := range lives {
		l.start()
	}
	for _, l := range lives {
		l.stop(driver.ErrKill)
	}
	for _, l := range lives {
		l.end(driver.Exit{Signal: "KILL", Asked: true})
	}
}

func samples(b *bench) {
	s, ok := b.d.(driver.Sampler)
	if !ok {
		b.Skip("the driver does not measure")
	}
	l, _ := b.up(b.unit("a", Idle, ""))
	got, err := s.Sample(b.Context(), []string{"a", "none"})
	if err != nil {
		b.Fatal(err)
	}
	if u := got["a"]; u.Memory <= 0 || u.Processes < 1 {
		b.Errorf("usage %+v", u)
	}
	if _, ok := got["none"]; ok {
		b.Error("measured a unit that does not run")
	}
	l.stop(nil)
	<-l.done
}

// sweeps is A1: everything is ended by one who has no state.
func sweeps(b *bench) {
	d := b.d
	if b.s.Again != nil {
		d = b.s.Again(b.T, b.d)
	}
	s, ok := d.(driver.Sweeper)
	if !ok {
		b.Skip("the driver does not sweep")
	}
	for i := range 3 {
		l, _ := b.up(b.unit(fmt.Sprintf("a-%d", i), Idle, ""))
		l.stop(driver.ErrDetach)
		<-l.done
	}
	for _, least := range []int{3, 0} {
		n, err := s.Sweep(b.Context(), false)
		if err != nil || n < least || (least == 0 && n != 0) {
			b.Errorf("swept %d, %v, want %d", n, err, least)
		}
	}
}
